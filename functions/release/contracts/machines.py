"""Inputs of the state machines and our messages to the world."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import StringConstraints, model_validator

from release.contracts.base import Actor, Contract, EndpointName, Image, Reason, ReleaseId, RolloutId, Timestamp
from release.contracts.config import PartialConfig
from release.contracts.table import EstimateItem, Gate, GateItem
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


class Verb(StrEnum):
    """What a person may ask of an endpoint while releases come and go."""

    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    ABORT = "abort"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    WAKE = "wake"
    REMOVE = "remove"
    WHY = "why"
    RELEASE_LEASE = "release-lease"
    ADOPT = "adopt"
    SKIP_GATE = "skip-gate"
    WHAT_RAN = "what-ran"
    PROVENANCE = "provenance"


QUESTIONS = frozenset({Verb.WHY, Verb.WHAT_RAN, Verb.PROVENANCE})
"""They change nothing, so nobody is asked for a reason."""


A_PERSON = "a person"
"""Who acts when the input does not say."""


class OperateInput(Contract):
    """Without `rollout` the verb means the rollout that holds the endpoint's lease, or the only one under way."""

    verb: Verb
    endpoint: EndpointName
    rollout: RolloutId | None = None
    reason: Reason | None = None
    actor: Actor | None = None
    until: Timestamp | None = None
    gate: Gate | None = None
    at: Timestamp | None = None
    """When to wake; the machine waits until then before it asks."""
    as_of: Timestamp | None = None
    """The instant that what-ran asks about."""
    release: ReleaseId | None = None

    @model_validator(mode="after")
    def _fits_the_verb(self) -> Self:
        if self.verb not in QUESTIONS and self.reason is None:
            raise ValueError(f"say with 'reason' why you {self.verb}; it goes into the ledger")
        if (self.gate is not None) != (self.verb is Verb.SKIP_GATE):
            raise ValueError("name with 'gate' which gate to skip, and only there")
        if self.until is not None and self.verb is not Verb.FREEZE:
            raise ValueError("'until' is when a freeze ends; no other verb has an end")
        if self.at is not None and self.verb is not Verb.WAKE:
            raise ValueError("'at' is when to wake whoever waits; every other verb is done at once")
        if self.as_of is not None and self.verb is not Verb.WHAT_RAN:
            raise ValueError("'asOf' is the instant that what-ran asks about; no other verb has one")
        if (self.release is not None) != (self.verb is Verb.PROVENANCE):
            raise ValueError("name with 'release' whose provenance to tell, and only there")
        return self


class PhaseChanged(Contract):
    """Detail of the event "Rollout Phase Changed".

    Args:
        estimate: of the rollout's plan, with the last event; None where there was no plan.
        gates: what became of each gate that was asked, with the last event.
    """

    stack: EndpointName
    endpoint: EndpointName
    release_id: ReleaseId
    rollout_id: RolloutId
    phase: Phase
    reason: str
    estimate: EstimateItem | None = None
    gates: tuple[GateItem, ...] | None = None


class Notification(Contract):
    """One message per rollout that ended or needs a person.

    Args:
        undo: the command that undoes it, or empty.
        evidence: sentences with the numbers that it was decided by: what became of each gate.
        look: the command that tells more.
    """

    endpoint: EndpointName
    release_id: ReleaseId
    rollout_id: RolloutId
    phase: Phase
    reason: str
    undo: str
    evidence: tuple[str, ...] = ()
    look: str = ""
    at: Timestamp
