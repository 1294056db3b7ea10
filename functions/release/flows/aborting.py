"""Ending a rollout that somebody does not want any more, at any moment before its finish line."""

from dataclasses import dataclass

from release.contracts.table import RolloutItem
from release.domain.ledger import Happened
from release.domain.phases import BEFORE_TRAFFIC, Phase, has_ended
from release.errors import InvalidInputError, ReleaseError
from release.flows.records import rollout_of
from release.flows.stamps import stamp
from release.ports import Clock, Deed, Metrics, ReleaseTable, Waiters

_HAS_ALARMS = frozenset({Phase.CREATING, Phase.PREFLIGHT, Phase.SHIFTING, Phase.BAKING})


@dataclass(frozen=True, slots=True)
class Aborting:
    table: ReleaseTable
    waiters: Waiters
    metrics: Metrics
    now: Clock

    def abort(self, rollout: RolloutItem, *, by: str, reason: str) -> str:
        """Ask for the rollout's end; returns what happens now, as a sentence.

        Before traffic moves the rollout ends at its next step, and at once where it waits. From then on its abort alarm
        trips, and SageMaker goes back to blue.

        Raises:
            InvalidInputError: it has ended, or crossed its finish line.
        """
        self._check_possible(rollout)
        if rollout.abort is None:
            self.table.decide(rollout, Deed(Happened.ABORT_REQUESTED, by, reason, stamp(self.now())))
        # What it waits for, and how far it is, may have changed while the wish was written.
        rollout = rollout_of(self.table, rollout.endpoint, rollout.rollout_id)
        self.carry_out(rollout)
        if rollout.phase in BEFORE_TRAFFIC:
            return f"rollout {rollout.rollout_id} is {rollout.phase} and ends before any traffic moves"
        return (
            f"rollout {rollout.rollout_id} is {rollout.phase}; its abort alarm trips within 30 s, and SageMaker goes "
            "back to the fleet that served before as soon as green is up"
        )

    def carry_out(self, rollout: RolloutItem) -> None:
        """Do what an abort that was asked for needs; as often as one likes."""
        if rollout.abort is None or has_ended(rollout.phase):
            return
        if rollout.phase in _HAS_ALARMS:
            self.metrics.request_abort(rollout.rollout_id)
        if rollout.task_token:
            sentence = f"{rollout.abort.by} asked for its end: {rollout.abort.reason}"
            self.waiters.fail(rollout.task_token, "AbortedError", sentence)
            self.table.stop_awaiting(rollout)

    def make_way(self, holder: str, rollback: RolloutItem) -> str:
        """Ask for the end of what holds the lease, for a rollback that waits; returns what became of that, or ''."""
        held_by = self.table.rollout(rollback.endpoint, holder)
        if held_by is None or held_by.release_id == rollback.release_id:
            return ""
        try:
            return self.abort(
                held_by,
                by=f"rollout {rollback.rollout_id}",
                reason=f"release {rollback.release_id} shall be brought back",
            )
        except ReleaseError as error:
            return str(error)

    @staticmethod
    def _check_possible(rollout: RolloutItem) -> None:
        undo = f"bring another release back instead: slipway rollback {rollout.endpoint}"
        if has_ended(rollout.phase):
            raise InvalidInputError(f"rollout {rollout.rollout_id} has ended as {rollout.phase}; {undo}")
        if rollout.finish_line_at:
            raise InvalidInputError(
                f"rollout {rollout.rollout_id} crossed its finish line at {rollout.finish_line_at}; {undo}"
            )
