"""Inputs of the state machines and our messages to the world."""

from typing import Annotated, Any, Self

from pydantic import StringConstraints, model_validator

from release.contracts.base import Contract, EndpointName, Image, ReleaseId, RolloutId, Timestamp
from release.contracts.config import PartialConfig
from release.domain.phases import Phase


class ManualInput(Contract):
    """Start of the release machine by hand; `artifact` is a published artifact's id or the prefix of a drop."""

    endpoint: EndpointName
    artifact: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64}|models/[^/]+/[^/]+/?)$")]
    image: Image | None = None
    config: PartialConfig | None = None
    plan_only: bool | None = None


class RegisteredInput(Contract):
    """A rollout that intake or a rollback has already registered."""

    endpoint: EndpointName
    rollout_id: RolloutId


def parse_release_input(payload: Any) -> ManualInput | RegisteredInput:
    """Raises InvalidInputError: neither form fits."""
    registered = isinstance(payload, dict) and "rolloutId" in payload
    return RegisteredInput.parse(payload) if registered else ManualInput.parse(payload)


class RollbackInput(Contract):
    """Neither `to` nor `at`: the last good release."""

    endpoint: EndpointName
    to: ReleaseId | None = None
    at: Timestamp | None = None

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if self.to is not None and self.at is not None:
            raise ValueError("name a release with 'to' or an instant with 'at', not both")
        return self


class Notification(Contract):
    """One message per rollout that ended or needs a person; `undo` is the command that undoes it, or empty."""

    endpoint: EndpointName
    release_id: ReleaseId
    rollout_id: RolloutId
    phase: Phase
    reason: str
    undo: str
    at: Timestamp
