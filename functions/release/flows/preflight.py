"""The preflight gate: green is asked on an endpoint of its own before any traffic moves.

The gate's endpoint is not built yet: `docs/limits.md` says so. What is here is how the machine passes by: a preflight
that is on its way answers `moving` and is watched in the phase `preflight`; one that passed lets the shift begin.
"""

from dataclasses import dataclass

from release.contracts.steps import LeasedStep, Watched
from release.contracts.table import RolloutItem
from release.domain.truth import Progress
from release.errors import RolloutFailedError
from release.flows.records import check_wanted, fence_of, rollout_of
from release.ports import Clock, ReleaseTable

_AT_ONCE_S = 1


@dataclass(frozen=True, slots=True)
class Preflighting:
    table: ReleaseTable
    now: Clock

    def start(self, step: LeasedStep) -> Watched:
        """Begin the preflight, or say why there is none.

        Raises:
            AbortedError: somebody asked for the rollout's end.
            LeaseLostError: another rollout changes the endpoint now.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        check_wanted(rollout)
        self.table.renew_lease(fence_of(step, self.now()))
        return Watched(
            progress=Progress.PREFLIGHT_PASSED, reason="there is no preflight gate yet", poll_seconds=_AT_ONCE_S
        )

    def watch(self, rollout: RolloutItem) -> Watched:
        """Raises RolloutFailedError: nothing enters the phase `preflight` yet, so its record was written by hand."""
        raise RolloutFailedError(
            f"rollout {rollout.rollout_id} is in preflight, but there is no preflight gate yet; start a new one"
        )
