"""A template's functions: what they mean now, and to which names they refer.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from local.cloudformation.errors import ValidationError, refused

NO_VALUE = object()
# What a change set shows for a value that only its execution will know.
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
_PLACE = re.compile(r"\$\{(!?)([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:([a-z-]+):([^}]+)\}\}")


class Scope(Protocol):
    """What names mean."""

    def ref(self, name: str) -> Any: ...

    def attribute(self, logical_id: str, attribute: str) -> Any: ...

    def mapping(self, name: str) -> Mapping[str, Any]: ...

    def condition(self, name: str) -> bool: ...

    def imported(self, export: str) -> str: ...

    def zones(self) -> list[str]: ...

    def stored(self, service: str, name: str) -> str:
        """The value of an SSM parameter, or of a secret: what follows the service in a dynamic reference names it."""
        ...


def resolve(value: Any, scope: Scope) -> Any:
    """The value with its functions computed; what is AWS::NoValue is left out.

    Raises:
        ValidationError: a function is unknown here, or its arguments are no such thing.
    """
    if isinstance(value, list):
        return [item for item in (resolve(one, scope) for one in value) if item is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    name = function_of(value)
    if name:
        return _function(name)(value[name], scope)
    members = ((key, resolve(item, scope)) for key, item in value.items())
    return {key: item for key, item in members if item is not NO_VALUE}


def with_stored_values(value: Any, scope: Scope) -> Any:
    """The resolved value with its dynamic references, as `{{resolve:ssm:name:version}}`, replaced.

    Raises:
        ValidationError: the parameter is missing, or is no plain one.
    """
    if isinstance(value, list):
        return [with_stored_values(item, scope) for item in value]
    if isinstance(value, dict):
        return {key: with_stored_values(item, scope) for key, item in value.items()}
    if isinstance(value, str):
        return _DYNAMIC.sub(lambda found: scope.stored(found[1], found[2]), value)
    return value


def function_of(value: Mapping[str, Any]) -> str | None:
    """The function that this object is a call of."""
    if len(value) != 1:
        return None
    [name] = value
    return name if name == "Ref" or name.startswith("Fn::") else None


def condition(value: Any, scope: Scope) -> bool:
    """What a condition's expression says."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValidationError(f"Template format error: a condition is one function, not {value!r}")
    [(name, argument)] = value.items()
    if name == "Condition":
        return scope.condition(argument)
    if name == "Fn::Equals":
        left, right = (_text(resolve(item, scope)) for item in argument)
        return left == right
    if name == "Fn::Not":
        return not condition(argument[0], scope)
    if name == "Fn::And":
        return all(condition(item, scope) for item in argument)
    if name == "Fn::Or":
        return any(condition(item, scope) for item in argument)
    raise refused(f"condition function {name}")


def check(value: Any) -> None:
    """Whether every function and dynamic reference in the value is one that is computed here.

    Raises:
        ValidationError: one is not.
    """
    if isinstance(value, str):
        for service, _ in _DYNAMIC.findall(value):
            if service not in {"ssm", "secretsmanager"}:
                raise refused(f"dynamic reference {{{{resolve:{service}:…}}}}")
    elif isinstance(value, list):
        for item in value:
            check(item)
    elif isinstance(value, dict):
        if name := function_of(value):
            _function(name)
        for item in value.values():
            check(item)


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Every (function, name) that the value refers to; the function is Ref, Fn::GetAtt, Fn::If or Fn::FindInMap.

    The name that goes with Fn::GetAtt is `<logical id>.<attribute>`.
    """
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    if not isinstance(value, dict):
        return
    match function_of(value):
        case "Ref":
            yield "Ref", value["Ref"]
        case "Fn::GetAtt":
            yield "Fn::GetAtt", ".".join(_dotted(value["Fn::GetAtt"]))
        case "Fn::Sub":
            yield from _in_sub(value["Fn::Sub"])
        case "Fn::If" | "Fn::FindInMap" as name:
            yield name, value[name][0]
            yield from references(value[name][1:])
        case _:
            yield from references(list(value.values()))


def _in_sub(argument: Any) -> Iterator[tuple[str, str]]:
    template, variables = (argument, {}) if isinstance(argument, str) else argument
    for literal, name in _PLACE.findall(template):
        if not literal and name not in variables:
            yield ("Fn::GetAtt" if "." in name else "Ref"), name
    yield from references(list(variables.values()))


def _function(name: str) -> Callable[[Any, Scope], Any]:
    if name not in _FUNCTIONS:
        raise refused(f"function {name}")
    return _FUNCTIONS[name]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dotted(argument: Any) -> list[str]:
    return argument.split(".", 1) if isinstance(argument, str) else [str(part) for part in argument]


def _get_att(argument: Any, scope: Scope) -> Any:
    logical_id, attribute = _dotted(argument)
    return scope.attribute(logical_id, attribute)


def _sub(argument: Any, scope: Scope) -> str:
    template, variables = (argument, {}) if isinstance(argument, str) else argument

    def replaced(place: re.Match[str]) -> str:
        literal, name = place.groups()
        if literal:
            return f"${{{name}}}"
        if name in variables:
            return _text(resolve(variables[name], scope))
        return _text(_get_att(name, scope) if "." in name else scope.ref(name))

    return _PLACE.sub(replaced, template)


def _join(argument: Any, scope: Scope) -> str:
    delimiter, items = argument[0], resolve(argument[1], scope)
    return str(delimiter.join(map(_text, items))) if isinstance(items, list) else _text(items)


def _split(argument: Any, scope: Scope) -> list[str]:
    return _text(resolve(argument[1], scope)).split(argument[0])


def _select(argument: Any, scope: Scope) -> Any:
    index, items = int(resolve(argument[0], scope)), resolve(argument[1], scope)
    if items in (UNKNOWN, [UNKNOWN]):
        return UNKNOWN
    if not isinstance(items, list) or not 0 <= index < len(items):
        raise ValidationError(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
    return items[index]


def _find_in_map(argument: Any, scope: Scope) -> Any:
    name, first, second = (resolve(part, scope) for part in argument)
    try:
        return scope.mapping(name)[first][second]
    except KeyError as error:
        raise ValidationError(f"Template error: Unable to get mapping for {name}::{first}::{second}") from error


def _if(argument: Any, scope: Scope) -> Any:
    name, then, otherwise = argument
    return resolve(then if scope.condition(name) else otherwise, scope)


def _base64(argument: Any, scope: Scope) -> str:
    return base64.b64encode(_text(resolve(argument, scope)).encode()).decode()


def _cidr(argument: Any, scope: Scope) -> list[str]:
    block, count, bits = (resolve(part, scope) for part in [*argument, 32 - 24][:3])
    network = ipaddress.ip_network(block)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
    return [str(subnet) for _, subnet in zip(range(int(count)), subnets, strict=False)]


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": lambda name, scope: scope.ref(name),
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::If": _if,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::GetAZs": lambda _, scope: scope.zones(),
    "Fn::ImportValue": lambda name, scope: scope.imported(_text(resolve(name, scope))),
}
