"""Why an endpoint is where it is: everything that a person on call would have to look up in five places."""

from dataclasses import dataclass
from datetime import timedelta

from release.contracts.operation import RolloutState, Why
from release.contracts.table import LeaseItem, RolloutItem
from release.domain.names import Names
from release.domain.phases import Phase, has_ended
from release.domain.plan import max_execution_s
from release.flows.records import LEASE_S, plan_of, release_of
from release.flows.stamps import read_stamp, stamp
from release.flows.turns import is_frozen
from release.ports import Alarms, Clock, ReleaseTable, Serving

_STEPS = {
    Phase.RECEIVED: "its artifact is examined; files that are still missing are waited for, up to half an hour",
    Phase.EXAMINED: "its artifact is published and its rollout planned",
    Phase.PLANNED: "it asks for its turn",
    Phase.WAITING: "it is woken when its turn comes, and asks again every five minutes",
    Phase.CREATING: "its model, config and alarms are made; then it may wait for an approval",
    Phase.PREFLIGHT: "green is asked before any traffic moves",
}


@dataclass(frozen=True, slots=True)
class Explaining:
    table: ReleaseTable
    serving: Serving
    alarms: Alarms
    stack: str
    now: Clock

    def why(self, endpoint: str) -> Why:
        """Where the endpoint stands. Nothing is changed."""
        names, record = Names(self.stack, endpoint), self.table.endpoint(endpoint)
        state = self.serving.describe(names.sagemaker_endpoint)
        lease = self.table.lease(endpoint)
        held = lease if lease and lease.holder else None
        open_rollouts = [rollout for rollout in self.table.rollouts(endpoint) if not has_ended(rollout.phase)]
        return Why(
            live_release_id=record.live_release_id if record else None,
            live_rollout_id=record.live_rollout_id if record else None,
            status=state.status if state else "",
            config_name=state.config_name if state else "",
            pending_config=state.pending_config if state else "",
            failure=state.failure if state else "",
            lease_holder=held.holder if held else None,
            lease_expires_at=held.expires_at if held else None,
            frozen=record.frozen if record and is_frozen(record, stamp(self.now())) else None,
            alarms=self.alarms.states(names.alarms(held.holder)) if held else {},
            rollouts=tuple(self._state(rollout, held) for rollout in open_rollouts),
        )

    def _state(self, rollout: RolloutItem, lease: LeaseItem | None) -> RolloutState:
        return RolloutState(
            rollout_id=rollout.rollout_id,
            release_id=rollout.release_id,
            kind=rollout.kind,
            phase=rollout.phase,
            since=rollout.updated_at,
            reason=rollout.reason,
            awaiting=rollout.awaiting,
            paused=rollout.paused,
            abort=rollout.abort,
            execution_arn=rollout.execution_arn,
            gates=rollout.gates,
            estimate=rollout.plan.estimate if rollout.plan else None,
            next=self._next(rollout, lease),
        )

    def _next(self, rollout: RolloutItem, lease: LeaseItem | None) -> str:
        """What happens next, and by when."""
        step = _STEPS.get(rollout.phase) or self._shifting(rollout)
        if rollout.lease_token and (lease is None or lease.holder != rollout.rollout_id):
            return f"{step}; but it has lost its lease, so that its next step ends it"
        if lease and lease.holder == rollout.rollout_id and lease.expires_at < stamp(self.now()):
            return f"{step}; but it has written nothing for {LEASE_S} s, so that the next rollout takes its lease over"
        return step

    def _shifting(self, rollout: RolloutItem) -> str:
        plan, began = plan_of(rollout), read_stamp(rollout.updated_at)
        if rollout.phase is Phase.BAKING:
            return f"green bakes until about {stamp(began + timedelta(seconds=plan.bake_s))}; then it is verified"
        limit_s = max_execution_s(plan, release_of(self.table, rollout).config.bring_up_at_most_s)
        until = stamp(began + timedelta(seconds=limit_s))
        return f"SageMaker brings green up and moves the traffic; it gives up at about {until}"
