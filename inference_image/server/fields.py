"""Readers of JSON fields: what a field may hold, and the sentence that refuses anything else."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from server.errors import Code, ServingError

_QUOTED = 60

Reader = Callable[[Any, str], Any]
"""Takes the value and its path in the body; returns what it means, or raises ServingError."""


def fields(value: Any, readers: Mapping[str, Reader], path: str) -> dict[str, Any]:
    """Each field through its reader. A field that the contract does not know is refused: it may be a typo."""
    given = an_object(value, path)
    for name in given:
        if name not in readers:
            where = f"in {path}" if path else "in the body"
            known = ", ".join(sorted(readers))
            refuse(f"{quote(name)} {where} is unknown; known are {known}", _join(path, name[:_QUOTED]), "unknown_field")
    return {name: readers[name](item, _join(path, name)) for name, item in given.items()}


def need(given: Mapping[str, Any], name: str, path: str) -> Any:
    """Raises ServingError: the field is missing."""
    if name not in given:
        refuse(f"{path} has no {name}; send it", path)
    return given[name]


def an_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        refuse(f"{path} is {quote(value)}; send an object", path)
    return value


def string(least: int, most: int | None = None) -> Reader:
    def read(value: Any, path: str) -> str:
        if not isinstance(value, str) or len(value) < least or (most is not None and len(value) > most):
            limit = f"at least {least}" if most is None else f"{least} to {most}"
            refuse(f"{path} is {quote(value)}; send a string of {limit} characters", path)
        return value

    return read


def boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        refuse(f"{path} is {quote(value)}; send true or false", path)
    return value


def whole(least: int, most: int, *, clamp: bool = False) -> Reader:
    def read(value: Any, path: str) -> int:
        # JSON has one kind of number, so 8.0 is as whole as 8.
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole or value < least or (value > most and not clamp):
            limit = f"of at least {least}" if clamp else f"from {least} to {most}"
            refuse(f"{path} is {quote(value)}; send a whole number {limit}", path)
        return min(int(value), most)

    return read


def number(low: float, high: float, *, above_low: bool = False) -> Reader:
    def read(value: Any, path: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high or (above_low and value == low):
            refuse(f"{path} is {quote(value)}; send a number {'above' if above_low else 'from'} {low} to {high}", path)
        return float(value) or 0.0  # no -0.0

    return read


def refuse(message: str, param: str | None, code: Code = "invalid_request") -> NoReturn:
    raise ServingError(code, message, param=param)


def kind(value: Any) -> str:
    """What JSON calls it."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def quote(value: Any) -> str:
    """The value as JSON, cut short; megabytes are named, not written, because writing them takes the loop's time."""
    if isinstance(value, dict | list) and len(value) > _QUOTED:
        return f"an {kind(value)} of {len(value)} items"
    text = json.dumps(value[:_QUOTED] if isinstance(value, str) else _shallow(value))
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _shallow(value: Any) -> Any:
    """At most two levels, each part short."""
    if isinstance(value, dict):
        return {name[:_QUOTED]: _leaf(item) for name, item in value.items()}
    return [_leaf(item) for item in value] if isinstance(value, list) else value


def _leaf(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_QUOTED]
    return f"an {kind(value)} of {len(value)} items" if isinstance(value, dict | list) and value else value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
