"""What the sweep looks at, in the flows' words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from release.contracts.settings import Retention
    from release.contracts.sweep import DriftFound


@dataclass(frozen=True, slots=True)
class SealedObject:
    """The newest version of an object whose name can seal a drop."""

    key: str
    version_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """`complete`: false where there was more than is ever listed at once."""

    found: tuple[SealedObject, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Written:
    """One version of an object under a published prefix; a deletion is a version too, without size and etag."""

    path: str
    version_id: str
    size: int
    etag: str
    latest: bool
    deleted: bool


class Uploads(Protocol):
    """The artifact bucket, every version of it."""

    def endpoints(self) -> list[str]:
        """The first segments under `models/`."""
        ...

    def seals(self, endpoint: str) -> Listing:
        """What may seal a drop of the endpoint, deleted objects left out."""
        ...

    def written(self, prefix: str) -> list[Written]:
        """Every version under the prefix."""
        ...


@dataclass(frozen=True, slots=True)
class Push:
    """An image in the registry, under the tag of its release."""

    image: str
    tag: str
    at: datetime


class Pushes(Protocol):
    def newest(self) -> Push | None:
        """The newest image that is tagged for release."""
        ...

    def digest_of(self, tag: str) -> str | None:
        """Where the tag points now; None: there is no such tag."""
        ...


class Life(StrEnum):
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """It never began, or ended more than 90 days ago, when Step Functions forgets."""


class Executions(Protocol):
    """Executions of the release machine."""

    def named(self, rollout_id: str) -> str:
        """The ARN of the execution that intake starts for a rollout."""
        ...

    def life(self, execution_arn: str) -> Life: ...

    def input_of(self, execution_arn: str) -> Any:
        """What it was started with; None: there is no such execution."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A model or an endpoint config."""

    name: str
    at: datetime


class Inventory(Protocol):
    """What SageMaker keeps beside endpoints. Deleting what is not there does nothing."""

    def models(self, name_part: str) -> list[Made]: ...

    def configs(self, name_part: str) -> list[Made]: ...

    def has_model(self, name: str) -> bool: ...

    def has_config(self, name: str) -> bool: ...

    def delete_model(self, name: str) -> None: ...

    def delete_config(self, name: str) -> None: ...

    def alarms(self, prefix: str) -> Sequence[str]:
        """Names of the alarms that begin so."""
        ...


class Dashboards(Protocol):
    """What people on call look at; removing what is not there does nothing."""

    def body(self, name: str) -> str:
        """Empty if there is none of the name."""
        ...

    def put(self, name: str, body: str) -> None: ...

    def delete(self, name: str) -> None: ...


class Retentions(Protocol):
    def retention(self, endpoint: str) -> Retention:
        """What the endpoint's owner keeps.

        Raises:
            InvalidInputError: the endpoint's settings break their contract.
        """
        ...


class DriftNews(Protocol):
    def drift_found(self, drift: DriftFound) -> None:
        """Tell whoever listens to events, and people; both may hear it twice."""
        ...
