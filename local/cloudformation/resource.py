"""One resource of a stack: what a template says of it, what was made of it, and how a type makes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from local.world import World

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    handle: Any = None
    """What its provider wants back, if the physical id does not say it all."""


@dataclass(frozen=True)
class ResourceType:
    """How one resource type comes, changes and goes through its service's own API."""

    put: Callable[[World, str, Properties], Made]
    """(world, name, properties): create the resource, or change the one that has this identity."""
    drop: Callable[[World, str, Properties], None]
    """(world, physical id, properties): undo `put`; no error if it is gone already."""
    identity: Callable[[str, Properties], Any]
    """(name, properties): what cannot change without a new resource, beside what the registry's schema says."""
    name_property: str = ""
    attributes: str = "Arn"
    """What Fn::GetAtt may ask for, as a regular expression."""
    revisions: bool = False
    """Every change is a new resource of the same name."""
    refuses: frozenset[str] = frozenset()
    """Properties that nothing here could act on."""


@dataclass(frozen=True)
class Order:
    """What a provider is asked to make."""

    stack_name: str
    stack_id: str
    logical_id: str
    type: str
    name: str
    properties: Properties


@dataclass(frozen=True)
class StackResource:
    """One resource as it stands."""

    logical_id: str
    type: str
    name: str
    status: str
    at: datetime
    properties: Properties = field(default_factory=dict)
    """Resolved."""
    declaration: Mapping[str, Any] = field(default_factory=dict)
    """As the template says it: policies, metadata, unresolved properties."""
    made: Made | None = None
    reason: str = ""

    @property
    def physical_id(self) -> str:
        return self.made.physical_id if self.made else ""


class Provider(Protocol):
    """How resources of one type come, change and go."""

    name_property: str
    refuses: frozenset[str]
    """Properties that a template may not give."""

    def create(self, order: Order) -> Made: ...

    def update(self, order: Order, current: StackResource) -> Made: ...

    def delete(self, current: StackResource) -> None: ...

    def recreates(self, current: StackResource, properties: Properties) -> frozenset[str]:
        """The properties that differ and cannot change without a new resource."""
        ...

    def reuses_name(self) -> bool:
        """Whether a new resource may bear the old one's name while that stands."""
        ...

    def has_attribute(self, name: str) -> bool: ...


class ResourceFailedError(Exception):
    """A resource could not be created, changed or deleted.

    Args:
        made: what exists all the same and is to be deleted.
    """

    def __init__(self, reason: str, made: Made | None = None) -> None:
        super().__init__(reason)
        self.made = made


def sentence(error: Exception) -> str:
    """What a service's failure says to a person."""
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Message"])
    if isinstance(error, HTTPException | ServiceException):
        return str(getattr(error, "message", None) or error)
    if isinstance(error, ResourceFailedError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
