"""Green: made and given the traffic. Every change is fenced by the lease and can be asked for twice."""

from dataclasses import dataclass, replace

from release.contracts.steps import GreenCreated, LeasedStep, Watched
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.names import Names
from release.domain.outcome import has_begun
from release.domain.phases import Phase
from release.domain.plan import Strategy, max_execution_s, poll_seconds
from release.domain.truth import FAILED, Progress, is_moving
from release.errors import AbortedError, AlarmsUnsettledError, EndpointBusyError, HeldBackError, RolloutFailedError
from release.flows.approving import stopped_by
from release.flows.building import Green, Where, ensure_alarms, ensure_green
from release.flows.planning import fleet_size, plan_for, plan_item, room_left
from release.flows.records import check_wanted, enter, entry, fence_of, plan_of, release_of, rollout_of
from release.flows.stamps import stamp
from release.ports import Alarms, Clock, Metrics, ReleaseTable, Scaling, Serving

_OK, _ALARM = "OK", "ALARM"


@dataclass(frozen=True, slots=True)
class Creating:
    table: ReleaseTable
    serving: Serving
    alarms: Alarms
    metrics: Metrics
    stack: str
    bucket: str
    execution_role_arn: str
    now: Clock

    def create(self, step: LeasedStep) -> GreenCreated:
        """Make model, endpoint config and alarms of the rollout; nothing serves from them yet.

        Raises:
            AbortedError: somebody asked for the rollout's end.
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: SageMaker refused one of them.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release, names = release_of(self.table, rollout), Names(self.stack, step.endpoint)
        name = names.of_rollout(step.rollout_id)
        # The rollout may have waited long for its lease: what serves now decides, not what served when it was planned.
        state = self.serving.describe(names.sagemaker_endpoint)
        plan = plan_for(release, state, room_left(rollout.plan, fleet_size(state)))
        reason = f"creating model, endpoint config and alarms of {name}; {plan.reason}"
        creating = entry(Phase.CREATING, reason, self.now(), plan_item(plan, rollout.plan))
        enter(self.table, rollout, creating, fence_of(step, self.now()))
        where = Where(self.bucket, self.execution_role_arn)
        ensure_green(self.serving, name, Green(release, rollout, plan.fleet_size), where)
        if plan.strategy is not Strategy.FIRST_RELEASE:
            ensure_alarms(self.alarms, self.metrics, names, step.rollout_id)
        return GreenCreated(endpoint_config_name=name)


@dataclass(frozen=True, slots=True)
class Shifting:
    table: ReleaseTable
    serving: Serving
    alarms: Alarms
    metrics: Metrics
    stack: str
    now: Clock
    scaling: Scaling

    def shift(self, step: LeasedStep) -> Watched:
        """Ask SageMaker to bring green up and move the traffic; returns at once.

        Raises:
            AbortedError: somebody asked for the rollout's end, and SageMaker was not asked for anything.
            AlarmsUnsettledError: an alarm of the rollout does not say OK yet.
            EndpointBusyError: SageMaker is busy with another change.
            HeldBackError: somebody paused the rollout or froze its endpoint while this step was tried again.
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: refused, the guard alarm is tripped already, or the fleet is not the planned one.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        plan, names = plan_of(rollout), Names(self.stack, step.endpoint)
        endpoint_name, config_name = names.sagemaker_endpoint, names.of_rollout(step.rollout_id)
        self.table.renew_lease(fence_of(step, self.now()))
        state = self.serving.describe(endpoint_name)
        serving = self.table.endpoint(step.endpoint)
        if not has_begun(state, config_name):
            check_wanted(rollout)
            if stopped := stopped_by(rollout, serving, stamp(self.now())):
                raise HeldBackError(f"no traffic has moved: {stopped}")
            if state and is_moving(state):
                raise EndpointBusyError(f"endpoint {endpoint_name} is {state.status} for somebody else; try again")
            if state and state.status == FAILED and plan.strategy is Strategy.FIRST_RELEASE:
                # It serves nobody and takes no other call; the next look finds it gone and creates it anew.
                self.serving.delete_endpoint(endpoint_name)
                raise EndpointBusyError(f"endpoint {endpoint_name} was Failed and is deleted; it is created anew then")
            if (state is None) != (plan.strategy is Strategy.FIRST_RELEASE):
                raise RolloutFailedError(f"endpoint {endpoint_name} came or went since the plan; start a new rollout")
            if state is None:
                self.serving.create_endpoint(endpoint_name, config_name)
            else:
                self._update(rollout, names)
        reason = f"SageMaker accepted {config_name} for endpoint {endpoint_name}"
        blue = serving.live_release_id if serving and plan.strategy is not Strategy.FIRST_RELEASE else None
        shifting = replace(entry(Phase.SHIFTING, reason, self.now()), previous_release_id=blue)
        enter(self.table, rollout, shifting, fence_of(step, self.now()))
        return Watched(progress=Progress.MOVING, reason=reason, poll_seconds=poll_seconds(plan.bake_s, moving_s=0))

    def _update(self, rollout: RolloutItem, names: Names) -> None:
        release, plan = release_of(self.table, rollout), plan_of(rollout)
        self.metrics.beat(rollout.rollout_id)
        alarms = self._quiet(names, rollout.rollout_id)
        self._hold_fleet(release, names)
        self.serving.update_endpoint(
            names.sagemaker_endpoint,
            names.of_rollout(rollout.rollout_id),
            plan=plan,
            alarms=alarms,
            max_execution_s=max_execution_s(plan, release.config.bring_up_at_most_s),
        )

    def _hold_fleet(self, release: ReleaseItem, names: Names) -> None:
        """Nobody else changes the fleet while traffic moves; "Settle rollout" lets scaling go on in every ending.

        Its target stays, so that no setting of it is lost, unless instances become others: SageMaker refuses to change
        the type of a variant that is scaled (Developer Guide, "Update or delete endpoints that use automatic scaling").
        """
        serving = self.table.endpoint(release.endpoint)
        blue = (
            self.table.release(release.endpoint, serving.live_release_id)
            if serving and serving.live_release_id
            else None
        )
        if blue and blue.config.instance_types == release.config.instance_types:
            self.scaling.suspend(names.sagemaker_endpoint)
        else:
            self.scaling.remove(names.sagemaker_endpoint)

    def _quiet(self, names: Names, rollout_id: str) -> tuple[str, ...]:
        """The rollout's alarms, all of them OK: SageMaker goes by them from the moment that the update begins."""
        wanted = names.alarms(rollout_id)
        states = self.alarms.states(wanted)
        if states.get(names.abort_alarm(rollout_id)) == _ALARM:
            raise AbortedError(f"the abort alarm {names.abort_alarm(rollout_id)} is tripped; no traffic has moved")
        guard = names.guard_alarm(rollout_id)
        if states.get(guard) == _ALARM:
            raise RolloutFailedError(f"the guard alarm {guard} is tripped before any traffic; look at its history")
        unsettled = [f"{name} is {states.get(name, 'missing')}" for name in wanted if states.get(name) != _OK]
        if unsettled:
            # An alarm that looked too late found nothing, and would find nothing for ever.
            self.metrics.seed(rollout_id)
            raise AlarmsUnsettledError(f"{', '.join(unsettled)}; every alarm must be OK before traffic moves")
        return wanted
