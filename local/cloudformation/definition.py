"""A template with its parameters' values: which resources it wants and in which order, checked."""

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.cloudformation import intrinsics, schemas
from local.cloudformation.errors import ValidationError, refused
from local.cloudformation.parameters import Parameters
from local.cloudformation.resource import Provider
from local.cloudformation.templates import Template
from local.world import ACCOUNT, REGION

PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NoValue": intrinsics.NO_VALUE,
    "AWS::NotificationARNs": [],
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
_OF_THE_STACK = frozenset({"AWS::StackName", "AWS::StackId"})
_POLICIES = {
    "DeletionPolicy": frozenset({"Delete", "Retain", "RetainExceptOnCreate"}),
    "UpdateReplacePolicy": frozenset({"Delete", "Retain"}),
}
_KEYS = frozenset({"Type", "Properties", "DependsOn", "Condition", "Metadata", *_POLICIES})


class Types(Protocol):
    def provider(self, resource_type: str) -> Provider: ...

    def __contains__(self, resource_type: object) -> bool: ...


@dataclass(frozen=True)
class Definition:
    template: Template
    parameters: Parameters
    stack: Mapping[str, str] = field(default_factory=dict)
    """AWS::StackName and AWS::StackId."""
    tags: Mapping[str, str] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    conditions: Mapping[str, bool] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    """The resources whose condition holds, each after all that it refers to."""

    @property
    def resources(self) -> Mapping[str, Any]:
        return self.template.section("Resources")

    @property
    def description(self) -> str:
        return str(self.template.document.get("Description", ""))


def define(template: Template, parameters: Parameters, types: Types, stack: Mapping[str, str]) -> Definition:
    """Check everything that can be known before the first resource is made.

    Args:
        stack: the values of AWS::StackName and AWS::StackId.

    Raises:
        ValidationError: an unknown type, function, name or property, or a circle of references.
    """
    check(template, types)
    conditions = _Conditions(template, parameters, stack).all()
    wanted = {
        name: resource
        for name, resource in template.section("Resources").items()
        if "Condition" not in resource or conditions[resource["Condition"]]
    }
    return Definition(template, parameters, stack, conditions=conditions, order=_ordered(wanted, conditions))


class _Conditions:
    """The template's conditions, which see parameters, mappings and each other."""

    def __init__(self, template: Template, parameters: Parameters, stack: Mapping[str, str]) -> None:
        self._expressions = template.section("Conditions")
        self._mappings = template.section("Mappings")
        self._known: dict[str, Any] = {**PSEUDO, **stack, **parameters.values}

    def all(self) -> dict[str, bool]:
        return {name: self.condition(name) for name in self._expressions}

    def condition(self, name: str) -> bool:
        if name not in self._expressions:
            raise ValidationError(f"Template error: unresolved condition dependency {name} in the Conditions block")
        return intrinsics.condition(self._expressions[name], self)

    def ref(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        raise ValidationError(f"Template error: every Ref in a condition must be a parameter, and {name} is none")

    def mapping(self, name: str) -> Mapping[str, Any]:
        mapping: Mapping[str, Any] = self._mappings[name]
        return mapping

    def attribute(self, logical_id: str, attribute: str) -> Any:
        raise ValidationError(f"Template error: Fn::GetAtt {logical_id}.{attribute} has no place in a condition")

    def imported(self, export: str) -> str:
        raise ValidationError(f"Template error: Fn::ImportValue {export} has no place in a condition")

    def zones(self) -> list[str]:
        return [f"{REGION}{letter}" for letter in "abcdef"]

    def stored(self, service: str, name: str) -> str:
        raise ValidationError(f"Template error: the dynamic reference to {service}:{name} has no place in a condition")


def needs(declaration: Mapping[str, Any], conditions: Mapping[str, bool]) -> set[str]:
    """The names that a resource's declaration refers to, in the branches that hold."""
    depends = declaration.get("DependsOn", [])
    names = {depends} if isinstance(depends, str) else set(depends)
    for function, name in intrinsics.references(_taken(declaration.get("Properties", {}), conditions)):
        if function in {"Ref", "Fn::GetAtt"}:
            names.add(name.split(".", 1)[0])
    return names


def _taken(value: Any, conditions: Mapping[str, bool]) -> Any:
    """The value without the branches of Fn::If that do not hold."""
    if isinstance(value, list):
        return [_taken(item, conditions) for item in value]
    if not isinstance(value, dict):
        return value
    if intrinsics.function_of(value) == "Fn::If":
        name, then, otherwise = value["Fn::If"]
        return _taken(then if conditions[name] else otherwise, conditions)
    return {key: _taken(item, conditions) for key, item in value.items()}


def _ordered(wanted: Mapping[str, Any], conditions: Mapping[str, bool]) -> tuple[str, ...]:
    graph = {name: needs(resource, conditions) & set(wanted) for name, resource in wanted.items()}
    try:
        return tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = ", ".join(sorted(set(error.args[1])))
        raise ValidationError(f"Circular dependency between resources: [{circle}]") from error


def check(template: Template, types: Types) -> None:
    """The template's own faults, whatever its parameters.

    Raises:
        ValidationError: see `define`.
    """
    for section in ("Rules", "Hooks"):
        if template.section(section):
            raise refused(f"template section {section}")
    resources = template.section("Resources")
    if not resources:
        raise ValidationError("Template format error: At least one Resources member must be defined.")
    for name, resource in resources.items():
        _check_declaration(name, resource)
    intrinsics.check(list(template.section("Outputs").values()))
    unknown = sorted({resource["Type"] for resource in resources.values() if resource["Type"] not in types})
    if unknown:
        raise ValidationError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]; "
            "the local AWS creates and records only the types that local/GAPS.md lists"
        )
    _check_names(template, types)
    for name, resource in resources.items():
        intrinsics.check(resource.get("Properties", {}))
        for key in sorted(types.provider(resource["Type"]).refuses & set(resource.get("Properties", {}))):
            raise refused(f"property {key} of {resource['Type']} ({name})")
        if problem := schemas.problem(resource["Type"], resource.get("Properties", {})):
            raise ValidationError(f"Properties validation failed for resource {name} with message: {problem}")


