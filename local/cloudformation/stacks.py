"""All stacks of the account: how each is made, changed and deleted, one operation at a time."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from local.cloudformation import capabilities, parameters, templates
from local.cloudformation.changes import Forecast
from local.cloudformation.definition import Definition, Types, define
from local.cloudformation.deployment import Deployment
from local.cloudformation.errors import (
    AlreadyExistsError,
    InvalidChangeSetStatusError,
    ValidationError,
    missing_stack,
)
from local.cloudformation.exports import Exports
from local.cloudformation.resource import sentence
from local.cloudformation.stack import ChangeSet, Stack
from local.world import ACCOUNT, REGION, World

logger = logging.getLogger(__name__)

NO_UPDATES = "No updates are to be performed."
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED"}
)
# What a stack is that was left in the middle of something. Where only the clean-up is missing, the update was made.
_INTERRUPTED = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
}


class Stacks:
    def __init__(self, world: World, types_of: Callable[["Stacks"], Types]) -> None:
        """Args:
        types_of: makes the resource types, of which the nested stack needs these stacks.
        """
        self._world = world
        self.types = types_of(self)
        self._lock = threading.RLock()
        self._stacks: dict[str, Stack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        self.exports = Exports(self.all)
        world.parts["cloudformation"] = self

    # Across a restart

    def keep(self) -> tuple[dict[str, Stack], dict[str, ChangeSet]]:
        return self._stacks, self.change_sets

    def restore(self, kept: tuple[dict[str, Stack], dict[str, ChangeSet]]) -> None:
        """What was under way is over, and failed: nobody works on it any more."""
        self._stacks, self.change_sets = kept
        for change_set in self.change_sets.values():
            if change_set.execution_status == "EXECUTE_IN_PROGRESS":
                change_set.execution_status = "EXECUTE_FAILED"
        for stack in self._stacks.values():
            if stack.busy:
                stack.becomes(_INTERRUPTED[stack.status], "The embedded AWS was stopped in the middle of it.")

    # Looking

    def all(self) -> list[Stack]:
        """Deleted ones too, newest first."""
        return sorted(self._stacks.values(), key=lambda stack: stack.created, reverse=True)

    def get(self, name_or_id: str) -> Stack:
        """Raises:
        ValidationError: there is none; a deleted one is found by its id alone.
        """
        stack = self._stacks.get(name_or_id) or self._living(name_or_id)
        if stack is None:
            raise missing_stack(name_or_id)
        return stack

    def _living(self, name: str) -> Stack | None:
        living = (stack for stack in self._stacks.values() if stack.status != "DELETE_COMPLETE")
        return next((stack for stack in living if stack.name == name), None)

    # What a request wants

    def define(self, stack: Stack, body: str, request: Mapping[str, Any], *, expands: bool) -> Definition:
        """The definition that a request gives a stack.

        Args:
            expands: whether transforms need no CAPABILITY_AUTO_EXPAND.

        Raises:
            ValidationError: the template or a parameter is refused.
            InsufficientCapabilitiesError: something is not acknowledged.
        """
        previous = stack.definition
        given = parameters.sent(request.get("Parameters", []), previous.parameters.given if previous else {})
        declared = templates.parsed(body).get("Parameters") or {}
        resolved = parameters.resolve(self._world, declared, given)
        template = templates.read(body, resolved.values)
        acknowledged = frozenset(request.get("Capabilities", []))
        capabilities.check(template, acknowledged, expands=expands)
        names = {"AWS::StackName": stack.name, "AWS::StackId": stack.id}
        definition = define(template, resolved, self.types, names)
        tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]} if "Tags" in request else None
        kept = previous.tags if previous else {}
        return replace(definition, tags=kept if tags is None else tags, capabilities=acknowledged)

    def forecast(self, stack: Stack, target: Definition) -> tuple[list[dict[str, Any]], bool]:
        """The changes, and whether there is anything to do at all."""
        forecast = Forecast(self._world, self.types, stack, self.exports.values())
        changes = forecast.changes(target)
        old = stack.definition
        same_tags = old is not None and dict(old.tags) == dict(target.tags)
        return changes, bool(changes) or not same_tags or forecast.changes_outputs(target)

    # Operations

    def add(self, name: str, *, parent: Stack | None = None) -> Stack:
        """A stack that has nothing yet.

        Raises:
            ValidationError: the name is none.
            AlreadyExistsError: it is taken.
        """
        if not _NAME.fullmatch(name):
            raise ValidationError(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*, at most 128 characters"
            )
        with self._lock:
            if self._living(name):
                raise AlreadyExistsError(f"Stack [{name}] already exists")
            arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{uuid4()}"
            stack = Stack(name, arn, self._world.clock)
            if parent:
                stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
            self._stacks[arn] = stack
        return stack

    def forget(self, stack: Stack) -> None:
        """A stack that never came to be."""
        self._stacks.pop(stack.id, None)

    def create(self, stack: Stack, definition: Definition, on_failure: str = "ROLLBACK") -> Callable[[], None]:
        """Begin; what is returned does it.

        Raises:
            ValidationError: the stack is busy.
        """
        with self._lock:
            self._begin(stack, "CREATE_IN_PROGRESS")
            stack.definition = definition
        deployment = self._deployment(stack)
        return lambda: self._safely(stack, lambda: deployment.create(definition, on_failure), "CREATE_FAILED")

    def update(self, stack: Stack, definition: Definition, *, disable_rollback: bool = False) -> Callable[[], None]:
        """Begin; what is returned does it.

        Raises:
            ValidationError: the stack's status allows no update.
        """
        with self._lock:
            self.check_updatable(stack)
            self._begin(stack, "UPDATE_IN_PROGRESS")
            stack.updated = self._world.clock.now()
        deployment = self._deployment(stack)
        return lambda: self._safely(
            stack, lambda: deployment.update(definition, disable_rollback=disable_rollback), "UPDATE_FAILED"
        )

    def check_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def delete(self, stack: Stack, retained: Iterable[str] = ()) -> Callable[[], None]:
        """Begin; what is returned does it.

        Raises:
            ValidationError: the stack is protected, busy, or another one uses its exports.
        """
        with self._lock:
            if stack.protected:
                raise ValidationError(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
            if stack.busy:
                raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be deleted.")
            self.exports.check(stack, ())
            self._begin(stack, "DELETE_IN_PROGRESS")
        deployment = self._deployment(stack)
        return lambda: self._safely(stack, lambda: deployment.delete(frozenset(retained)), "DELETE_FAILED")

    def execute(self, change_set: ChangeSet, *, disable_rollback: bool) -> Callable[[], None]:
        """Begin what the change set says; what is returned does it.

        Raises:
            InvalidChangeSetStatusError: it failed, or was executed before.
        """
        with self._lock:
            if change_set.execution_status != "AVAILABLE":
                raise InvalidChangeSetStatusError(
                    f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]"
                    f" and execution status of [{change_set.execution_status}]"
                )
            stack = change_set.stack
            if change_set.type == "CREATE":
                on_failure = change_set.on_failure or ("DO_NOTHING" if disable_rollback else "ROLLBACK")
                work = self.create(stack, change_set.definition, on_failure)
            else:
                work = self.update(stack, change_set.definition, disable_rollback=disable_rollback)
            change_set.execution_status, stack.change_set_id = "EXECUTE_IN_PROGRESS", change_set.id
            for other in self.change_sets.values():
                if other.stack is stack and other.execution_status == "AVAILABLE":
                    other.execution_status = "OBSOLETE"

        def executed() -> None:
            work()
            failed = stack.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
            change_set.execution_status = "EXECUTE_FAILED" if failed else "EXECUTE_COMPLETE"

        return executed

    def _begin(self, stack: Stack, status: str) -> None:
        if stack.busy:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        stack.becomes(status, "User Initiated")

    def _deployment(self, stack: Stack) -> Deployment:
        return Deployment(self._world, self.types, stack, self.exports)

    def _safely(self, stack: Stack, work: Callable[[], None], failed: str) -> None:
        try:
            work()
        except Exception as error:  # a defect here must end as a failed stack, not as one that is busy for ever
            logger.exception("stack %s broke", stack.name)
            stack.becomes(failed, f"Internal Failure: {sentence(error)}")

    def settled(self, stack: Stack, limit_s: float = 600.0) -> Stack:
        """Wait in real time for the end of a stack's operation."""
        end = time.monotonic() + limit_s
        while stack.busy and time.monotonic() < end:
            time.sleep(0.02)
        return stack


def in_background(stack: Stack, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=f"stack {stack.name}", daemon=True).start()
