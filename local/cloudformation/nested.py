"""`AWS::CloudFormation::Stack`: a stack that another one owns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.cloudformation import templates
from local.cloudformation.resource import Made, Order, Properties, ResourceFailedError, StackResource
from local.cloudformation.stack import Stack
from local.world import World

if TYPE_CHECKING:
    from local.cloudformation.stacks import Stacks

_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


class NestedStackType:
    name_property = ""
    refuses = frozenset({"NotificationARNs", "TimeoutInMinutes"})

    def __init__(self, world: World, stacks: "Stacks") -> None:
        self._world, self._stacks = world, stacks

    def create(self, order: Order) -> Made:
        parent = self._stacks.get(order.stack_id)
        child = self._stacks.add(order.name, parent=parent)
        try:
            definition = self._definition(parent, child, order.properties)
        except Exception:
            self._stacks.forget(child)
            raise
        self._stacks.create(child, definition)()
        if child.status != "CREATE_COMPLETE":
            reason = next(
                event["ResourceStatusReason"] for event in child.events if "FAILED" in event["ResourceStatus"]
            )
            raise ResourceFailedError(f"Embedded stack {child.id} was not successfully created: {reason}", _made(child))
        return _made(child)

    def update(self, order: Order, current: StackResource) -> Made:
        parent, child = self._stacks.get(order.stack_id), self._stacks.get(current.physical_id)
        definition = self._definition(parent, child, order.properties)
        _, anything = self._stacks.forecast(child, definition)
        if anything:
            self._stacks.update(child, definition)()
        if child.status != "UPDATE_COMPLETE" and anything:
            raise ResourceFailedError(
                f"Embedded stack {child.id} was not successfully updated. Currently in {child.status}"
            )
        return _made(child)

    def _definition(self, parent: Stack, child: Stack, properties: Properties) -> Any:
        body = templates.body_of(self._world, {"TemplateURL": properties["TemplateURL"]})
        acknowledged = parent.definition.capabilities if parent.definition else frozenset()
        request = {
            "Parameters": [
                {
                    "ParameterKey": name,
                    "ParameterValue": ",".join(map(str, value)) if isinstance(value, list) else value,
                }
                for name, value in properties.get("Parameters", {}).items()
            ],
            "Capabilities": acknowledged,
            "Tags": properties.get("Tags", []),
        }
        return self._stacks.define(child, body or "", request, expands=False)

    def delete(self, current: StackResource) -> None:
        child = self._stacks.get(current.physical_id)
        if child.status == "DELETE_COMPLETE":
            return
        self._stacks.delete(child)()
        if child.status != "DELETE_COMPLETE":
            raise ResourceFailedError(f"Embedded stack {child.id} was not successfully deleted: {child.reason}")

    def recreates(self, current: StackResource, properties: Properties) -> frozenset[str]:  # noqa: ARG002 - see Provider
        return frozenset()

    def reuses_name(self) -> bool:
        return False

    def has_attribute(self, name: str) -> bool:
        return name == "StackId" or name.startswith("Outputs.")


class _Outputs(Mapping[str, str]):
    """`Outputs.<name>`, as they are when they are asked for."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def __getitem__(self, name: str) -> str:
        if name == "StackId":
            return self._stack.id
        values = {f"Outputs.{output['OutputKey']}": output["OutputValue"] for output in self._stack.outputs}
        return values[name]

    def __iter__(self) -> Any:
        return iter(["StackId", *(f"Outputs.{output['OutputKey']}" for output in self._stack.outputs)])

    def __len__(self) -> int:
        return 1 + len(self._stack.outputs)


def _made(stack: Stack) -> Made:
    return Made(stack.id, _Outputs(stack))