def _check_declaration(name: str, resource: Any) -> None:
    if not isinstance(resource, dict) or "Type" not in resource:
        raise ValidationError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    for key in sorted(set(resource) - _KEYS):
        raise refused(f"resource attribute {key} ({name})")
    for key, known in _POLICIES.items():
        if resource.get(key, "Delete") not in known:
            raise refused(f"{key} {resource[key]} ({name})")


def _check_names(template: Template, types: Types) -> None:
    resources, parameters = template.section("Resources"), template.section("Parameters")
    refs = {*resources, *parameters, *PSEUDO, *_OF_THE_STACK}
    missing: set[str] = set()
    for function, name in _all_references(template):
        if function == "Ref" and name not in refs:
            missing.add(name)
        elif function == "Fn::If" and name not in template.section("Conditions"):
            raise ValidationError(f"Template error: unresolved condition dependency {name} in the Resources block")
        elif function == "Fn::FindInMap" and isinstance(name, str) and name not in template.section("Mappings"):
            raise ValidationError(f"Template error: Mapping named '{name}' is not present in the 'Mappings' section")
        elif function == "Fn::GetAtt":
            _check_attribute(resources, name, types)
    if missing:
        raise ValidationError(
            "Template format error: Unresolved resource dependencies "
            f"[{', '.join(sorted(missing))}] in the Resources block of the template"
        )


def _all_references(template: Template) -> Iterator[tuple[str, str]]:
    for resource in template.section("Resources").values():
        yield from intrinsics.references(resource.get("Properties", {}))
        depends = resource.get("DependsOn", [])
        yield from (("Ref", name) for name in ([depends] if isinstance(depends, str) else depends))
        if "Condition" in resource:
            yield "Fn::If", resource["Condition"]
    for output in template.section("Outputs").values():
        yield from intrinsics.references(output)
        if "Condition" in output:
            yield "Fn::If", output["Condition"]


def _check_attribute(resources: Mapping[str, Any], name: str, types: Types) -> None:
    logical_id, _, attribute = name.partition(".")
    if logical_id not in resources:
        raise ValidationError(f"Template error: instance of Fn::GetAtt references undefined resource {logical_id}")
    kind = resources[logical_id]["Type"]
    if kind in types and not types.provider(kind).has_attribute(attribute):
        raise ValidationError(
            f"Template error: resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt"
        )
