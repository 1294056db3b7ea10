"""A stack, what happened to it, and the change sets made for it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from local.clock import Clock
from local.cloudformation.definition import Definition
from local.cloudformation.parameters import HIDDEN
from local.cloudformation.resource import StackResource

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass
class Stack:
    name: str
    id: str
    clock: Clock
    definition: Definition | None = None
    """The one that it has, or, until it has one, the one that it is to get."""
    status: str = "REVIEW_IN_PROGRESS"
    reason: str = ""
    resources: dict[str, StackResource] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    """Oldest first, as DescribeStackEvents spells one."""
    outputs: list[dict[str, str]] = field(default_factory=list)
    imports: frozenset[str] = frozenset()
    """Names of the exports that it uses."""
    created: datetime = field(init=False)
    updated: datetime | None = None
    deleted: datetime | None = None
    protected: bool = False
    parent_id: str | None = None
    root_id: str | None = None
    change_set_id: str | None = None
    disable_rollback: bool = False
    role_arn: str | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        self.created = self.clock.now()

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def becomes(self, status: str, reason: str = "") -> None:
        """Change the stack's status and say so."""
        self.status, self.reason = status, reason
        self._say(self.name, self.id, STACK_TYPE, status, reason, {})

    def resource_becomes(self, resource: StackResource) -> None:
        """Say how a resource stands now."""
        self._say(
            resource.logical_id,
            resource.physical_id,
            resource.type,
            resource.status,
            resource.reason,
            resource.properties,
        )

    def _say(  # noqa: PLR0913, PLR0917 - an event's fields
        self, logical_id: str, physical_id: str, kind: str, status: str, reason: str, properties: Mapping[str, Any]
    ) -> None:
        event = {
            "StackId": self.id,
            "EventId": str(uuid4()) if kind == STACK_TYPE else f"{logical_id}-{status}-{uuid4()}",
            "StackName": self.name,
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "Timestamp": self.clock.now(),
            "ResourceStatus": status,
            **({"ResourceStatusReason": reason} if reason else {}),
            **({"ResourceProperties": self._shown(properties)} if properties else {}),
            **({"ClientRequestToken": self.token} if self.token else {}),
        }
        self.events.append(event)

    def _shown(self, properties: Mapping[str, Any]) -> str:
        text = json.dumps(properties, default=str)
        for secret in self.definition.parameters.secrets() if self.definition else ():
            text = text.replace(json.dumps(secret)[1:-1], HIDDEN)
        return text


@dataclass
class ChangeSet:
    name: str
    id: str
    stack: Stack
    type: str
    definition: Definition
    created: datetime
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    execution_status: str = "AVAILABLE"
    description: str = ""
    changes: list[dict[str, Any]] = field(default_factory=list)
    on_failure: str | None = None

    def fail(self, reason: str) -> None:
        self.status, self.execution_status, self.reason = "FAILED", "UNAVAILABLE", reason


def tags_of(request: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request}
