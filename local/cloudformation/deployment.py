"""How a stack comes to have what its template says: resource by resource, and back again if one fails.

The order of statuses and events follows
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

import copy
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from local.cloudformation import schemas
from local.cloudformation.definition import Definition, Types, needs
from local.cloudformation.exports import Exports
from local.cloudformation.providers import generated_name
from local.cloudformation.resource import Made, Order, ResourceFailedError, StackResource, sentence
from local.cloudformation.scope import StackScope, described_output
from local.cloudformation.stack import Stack
from local.world import World

logger = logging.getLogger(__name__)


class _FailedError(Exception):
    """A resource, or an output, did not become what it should; the stack's events say why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class Deployment:
    """One change of one stack."""

    def __init__(self, world: World, types: Types, stack: Stack, exports: Exports) -> None:
        self._world, self._types, self._stack, self._exports = world, types, stack, exports
        self._replaced: list[StackResource] = []

    # Create, update, delete

    def create(self, definition: Definition, on_failure: str) -> None:
        """Args:
        on_failure: ROLLBACK, DELETE or DO_NOTHING.
        """
        stack = self._stack
        try:
            self._converge(definition)
        except _FailedError as failure:
            self._creation_failed(str(failure), on_failure)
        else:
            stack.becomes("CREATE_COMPLETE")

    def _creation_failed(self, reason: str, on_failure: str) -> None:
        stack = self._stack
        if on_failure == "DO_NOTHING":
            stack.becomes("CREATE_FAILED", reason)
            return
        if on_failure == "DELETE":
            stack.becomes("DELETE_IN_PROGRESS", f"{reason} Delete requested by user.")
            self.delete(frozenset(), kept=frozenset({"Retain"}))
            return
        stack.becomes("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
        stuck = self._remove(self._backwards(stack.resources), frozenset({"Retain"}))
        if stuck:
            stack.becomes("ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{', '.join(stuck)}]. ")
        else:
            stack.becomes("ROLLBACK_COMPLETE")

    def update(self, target: Definition, *, disable_rollback: bool) -> None:
        stack = self._stack
        before, old = dict(stack.resources), stack.definition
        try:
            self._converge(target)
        except _FailedError as failure:
            if disable_rollback:
                stack.becomes("UPDATE_FAILED", str(failure))
            else:
                stack.becomes("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
                self._bring_back(before, old)
            return
        stack.becomes("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        gone = self._backwards({name: resource for name, resource in before.items() if name not in target.order})
        stack.definition = target
        self._clean_up(gone)
        stack.becomes("UPDATE_COMPLETE")

    def delete(
        self, retained: frozenset[str], kept: frozenset[str] = frozenset({"Retain", "RetainExceptOnCreate"})
    ) -> None:
        """Args:
        retained: logical ids to leave alone.
        kept: deletion policies that keep a resource.
        """
        stack = self._stack
        for name in retained & set(stack.resources):
            stack.resource_becomes(replace(stack.resources.pop(name), status="DELETE_SKIPPED", reason=""))
        stuck = self._remove(self._backwards(stack.resources), kept)
        if stuck:
            stack.becomes("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(stuck)}]. ")
            return
        stack.deleted = self._world.clock.now()
        stack.outputs, stack.imports = [], frozenset()
        stack.becomes("DELETE_COMPLETE")

    # Towards a definition

    def _converge(self, target: Definition) -> None:
        scope = StackScope(self._world, target, self._made, self._exports.values())
        for name in target.order:
            self._bring(name, target, scope)
        try:
            outputs = [
                described_output(name, output, scope)
                for name, output in target.template.section("Outputs").items()
                if "Condition" not in output or target.conditions[output["Condition"]]
            ]
            self._exports.check(self._stack, outputs)
        except Exception as error:
            # Whatever an output trips over is a failure of this stack, not of the server.
            raise _FailedError(sentence(error)) from error
        self._stack.outputs, self._stack.imports = outputs, frozenset(scope.imports)

    def _made(self, logical_id: str) -> Made | None:
        resource = self._stack.resources.get(logical_id)
        return resource.made if resource else None

    def _bring(self, name: str, target: Definition, scope: StackScope) -> None:
        declaration = target.resources[name]
        current = self._stack.resources.get(name)
        verb = "UPDATE" if current and current.made else "CREATE"
        try:
            properties = schemas.coerced(declaration["Type"], scope.properties(name))
            if current is None or current.made is None:
                self._create(name, declaration, properties)
            elif current.type == declaration["Type"] and current.properties == properties:
                self._stack.resources[name] = replace(current, declaration=declaration)
            else:
                self._change(current, declaration, properties)
        except Exception as error:
            # Whatever a service's model raises is that resource's failure: CloudFormation reports it and goes on.
            self._failed(name, declaration, f"{verb}_FAILED", error)
            verbs = {"CREATE": "create", "UPDATE": "update"}
            raise _FailedError(f"The following resource(s) failed to {verbs[verb]}: [{name}].") from error

    def _failed(self, name: str, declaration: Mapping[str, Any], status: str, error: Exception) -> None:
        current = self._stack.resources.get(name) or self._blank(name, declaration)
        made = getattr(error, "made", None) or current.made
        failed = replace(current, made=made, status=status, reason=sentence(error), at=self._world.clock.now())
        self._stack.resources[name] = failed
        self._stack.resource_becomes(failed)
        if not isinstance(error, ResourceFailedError):
            logger.debug("%s of stack %s failed", name, self._stack.name, exc_info=error)

    def _blank(self, name: str, declaration: Mapping[str, Any]) -> StackResource:
        return StackResource(name, declaration["Type"], "", "", self._world.clock.now(), declaration=declaration)

    def _create(self, name: str, declaration: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
        provider = self._types.provider(declaration["Type"])
        physical_name = str(
            properties.get(provider.name_property) or generated_name(self._stack.name, name, declaration["Type"])
        )
        blank = replace(self._blank(name, declaration), name=physical_name, properties=properties)
        self._say(replace(blank, status="CREATE_IN_PROGRESS"))
        made = provider.create(self._order(blank))
        self._say(replace(blank, made=made, status="CREATE_IN_PROGRESS", reason="Resource creation Initiated"))
        self._say(replace(blank, made=made, status="CREATE_COMPLETE"))

    def _order(self, resource: StackResource) -> Order:
        stack = self._stack
        # moto's models write into what they are given.
        properties = copy.deepcopy(dict(resource.properties))
        return Order(stack.name, stack.id, resource.logical_id, resource.type, resource.name, properties)

    def _change(self, current: StackResource, declaration: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
        if current.type != declaration["Type"]:
            raise ResourceFailedError(
                f"Update of resource type is not permitted; give the new {declaration['Type']} another name"
            )
        provider = self._types.provider(current.type)
        wanted = replace(
            current, declaration=declaration, properties=properties, status="UPDATE_IN_PROGRESS", reason=""
        )
        if provider.recreates(current, properties):
            self._replace(current, wanted)
            return
        self._say(wanted)
        made = provider.update(self._order(wanted), current)
        if current.made and made.physical_id != current.made.physical_id:
            self._replaced.append(current)
        self._say(replace(wanted, made=made, status="UPDATE_COMPLETE"))

    def _replace(self, current: StackResource, wanted: StackResource) -> None:
        provider = self._types.provider(current.type)
        given = wanted.properties.get(provider.name_property)
        if given is not None and str(given) == current.name and not provider.reuses_name():
            raise ResourceFailedError(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {given} and update the stack again."
            )
        name = str(given or generated_name(self._stack.name, current.logical_id, current.type))
        reason = "Requested update requires the creation of a new physical resource; hence creating one."
        self._say(replace(wanted, reason=reason))
        made = provider.create(self._order(replace(wanted, name=name)))
        self._replaced.append(current)
        self._say(replace(wanted, name=name, made=made, status="UPDATE_COMPLETE"))

    # Back, and away

    def _bring_back(self, before: Mapping[str, StackResource], old: Definition | None) -> None:
        """Give every resource what it had; those that were replaced still stand."""
        stack = self._stack
        stack.definition = old
        now = dict(stack.resources)
        strays = [resource for name, resource in now.items() if name not in before and resource.made]
        stack.resources = {name: resource for name, resource in now.items() if name in before or resource.made}
        self._replaced = []
        try:
            for name in (name for name in (old.order if old else ()) if name in before):
                strays += self._restore(before[name], now.get(name))
            if old:
                self._converge(old)
        except Exception as error:  # noqa: BLE001 - a rollback that fails is a state of the stack, whatever broke it
            stack.becomes("UPDATE_ROLLBACK_FAILED", sentence(error))
            return
        stack.becomes("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(strays)
        stack.becomes("UPDATE_ROLLBACK_COMPLETE")

    def _restore(self, before: StackResource, now: StackResource | None) -> list[StackResource]:
        """Undo one resource's change; answers what stands in its place until then, to be cleaned up."""
        if now is None or now.made is None or now.physical_id != before.physical_id:
            self._say(replace(before, status="UPDATE_COMPLETE", at=self._world.clock.now()))
            return [now] if now and now.made else []
        if now.properties == before.properties and now.status != "UPDATE_FAILED":
            return []
        self._say(replace(before, status="UPDATE_IN_PROGRESS"))
        made = self._types.provider(before.type).update(self._order(before), now)
        self._say(replace(before, made=made, status="UPDATE_COMPLETE"))
        return [now] if made.physical_id != before.physical_id else []

    def _clean_up(self, gone: Iterable[StackResource]) -> None:
        """After an update, where a failure is told and changes nothing."""
        for resource in self._replaced:
            if resource.declaration.get("UpdateReplacePolicy") == "Retain":
                self._stack.resource_becomes(replace(resource, status="DELETE_SKIPPED"))
            else:
                self._drop(resource)
        for resource in gone:
            standing = self._stack.resources.get(resource.logical_id)
            if standing and standing.physical_id == resource.physical_id:
                self._stack.resources.pop(resource.logical_id)
            if resource.declaration.get("DeletionPolicy") in {"Retain", "RetainExceptOnCreate"}:
                self._stack.resource_becomes(replace(resource, status="DELETE_SKIPPED"))
            else:
                self._drop(resource)

    def _backwards(self, resources: Mapping[str, StackResource]) -> list[StackResource]:
        """Each before what it refers to."""
        order = self._stack.definition.order if self._stack.definition else ()
        known = [name for name in reversed(order) if name in resources]
        return [resources[name] for name in [*(set(resources) - set(known)), *known]]

    def _remove(self, resources: Iterable[StackResource], kept: frozenset[str]) -> list[str]:
        """Delete each that nothing undeleted depends on.

        Returns:
            Logical ids of those that could not be deleted; what they depend on is left as it is.
        """
        stuck: list[str] = []
        needed: set[str] = set()  # by what still stands, so that it stands too
        for resource in resources:
            if resource.logical_id in needed:
                needed |= self._needs(resource)
            elif resource.made is None:
                self._stack.resources.pop(resource.logical_id)
            elif resource.declaration.get("DeletionPolicy") in kept:
                self._stack.resources.pop(resource.logical_id)
                self._stack.resource_becomes(replace(resource, status="DELETE_SKIPPED", reason=""))
            elif not self._drop(resource):
                stuck.append(resource.logical_id)
                needed |= self._needs(resource)
            else:
                self._stack.resources.pop(resource.logical_id)
        return stuck

    def _needs(self, resource: StackResource) -> set[str]:
        conditions = self._stack.definition.conditions if self._stack.definition else {}
        return needs(resource.declaration, conditions)

    def _drop(self, resource: StackResource) -> bool:
        going = replace(resource, status="DELETE_IN_PROGRESS", reason="", at=self._world.clock.now())
        self._stack.resource_becomes(going)
        try:
            self._types.provider(resource.type).delete(resource)
        except Exception as error:  # noqa: BLE001 - whatever its model raises is the resource's failure
            failed = replace(going, status="DELETE_FAILED", reason=sentence(error))
            if self._made(resource.logical_id) is resource.made:
                self._stack.resources[resource.logical_id] = failed
            self._stack.resource_becomes(failed)
            return False
        self._stack.resource_becomes(replace(going, status="DELETE_COMPLETE"))
        return True

    def _say(self, resource: StackResource) -> None:
        """Let the stack hold the resource as it is now, and say so."""
        now = replace(resource, at=self._world.clock.now())
        self._stack.resources[now.logical_id] = now
        self._stack.resource_becomes(now)
