"""A template's parameters: which values they take, and which values these are for the template's functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from local.cloudformation.errors import ValidationError, refused
from local.world import World

HIDDEN = "****"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_STORED = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_PLAIN = frozenset(
    {"String", "Number", "CommaDelimitedList", "List<Number>", "List<String>", "AWS::SSM::Parameter::Name"}
)
# Types whose values must exist in the account: the parameter's type → how EC2 is asked, and by which argument.
_EXISTING = {
    "AWS::EC2::VPC::Id": ("describe_vpcs", "VpcIds"),
    "AWS::EC2::Subnet::Id": ("describe_subnets", "SubnetIds"),
    "AWS::EC2::SecurityGroup::Id": ("describe_security_groups", "GroupIds"),
}


@dataclass(frozen=True)
class Parameters:
    """Values for one template."""

    given: Mapping[str, str] = field(default_factory=dict)
    """As sent, or the default; for a parameter that names an SSM parameter, its name."""
    values: Mapping[str, str | list[str]] = field(default_factory=dict)
    """As `Ref` answers."""
    hidden: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()
    """Those whose value is read from SSM."""

    def described(self) -> list[dict[str, str]]:
        """As DescribeStacks answers."""
        return [
            {
                "ParameterKey": name,
                "ParameterValue": HIDDEN if name in self.hidden else value,
                **({"ResolvedValue": str(self.values[name])} if name in self.stored else {}),
            }
            for name, value in self.given.items()
        ]

    def secrets(self) -> list[str]:
        return [self.given[name] for name in self.hidden if self.given[name]]


def sent(request: list[Mapping[str, Any]], previous: Mapping[str, str]) -> dict[str, str]:
    """The values of a request's Parameters; UsePreviousValue takes the stack's own.

    Raises:
        ValidationError: there is no previous value.
    """
    values = {}
    for item in request:
        name = item["ParameterKey"]
        if not item.get("UsePreviousValue"):
            values[name] = str(item.get("ParameterValue", ""))
        elif name in previous:
            values[name] = previous[name]
        else:
            raise ValidationError(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key "
                "not in the previous template"
            )
    return values


def resolve(world: World, declared: Mapping[str, Any], given: Mapping[str, str]) -> Parameters:
    """Defaults filled in, values checked and read.

    Raises:
        ValidationError: a value is missing, superfluous or refused by its declaration.
    """
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ValidationError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = sorted(name for name, slot in declared.items() if name not in given and "Default" not in slot)
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    texts = {name: str(given.get(name, slot.get("Default"))) for name, slot in declared.items()}
    stored = {name: kind[1] for name, slot in declared.items() if (kind := _STORED.fullmatch(slot["Type"]))}
    values = {name: _value(world, name, slot, texts[name], stored.get(name)) for name, slot in declared.items()}
    hidden = frozenset(name for name, slot in declared.items() if str(slot.get("NoEcho", "")).lower() == "true")
    return Parameters(texts, values, hidden, frozenset(stored))


def _value(world: World, name: str, slot: Mapping[str, Any], text: str, stored_type: str | None) -> str | list[str]:
    kind = stored_type or slot["Type"]
    if stored_type:
        text = _stored(world, name, text)
    elif problem := parameter_problem(name, slot, text):
        raise ValidationError(problem)
    listed = re.fullmatch(r"List<(.+)>", kind)
    items = [item.strip() for item in text.split(",")] if listed or kind == "CommaDelimitedList" else [text]
    single = listed[1] if listed else kind
    if single in _EXISTING:
        _check_exists(world, name, single, items)
    elif kind not in _PLAIN and single not in _PLAIN:
        raise refused(f"parameter type {slot['Type']}")
    return items if listed or kind == "CommaDelimitedList" else text


def _stored(world: World, name: str, path: str) -> str:
    try:
        value: str = world.client("ssm").get_parameter(Name=path)["Parameter"]["Value"]
    except ClientError as error:
        raise ValidationError(
            f"Unable to fetch parameters [{path}] from parameter store for this account ({name})"
        ) from error
    return value


def _check_exists(world: World, name: str, kind: str, ids: list[str]) -> None:
    operation, argument = _EXISTING[kind]
    try:
        getattr(world.client("ec2"), operation)(**{argument: ids})
    except ClientError as error:
        raise ValidationError(
            f"Parameter validation failed: parameter value {','.join(ids)} for parameter name {name} does not exist"
        ) from error


def parameter_problem(name: str, declaration: Mapping[str, Any], value: str) -> str | None:
    """Why CloudFormation refuses this value, or None; constraints as in a template's Parameters section."""
    hint = declaration.get("ConstraintDescription")
    tail = f" ({hint})" if hint else ""
    allowed = [str(item) for item in declaration.get("AllowedValues", [])]
    items = [item.strip() for item in value.split(",")] if declaration["Type"] == "CommaDelimitedList" else [value]
    if allowed and not set(items) <= set(allowed):
        return f"Parameter '{name}' must be one of AllowedValues: [{', '.join(allowed)}], not '{value}'{tail}"
    pattern = declaration.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return f"Parameter {name} = '{value}' failed to satisfy constraint: must match pattern {pattern}{tail}"
    if declaration["Type"] != "Number":
        return _bound_problem(
            declaration, len(value), ("MinLength", "MaxLength"), f"Parameter {name} has a length", tail
        )
    if not _NUMBER.fullmatch(value):
        return f"Parameter '{name}' must be a number, not '{value}'{tail}"
    return _bound_problem(declaration, float(value), ("MinValue", "MaxValue"), f"Parameter {name} has a number", tail)


def _bound_problem(
    declaration: Mapping[str, Any], size: float, bounds: tuple[str, str], what: str, tail: str
) -> str | None:
    low, high = bounds
    if low in declaration and size < float(declaration[low]):
        return f"{what} of {size:g}, below {low} {declaration[low]}{tail}"
    if high in declaration and size > float(declaration[high]):
        return f"{what} of {size:g}, above {high} {declaration[high]}{tail}"
    return None
