"""The templates and the machines as data, and as much of CloudFormation as it takes to read them."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[3]
TEMPLATES = ("template.yaml", "infra/network.yaml", "infra/entrance.yaml", "infra/chat.yaml", "infra/oversight.yaml")
MACHINES = ("release", "rollback", "operate", "sweep")
PSEUDO = {
    "AWS::StackName": "slipway",
    "AWS::AccountId": "123456789012",
    "AWS::Region": "us-east-1",
    "AWS::Partition": "aws",
}


@cache
def template(name: str = "template.yaml") -> dict[str, Any]:
    document: dict[str, Any] = yaml_parse((ROOT / name).read_text())  # type: ignore[no-untyped-call] # ships no types
    return document


@cache
def machine(name: str) -> dict[str, Any]:
    definition: dict[str, Any] = yaml.safe_load((ROOT / "statemachines" / f"{name}.asl.yaml").read_text())
    return definition


def states(name: str) -> dict[str, dict[str, Any]]:
    """Every state of a machine, those of a Map's items included; their names do not repeat."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts(name):
        assert not found.keys() & part["States"].keys()
        found |= part["States"]
    return found


def parts(name: str) -> list[dict[str, Any]]:
    """The machine itself, and what each Map of it runs for an item."""
    whole = machine(name)
    return [whole, *(state["ItemProcessor"] for state in whole["States"].values() if state["Type"] == "Map")]


@cache
def example(path: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{path}.example.json").read_text())
    return event


@cache
def schema(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "events" / f"{path}.schema.json").read_text())
    return found


@cache
def samconfig() -> dict[str, Any]:
    return tomllib.loads((ROOT / "samconfig.toml").read_text())


def overrides(environment: str) -> dict[str, str]:
    pairs: list[str] = samconfig()[environment]["deploy"]["parameters"]["parameter_overrides"]
    return dict(pair.split("=", 1) for pair in pairs)


def of_type(document: Mapping[str, Any], resource_type: str) -> dict[str, dict[str, Any]]:
    """Logical id → properties."""
    resources = document["Resources"].items()
    return {name: each.get("Properties", {}) for name, each in resources if each["Type"] == resource_type}


def functions() -> dict[str, dict[str, Any]]:
    """Folder under functions/ → properties."""
    found = of_type(template(), "AWS::Serverless::Function")
    return {folder_of(logical_id): properties for logical_id, properties in found.items()}


def folder_of(logical_id: str) -> str:
    stem = logical_id.removesuffix("Function").removesuffix("Alarm")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", stem).lower()


def statements(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in properties.get("Policies", []) for statement in policy["Statement"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resolve(node: Any, values: Mapping[str, str]) -> Any:
    """What CloudFormation makes of the node.

    Args:
        values: by parameter, pseudo parameter, logical id (for `Ref`) and `<logical id>.<attribute>`.

    Raises:
        KeyError: the node refers to something that `values` lacks.
    """
    if isinstance(node, list):
        return [resolve(each, values) for each in node]
    if not isinstance(node, dict):
        return node
    (name, argument), *others = node.items()
    intrinsic = None if others else _INTRINSICS.get(name)
    if intrinsic:
        return intrinsic(argument, values)
    return {key: resolve(value, values) for key, value in node.items()}


def _sub(argument: Any, values: Mapping[str, str]) -> str:
    text, more = argument if isinstance(argument, list) else (argument, {})
    known = {**values, **{key: resolve(value, values) for key, value in more.items()}}
    return re.sub(r"\$\{([^}!]+)\}", lambda found: known[found[1]], text)


_INTRINSICS: dict[str, Callable[[Any, Mapping[str, str]], Any]] = {
    "Ref": lambda name, values: values[name],
    "Fn::GetAtt": lambda attribute, values: values[".".join(as_list(attribute))],
    "Fn::Join": lambda argument, values: argument[0].join(resolve(argument[1], values)),
    "Fn::Split": lambda argument, values: resolve(argument[1], values).split(argument[0]),
    "Fn::Sub": _sub,
}
