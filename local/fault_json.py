"""Faults as JSON: one object with its `kind` and the kind's fields in camelCase."""

import json
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from local.faults import Fault

Json = dict[str, Any]


class InvalidFaultError(Exception):
    """The request's body is no fault; the message says which field and what it may be."""


def fault_kinds() -> dict[str, type[Fault]]:
    """Every kind of fault by the name that JSON has for it: `api` is ApiFault."""
    return {kind.__name__.removesuffix("Fault").lower(): kind for kind in Fault.__subclasses__()}


def parse_fault(body: bytes | Json) -> Fault:
    """The fault of a JSON object: its `kind`, and the kind's fields in camelCase.

    Raises:
        InvalidFaultError: the sentence names the first thing that is wrong.
    """
    try:
        given = json.loads(body) if isinstance(body, bytes) else dict(body)
    except ValueError as error:
        raise InvalidFaultError(f"the body is not JSON: {error}") from error
    kinds = fault_kinds()
    if not isinstance(given, dict) or given.get("kind") not in kinds:
        said = given.get("kind") if isinstance(given, dict) else given
        raise InvalidFaultError(f"a fault is a JSON object with a kind of {', '.join(kinds)}; got {said!r}")
    kind = kinds[given.pop("kind")]
    try:
        fault: Fault = TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise InvalidFaultError(_sentence(kind, error)) from error
    return fault


def describe_fault(fault_id: str, fault: Fault, struck: int) -> Json:
    """A fault as JSON: what `parse_fault` takes, its `id`, and how often it `struck`."""
    fields = TypeAdapter(type(fault)).dump_python(fault, mode="json", by_alias=True)
    kind = next(name for name, known in fault_kinds().items() if known is type(fault))
    return {"id": fault_id, "kind": kind, **fields, "struck": struck}


def fields_of(kind: type[Fault]) -> list[str]:
    return list(TypeAdapter(kind).json_schema()["properties"])


def failures_of(kind: type[Fault]) -> list[str]:
    """What `failure` may be; empty for a kind that has one way to fail."""
    failure = get_type_hints(kind).get("failure")
    return [str(one) for one in failure] if failure else []


def _sentence(kind: type[Fault], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        return f"there is no field {field!r}; this kind has {', '.join(fields_of(kind))}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}, got {first['input']!r}" if field else message
