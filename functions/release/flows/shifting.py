"""Green: made, given the traffic, watched. Every change is fenced by the lease and can be asked for twice."""

from collections.abc import Mapping
from dataclasses import dataclass

from release.contracts.steps import GreenCreated, LeasedStep, ShiftStarted, Watched
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.keys import published_prefix
from release.domain.names import Names
from release.domain.outcome import has_begun
from release.domain.phases import Phase
from release.domain.plan import Strategy, max_execution_s, poll_seconds
from release.domain.truth import FAILED, is_moving, look
from release.errors import EndpointBusyError, RolloutFailedError
from release.flows.planning import fleet_size, plan_for, plan_item, room_left
from release.flows.records import enter, entry, fence_of, plan_of, release_of, rollout_of
from release.flows.stamps import seconds_since
from release.ports import Alarms, Clock, Probes, ReleaseTable, Serving


@dataclass(frozen=True, slots=True)
class Creating:
    table: ReleaseTable
    serving: Serving
    alarms: Alarms
    stack: str
    bucket: str
    execution_role_arn: str
    now: Clock

    def create(self, step: LeasedStep) -> GreenCreated:
        """Make model, endpoint config and guard alarm of the rollout; nothing serves from them yet.

        Raises:
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: SageMaker refused one of them, or the endpoint is past mending.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release, names = release_of(self.table, rollout), Names(self.stack, step.endpoint)
        name = names.of_rollout(step.rollout_id)
        # The rollout may have waited long for its lease: what serves now decides, not what served when it was planned.
        state = self.serving.describe(names.sagemaker_endpoint)
        if state and state.status == FAILED:
            raise RolloutFailedError(
                f"endpoint {names.sagemaker_endpoint} is Failed and takes no update; delete it and start a new rollout"
            )
        plan = plan_for(release, state, room_left(rollout.plan, fleet_size(state)))
        reason = f"creating model, endpoint config and guard alarm {name}; {plan.reason}"
        creating = entry(Phase.CREATING, reason, self.now(), plan_item(plan, rollout.plan))
        enter(self.table, rollout, creating, fence_of(step, self.now()))
        self.serving.ensure_model(
            name,
            image=release.image,
            data_uri=f"s3://{self.bucket}/{published_prefix(release.artifact_id)}",
            environment=container_environment(release, rollout),
            execution_role_arn=self.execution_role_arn,
        )
        self.serving.ensure_config(
            name,
            instance_type=release.config.instance_types[0],
            instance_count=plan.fleet_size or release.config.instance_count,
            startup_timeout_s=release.config.startup_timeout_seconds,
            fallback_types=release.config.instance_types[1:],
        )
        self.alarms.ensure_guard(
            names.guard_alarm(step.rollout_id), endpoint_name=names.sagemaker_endpoint, config_name=name
        )
        return GreenCreated(endpoint_config_name=name)


def container_environment(release: ReleaseItem, rollout: RolloutItem) -> Mapping[str, str]:
    """Who the container is goes last, so that no config can make it claim to be another."""
    return {
        **release.config.environment,
        "SLIPWAY_RELEASE_ID": release.release_id,
        "SLIPWAY_ROLLOUT_ID": rollout.rollout_id,
        "SLIPWAY_MODEL_NAME": rollout.endpoint,
    }


@dataclass(frozen=True, slots=True)
class Shifting:
    table: ReleaseTable
    serving: Serving
    alarms: Alarms
    probes: Probes
    stack: str
    now: Clock

    def shift(self, step: LeasedStep) -> ShiftStarted:
        """Ask SageMaker to bring green up and move the traffic; returns at once.

        Raises:
            EndpointBusyError: SageMaker is busy with another change.
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: refused, the guard alarm is tripped already, or the fleet is not the planned one.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release, plan = release_of(self.table, rollout), plan_of(rollout)
        names = Names(self.stack, step.endpoint)
        endpoint_name, config_name = names.sagemaker_endpoint, names.of_rollout(step.rollout_id)
        self.table.renew_lease(fence_of(step, self.now()))
        state = self.serving.describe(endpoint_name)
        if not has_begun(state, config_name):
            if state and is_moving(state):
                raise EndpointBusyError(f"endpoint {endpoint_name} is {state.status} for somebody else; try again")
            if (state is None) != (plan.strategy is Strategy.FIRST_RELEASE):
                raise RolloutFailedError(f"endpoint {endpoint_name} came or went since the plan; start a new rollout")
            if state is None:
                self.serving.create_endpoint(endpoint_name, config_name)
            else:
                alarm = self._quiet(names.guard_alarm(step.rollout_id))
                limit_s = max_execution_s(plan, release.config.startup_timeout_seconds)
                self.serving.update_endpoint(
                    endpoint_name, config_name, plan=plan, alarm_name=alarm, max_execution_s=limit_s
                )
        reason = f"SageMaker accepted {config_name} for endpoint {endpoint_name}"
        enter(self.table, rollout, entry(Phase.SHIFTING, reason, self.now()), fence_of(step, self.now()))
        return ShiftStarted(poll_seconds=poll_seconds(plan.bake_s, moving_s=0))

    def _quiet(self, alarm_name: str) -> str:
        """SageMaker would roll back at once on an alarm that is tripped when the update begins."""
        if self.alarms.is_tripped(alarm_name):
            raise RolloutFailedError(f"the guard alarm {alarm_name} is tripped before any traffic; look at its history")
        return alarm_name

    def watch(self, step: LeasedStep) -> Watched:
        """How far the shift has come.

        Raises:
            LeaseLostError: another rollout changes the endpoint now.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        plan, names = plan_of(rollout), Names(self.stack, step.endpoint)
        # Renewed before the look: a SageMaker that does not answer must not cost the lease of an endpoint that moves.
        self.table.renew_lease(fence_of(step, self.now()))
        state = self.serving.describe(names.sagemaker_endpoint)
        seen = look(state, names.of_rollout(step.rollout_id))
        if state and state.baking and rollout.phase is Phase.SHIFTING:
            baking = entry(Phase.BAKING, f"green serves; watching it for {plan.bake_s} s", self.now())
            self.table.enter(rollout, baking, fence_of(step, self.now()))
        answered = self._ask(names.sagemaker_endpoint) if state and state.baking else ""
        poll_s = poll_seconds(plan.bake_s, seconds_since(self._began(rollout), self.now()))
        return Watched(progress=seen.progress, reason=seen.reason + answered, poll_seconds=poll_s)

    def _ask(self, endpoint_name: str) -> str:
        """Ask green while it bakes: where nobody else does, only an error of ours can trip the guard alarm in time."""
        answer = self.probes.ask(endpoint_name)
        return f"; a probe was answered with an error: {answer.error}" if answer.error else ""

    def _began(self, rollout: RolloutItem) -> str:
        return next((line.at for line in rollout.history if line.phase is Phase.SHIFTING), rollout.updated_at)
