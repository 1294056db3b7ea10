"""The release table, in the flows' words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from release.contracts.table import (
        EndpointItem,
        Gate,
        GateItem,
        ImageItem,
        LeaseItem,
        LedgerItem,
        PlanItem,
        ProbesItem,
        ReleaseItem,
        RolloutItem,
        SealItem,
        WaitingItem,
    )
    from release.domain.ledger import Happened
    from release.domain.phases import Phase

Awaiting = Literal["turn", "approval"]


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of a lease: writes under it fail once another holder has taken a higher token, and renew it otherwise."""

    endpoint: str
    holder: str
    token: int
    renewed_until: str


RELEASE_MACHINE = "release machine"


@dataclass(frozen=True, slots=True)
class Entry:
    """A rollout's next phase and why; `plan` and blue's release go into the record, `evidence` into the ledger."""

    phase: Phase
    reason: str
    at: str
    plan: PlanItem | None = None
    actor: str = RELEASE_MACHINE
    evidence: Mapping[str, str] | None = None
    previous_release_id: str | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person, or a rollout in a person's name, decided; or what the sweep found.

    Args:
        gate: that is skipped.
        until: when a freeze ends.
        evidence: goes into the ledger beside the reason.
    """

    happened: Happened
    by: str
    reason: str
    at: str
    gate: Gate | None = None
    until: str | None = None
    evidence: Mapping[str, str] | None = None


class ReleaseTable(Protocol):
    """The records. Reads see every earlier write; each write is all or nothing.

    Every change of a rollout's phase and every deed is one more line of the endpoint's ledger, in the same write; and
    every change of a phase is told to whoever listens, after the write and at least once.
    """

    def endpoint(self, endpoint: str) -> EndpointItem | None: ...

    def endpoints(self) -> list[EndpointItem]: ...

    def release(self, endpoint: str, release_id: str) -> ReleaseItem | None: ...

    def releases(self, endpoint: str) -> list[ReleaseItem]: ...

    def rollout(self, endpoint: str, rollout_id: str) -> RolloutItem | None: ...

    def rollouts(self, endpoint: str) -> list[RolloutItem]: ...

    def ledger(self, endpoint: str) -> list[LedgerItem]:
        """Every line, in order."""
        ...

    def lease(self, endpoint: str) -> LeaseItem | None: ...

    def seal(self, seal: str) -> SealItem | None: ...

    def add_release(self, release: ReleaseItem) -> None:
        """Write it unless it is there: a release never changes."""
        ...

    def next_number(self, endpoint: str, release_id: str) -> int:
        """The next rollout's number, given to nobody else. Numbers may be skipped, never repeated."""
        ...

    def register(self, rollout: RolloutItem, seal: str) -> bool:
        """Bind the seal to the rollout and write both; False if the seal is bound or the rollout id is taken."""
        ...

    def bind_seal(self, seal: str, rollout: RolloutItem) -> None:
        """Bind a seal to a rollout that is there already, unless it is bound."""
        ...

    def newest_image(self) -> ImageItem | None: ...

    def push_image(self, image: ImageItem) -> None:
        """Remember it, unless an image that was pushed later is remembered."""
        ...

    def waiting(self) -> list[WaitingItem]: ...

    def wait_for_image(self, drop: WaitingItem) -> None:
        """Remember drop and seal, unless a later drop for the same endpoint waits."""
        ...

    def stop_waiting(self, drop: WaitingItem) -> None:
        """Forget it, unless another drop waits in its place by now."""
        ...

    def note_execution(self, rollout: RolloutItem, execution_arn: str) -> None: ...

    def note_artifact(self, endpoint: str, artifact_id: str, at: str) -> None:
        """Remember the endpoint's newest artifact: the one that the next image is rolled out with."""
        ...

    def enter(self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None) -> None:
        """Write the rollout's next phase.

        Raises:
            LeaseLostError: the fence no longer holds; nothing was written.
            ServiceUnavailableError: the rollout is no longer in the phase that `rollout` shows; look again.
        """
        ...

    def announce(self, rollout: RolloutItem) -> None:
        """Tell its phase again: an earlier attempt may have ended between writing and telling."""
        ...

    def await_signal(self, rollout: RolloutItem, awaiting: Awaiting, task_token: str) -> None:
        """Remember what wakes the rollout's execution.

        Raises:
            ServiceUnavailableError: the rollout is no longer in the phase that `rollout` shows; look again.
        """
        ...

    def stop_awaiting(self, rollout: RolloutItem) -> None:
        """Forget the token that `rollout` shows, unless another has taken its place."""
        ...

    def decide(self, rollout: RolloutItem, deed: Deed) -> None:
        """Write a deed about a rollout into its record.

        Raises:
            ServiceUnavailableError: the rollout is no longer in the phase that `rollout` shows; look again.
        """
        ...

    def decide_endpoint(self, endpoint: str, deed: Deed) -> None:
        """Write a deed about an endpoint into its record."""
        ...

    def note(self, endpoint: str, deed: Deed) -> None:
        """Write one more line of the ledger, and nothing else."""
        ...

    def note_probes(self, rollout: RolloutItem, probes: ProbesItem, fence: Fence) -> None:
        """Remember how far the judge's questions have come. Raises as `judge_gate` does."""
        ...

    def judge_gate(self, rollout: RolloutItem, gate: GateItem, fence: Fence) -> None:
        """Write what became of a gate into the record and the ledger.

        Raises:
            LeaseLostError: the fence no longer holds; nothing was written.
            ServiceUnavailableError: the rollout is no longer in the phase that `rollout` shows; look again.
        """
        ...

    def cross_finish_line(self, rollout: RolloutItem, fence: Fence, at: str) -> None:
        """Remember when blue was gone. Raises LeaseLostError."""
        ...

    def take_lease(self, rollout: RolloutItem, *, now: str, expires_at: str, or_stay: bool = False) -> int:
        """Become the holder, and write the token into the rollout's record.

        Args:
            or_stay: it may be the holder already, and then keeps its token.

        Raises:
            LeaseHeldError: somebody holds it and is not past its expiry, or the rollout has ended or shall end.
        """
        ...

    def free_lease(self, lease: LeaseItem, deed: Deed | None = None) -> bool:
        """Take the lease away from its holder; False if it has another holder or token by now.

        Args:
            deed: a person's, if it was one.
        """
        ...

    def lease_holder(self, endpoint: str, now: str) -> str | None:
        """The rollout that holds the endpoint's lease; None when it is free or run out."""
        ...

    def renew_lease(self, fence: Fence) -> None:
        """Raises LeaseLostError."""
        ...

    def end(
        self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None, live: ReleaseItem | None = None
    ) -> None:
        """Write the rollout's last phase and give the lease back, in one write.

        Args:
            fence: the lease to check and give back; None if the rollout holds none.
            live: the release that serves from now on; the endpoint's record follows and its former rollout ends.

        Raises:
            LeaseLostError: the fence no longer holds; nothing was written.
            ServiceUnavailableError: a record has changed meanwhile; look again.
        """
        ...
