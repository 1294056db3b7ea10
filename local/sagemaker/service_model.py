"""SageMaker's own description of its requests, as botocore ships it: the judge of every field that comes in."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from local.sagemaker.errors import AwsError, validation

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}
_JAVA_CLASSES = {"L": r"^\W\d_", "Z": r"\s", "N": r"\d", "ASCII": r"\x00-\x7f", "Print": r"\x20-\x7e"}
# Inside a bracket a Java class must be a plain range; \w holds the letters and little else.
_JAVA_CLASSES_IN_BRACKETS = {**_JAVA_CLASSES, "L": r"\w"}


# Java writes the characters beyond U+FFFF as pairs, which is no range for Python.
_JAVA_BEYOND_16_BITS = r"\uD800\uDC00-\uDBFF\uDFFF"


@cache
def service_model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def operation(service: str, name: str) -> OperationModel:
    return service_model(service).operation_model(name)


def input_members(service: str, name: str) -> dict[str, Shape]:
    shape = operation(service, name).input_shape
    return dict(shape.members) if shape else {}


def output_members(service: str, name: str) -> dict[str, Shape]:
    shape = operation(service, name).output_shape
    return dict(shape.members) if shape else {}


def check_request(service: str, name: str, request: Any) -> dict[str, Any]:
    """Hold a request to the shape, required fields, bounds, patterns and enumerations of the service's model.

    Raises:
        AwsError: SerializationException for a value of the wrong JSON type, ValidationException for all other
            breaches, every one of them listed in AWS's words.
    """
    shape = operation(service, name).input_shape
    if not isinstance(request, dict):
        raise AwsError("SerializationException", "Start of structure or map found where not expected.")
    if shape is None:
        return {}
    breaches = list(_breaches(shape, request, ""))
    if breaches:
        noun = "error" if len(breaches) == 1 else "errors"
        raise validation(f"{len(breaches)} validation {noun} detected: {'; '.join(breaches)}")
    return request


def _breaches(shape: Shape, value: Any, where: str) -> Iterator[str]:
    _check_type(shape, value, where)
    if isinstance(shape, StructureShape):
        yield from _structure_breaches(shape, value, where)
    elif isinstance(shape, ListShape):
        yield from _size_breaches(shape, value, len(value), where, "length")
        for position, item in enumerate(value, 1):
            yield from _breaches(shape.member, item, f"{where}.{position}.member")
    elif isinstance(shape, MapShape):
        yield from _size_breaches(shape, value, len(value), where, "length")
        for key, item in value.items():
            yield from _breaches(shape.key, key, where)
            yield from _breaches(shape.value, item, f"{where}.{key}.member")
    elif isinstance(shape, StringShape):
        yield from _string_breaches(shape, value, where)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _size_breaches(shape, value, value, where, "value")


def _check_type(shape: Shape, value: Any, where: str) -> None:
    expected = _PYTHON_TYPES.get(shape.type_name)
    is_number_by_accident = isinstance(value, bool) and shape.type_name != "boolean"
    if expected and (not isinstance(value, expected) or is_number_by_accident):
        raise AwsError("SerializationException", f"{where or 'the request'} must be a {shape.type_name}, got {value!r}")


def _structure_breaches(shape: StructureShape, value: dict[str, Any], where: str) -> Iterator[str]:
    def path(member: str) -> str:
        name = member[0].lower() + member[1:]
        return f"{where}.{name}" if where else name

    for member in shape.required_members:
        if value.get(member) is None:
            yield f"Value null at '{path(member)}' failed to satisfy constraint: Member must not be null"
    for member, item in value.items():
        if member not in shape.members:
            yield f"Value at '{path(member)}' failed to satisfy constraint: {shape.name} has no member {member}"
        elif item is not None:
            yield from _breaches(shape.members[member], item, path(member))


def _size_breaches(shape: Shape, value: Any, size: float, where: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    prefix = f"Value '{value}' at '{where}' failed to satisfy constraint: Member must have {what}"
    if low is not None and size < low:
        yield f"{prefix} greater than or equal to {low}"
    if high is not None and size > high:
        yield f"{prefix} less than or equal to {high}"


def _string_breaches(shape: StringShape, value: str, where: str) -> Iterator[str]:
    yield from _size_breaches(shape, value, len(value), where, "length")
    pattern = shape.metadata.get("pattern")
    prefix = f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy"
    if pattern and not re.fullmatch(python_pattern(pattern), value):
        yield f"{prefix} regular expression pattern: {pattern}"
    if shape.enum and value not in shape.enum:
        yield f"{prefix} enum value set: [{', '.join(shape.enum)}]"


@cache
def python_pattern(java_pattern: str) -> str:
    """The pattern with Java's named classes and anchors spelled for Python's `re`."""
    out, in_brackets, rest = "", False, java_pattern.replace(_JAVA_BEYOND_16_BITS, r"\U00010000-\U0010FFFF")
    while rest:
        named = re.match(r"\\p\{(\w+)\}", rest)
        token = named[0] if named else rest[: 2 if rest[0] == "\\" else 1]
        rest = rest[len(token) :]
        if named and in_brackets:
            out += _JAVA_CLASSES_IN_BRACKETS[named[1]]
        elif named:
            out += f"[{_JAVA_CLASSES[named[1]]}]"
        else:
            in_brackets = token == "[" or (in_brackets and token != "]")  # noqa: S105 - a piece of a pattern
            out += {r"\z": r"\Z"}.get(token, token)
    return out
