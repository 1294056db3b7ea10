"""What a change set says: which resources would come, change and go, by which property and for which reason.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from collections.abc import Mapping
from typing import Any

from local.cloudformation import intrinsics, schemas
from local.cloudformation.definition import Definition, Types
from local.cloudformation.resource import Made, StackResource
from local.cloudformation.scope import StackScope, described_output
from local.cloudformation.stack import Stack
from local.world import World

_KEPT = frozenset({"Retain", "RetainExceptOnCreate"})


class Forecast:
    """The changes that a definition would make to a stack.

    Args:
        exports: values by name of all stacks' exports.
    """

    def __init__(self, world: World, types: Types, stack: Stack, exports: Mapping[str, str]) -> None:
        self._world, self._types, self._stack, self._exports = world, types, stack, exports
        self._unsettled: dict[str, bool] = {}
        """Logical ids that change, and whether their physical id does."""

    def changes(self, target: Definition) -> list[dict[str, Any]]:
        """As DescribeChangeSet lists them."""
        scope = StackScope(self._world, target, self._made, self._exports)
        found = [change for name in target.order if (change := self._brought(name, target, scope))]
        present = {name: resource for name, resource in self._stack.resources.items() if resource.made}
        return found + [self._removed(present[name]) for name in sorted(set(present) - set(target.order))]

    def changes_outputs(self, target: Definition) -> bool:
        """Whether outputs alone would differ."""
        scope = StackScope(self._world, target, self._made, self._exports)
        wanted = [
            described_output(name, output, scope)
            for name, output in target.template.section("Outputs").items()
            if "Condition" not in output or target.conditions[output["Condition"]]
        ]
        return wanted != self._stack.outputs

    def _made(self, logical_id: str) -> Made | None:
        resource = self._stack.resources.get(logical_id)
        made = resource.made if resource else None
        if logical_id not in self._unsettled:
            return made
        recreated = self._unsettled[logical_id] or made is None
        return Made(intrinsics.UNKNOWN if recreated or made is None else made.physical_id, _Unknown())

    def _brought(self, name: str, target: Definition, scope: StackScope) -> dict[str, Any] | None:
        declaration = target.resources[name]
        current = self._stack.resources.get(name)
        if current is None or current.made is None:
            self._unsettled[name] = True
            return _change("Add", name, declaration["Type"])
        properties = schemas.coerced(declaration["Type"], scope.properties(name))
        if properties == current.properties:
            return None
        recreates = self._types.provider(current.type).recreates(current, properties)
        self._unsettled[name] = bool(recreates)
        names = sorted(
            key for key in {*properties, *current.properties} if properties.get(key) != current.properties.get(key)
        )
        details = [self._detail(key, current, target, always=key in recreates) for key in names]
        return {
            **_change("Modify", name, current.type),
            "PhysicalResourceId": current.physical_id,
            "Replacement": _replacement(details),
            "Scope": ["Tags" if names == ["Tags"] else "Properties"],
            "Details": details,
        }

    def _detail(self, key: str, current: StackResource, target: Definition, *, always: bool) -> dict[str, Any]:
        before = current.declaration.get("Properties", {}).get(key)
        after = target.resources[current.logical_id].get("Properties", {}).get(key)
        source, cause = self._cause(before, after, target)
        evaluation = "Static" if source in {"DirectModification", "ParameterReference"} else "Dynamic"
        tags = key == "Tags"
        where = {"Attribute": "Tags"} if tags else {"Attribute": "Properties", "Name": key}
        return {
            "Target": {**where, "RequiresRecreation": "Always" if always else "Never"},
            "Evaluation": evaluation,
            "ChangeSource": source,
            **({"CausingEntity": cause} if cause else {}),
        }

    def _cause(self, before: Any, after: Any, target: Definition) -> tuple[str, str]:
        if before != after:
            return "DirectModification", ""
        for function, name in intrinsics.references(after):
            if function == "Ref" and self._parameter_differs(name, target):
                return "ParameterReference", name
            if name.split(".", 1)[0] in self._unsettled:
                return ("ResourceReference" if function == "Ref" else "ResourceAttribute"), name
        return "DirectModification", ""

    def _parameter_differs(self, name: str, target: Definition) -> bool:
        if name not in target.parameters.values:
            return False
        old = self._stack.definition.parameters.values if self._stack.definition else {}
        return old.get(name) != target.parameters.values[name]

    def _removed(self, resource: StackResource) -> dict[str, Any]:
        kept = resource.declaration.get("DeletionPolicy") in _KEPT
        return {
            **_change("Remove", resource.logical_id, resource.type),
            "PhysicalResourceId": resource.physical_id,
            "PolicyAction": "Retain" if kept else "Delete",
        }


class _Unknown(dict[str, Any]):
    """Attributes of a resource that changes."""

    def __missing__(self, key: str) -> str:
        return intrinsics.UNKNOWN


def _change(action: str, name: str, resource_type: str) -> dict[str, Any]:
    return {"Action": action, "LogicalResourceId": name, "ResourceType": resource_type}


def _replacement(details: list[dict[str, Any]]) -> str:
    always = [detail for detail in details if detail["Target"]["RequiresRecreation"] == "Always"]
    if not always:
        return "False"
    return "True" if any(detail["Evaluation"] == "Static" for detail in always) else "Conditional"
