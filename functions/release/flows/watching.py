"""Watching green come up and bake, whatever the rollout's phase: one look, one answer, one heartbeat."""

from dataclasses import dataclass

from release.contracts.steps import LeasedStep, Watched
from release.contracts.table import RolloutItem
from release.domain.names import Names
from release.domain.phases import Phase, has_ended
from release.domain.plan import Strategy, poll_seconds
from release.domain.truth import Progress, look
from release.errors import AbortedError, RolloutFailedError
from release.flows.aborting import Aborting
from release.flows.baking import Baking
from release.flows.gate_records import gate_of
from release.flows.preflight import Preflighting
from release.flows.records import entry, fence_of, plan_of, rollout_of
from release.flows.stamps import seconds_since, stamp
from release.ports import Clock, Metrics, Probes, ReleaseTable, Serving


@dataclass(frozen=True, slots=True)
class Watching:
    table: ReleaseTable
    serving: Serving
    metrics: Metrics
    probes: Probes
    aborting: Aborting
    preflighting: Preflighting
    baking: Baking
    stack: str
    now: Clock

    def watch(self, step: LeasedStep) -> Watched:
        """How far the preflight or the shift has come.

        Raises:
            AbortedError: somebody asked for the rollout's end, and blue serves again.
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: green was lost.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        # Before the look: a SageMaker that does not answer must cost neither the lease of an endpoint that moves nor
        # the heartbeat of a judge that lives.
        self.table.renew_lease(fence_of(step, self.now()))
        self.metrics.beat(step.rollout_id)
        if rollout.phase is Phase.PREFLIGHT:
            return self.preflighting.watch(rollout, step)
        return self._watch_shift(rollout, step)

    def _watch_shift(self, rollout: RolloutItem, step: LeasedStep) -> Watched:
        plan, names = plan_of(rollout), Names(self.stack, step.endpoint)
        state = self.serving.describe(names.sagemaker_endpoint)
        seen = look(state, names.of_rollout(step.rollout_id))
        if seen.progress is Progress.LOST:
            raise self._lost(rollout, seen.reason)
        if seen.progress is Progress.ARRIVED:
            self._arrived(rollout, step)
        else:
            # Again at every look: what the person's own call published may have been lost.
            self.aborting.carry_out(rollout)
        if state and state.baking and rollout.phase is Phase.SHIFTING:
            baking = entry(Phase.BAKING, f"green serves; watching it for {plan.bake_s} s", self.now())
            self.table.enter(rollout, baking, fence_of(step, self.now()))
            rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        answered = self._ask(names.sagemaker_endpoint) if state and state.baking else ""
        if state and seen.progress is Progress.MOVING:
            answered += self.baking.look(rollout, step, state)
        poll_s = poll_seconds(plan.bake_s, seconds_since(_began(rollout), self.now()))
        return Watched(progress=seen.progress, reason=seen.reason + answered, poll_seconds=poll_s)

    def _arrived(self, rollout: RolloutItem, step: LeasedStep) -> None:
        """Blue is gone. A first release has none, and can be ended until its record says that it is live."""
        if plan_of(rollout).strategy is Strategy.FIRST_RELEASE:
            if rollout.abort:
                raise self._lost(rollout, "green came up nevertheless")
            return
        now = self.now()
        self.table.cross_finish_line(rollout, fence_of(step, now), stamp(now))
        self.baking.arrived(rollout, step)

    @staticmethod
    def _lost(rollout: RolloutItem, reason: str) -> AbortedError | RolloutFailedError:
        if rollout.abort and not has_ended(rollout.phase):
            return AbortedError(f"{rollout.abort.by} asked for its end: {rollout.abort.reason}; {reason}")
        bake = gate_of(rollout, "bake")
        judged = f"bake {bake.verdict}: {bake.reason}; " if bake and bake.verdict in {"failed", "inconclusive"} else ""
        return RolloutFailedError(judged + reason)

    def _ask(self, endpoint_name: str) -> str:
        """Ask green while it bakes: where nobody else does, only an error of ours can trip the guard alarm in time."""
        answer = self.probes.ask(endpoint_name)
        return f"; a probe was answered with an error: {answer.error}" if answer.error else ""


def _began(rollout: RolloutItem) -> str:
    return next((line.at for line in rollout.history if line.phase is Phase.SHIFTING), rollout.updated_at)
