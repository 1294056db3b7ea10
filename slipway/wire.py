"""Records as JSON: camelCase names, times as ISO 8601 in UTC, money as text."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def wire(value: Any) -> Any:
    """JSON-ready values of a record, of a collection of them, or of what they are made of.

    Fields that are None stay, so that a reader finds every name; decimal numbers become text, because a reader must not
    make a binary fraction of money.

    Raises:
        TypeError: something that no record holds.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case Decimal() | str():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Mapping():
            return {str(name): wire(entry) for name, entry in value.items()}
        case list() | tuple():
            return [wire(entry) for entry in value]
        case _:
            return {camel(name): wire(entry) for name, entry in _fields(value).items()}


def _fields(record: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(record):
        raise TypeError(f"{type(record).__name__} is no part of a record")
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def camel(name: str) -> str:
    """A field's name as JSON spells it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def json_text(value: Any) -> str:
    """One line, so that a pipe can read record by record."""
    return json.dumps(wire(value), ensure_ascii=False)
