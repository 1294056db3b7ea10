"""How the rollout will shift traffic, from what serves now."""

from dataclasses import dataclass

from release.contracts.steps import Planned, PlanStep
from release.contracts.table import PlanItem, ReleaseItem, RolloutItem
from release.domain.names import Names
from release.domain.phases import Phase
from release.domain.plan import Plan, plan_rollout
from release.domain.truth import DELETING, FAILED, EndpointState, Progress, look
from release.errors import PlanRefusedError, RolloutFailedError
from release.flows.plan_review import PlanReview
from release.flows.records import enter, entry, release_of, rollout_of
from release.flows.stamps import stamp
from release.ports import Clock, Images, ReleaseTable, Serving


@dataclass(frozen=True, slots=True)
class Planning:
    table: ReleaseTable
    serving: Serving
    images: Images
    stack: str
    now: Clock
    review: PlanReview

    def plan(self, step: PlanStep) -> Planned:
        """Record the plan; where it was all that was asked for, it is also the rollout's end.

        Raises:
            InvalidInputError: the endpoint's policy or the account's prices cannot be read.
            PlanRefusedError: a quota, a bound of SageMaker, a budget or a freeze forbids it.
            RolloutFailedError: the release's image is no longer in the registry.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release = release_of(self.table, rollout)
        if not self.images.exists(release.image):
            raise RolloutFailedError(f"image {release.image} is not in the registry any more; push it again")
        state = self.serving.describe(Names(self.stack, step.endpoint).sagemaker_endpoint)
        already_live = self._already_live(rollout, state)
        plan, item, sentence = self._reviewed(rollout, release, state, already_live=already_live)
        phase, reason = Phase.PLANNED, sentence
        if step.plan_only:
            phase, reason = Phase.SKIPPED, f"planned only, as asked; {sentence}"
        enter(self.table, rollout, entry(phase, reason, self.now(), item))
        return Planned(
            strategy=plan.strategy,
            fleet_size=plan.fleet_size,
            bake_seconds=plan.bake_s,
            already_live=already_live,
            reason=sentence,
            estimate=item.estimate,
        )

    def _reviewed(
        self, rollout: RolloutItem, release: ReleaseItem, state: EndpointState | None, *, already_live: bool
    ) -> tuple[Plan, PlanItem, str]:
        """The plan, its record and its sentence. What serves already needs nobody's leave."""
        demand = self.review.demand(release, fleet_size(state))
        room = self.review.room(demand)
        plan = plan_for(release, state, room.instances if room else None)
        findings = self.review.review(rollout, release, plan, demand, room)
        if findings.problems and not already_live:
            raise PlanRefusedError("; ".join(findings.problems))
        item = plan_item(plan).model_copy(
            update={"room": room.instances if room else None, "estimate": findings.estimate}
        )
        return plan, item, f"{plan.reason}; {findings.sentence}"

    def _already_live(self, rollout: RolloutItem, state: EndpointState | None) -> bool:
        """The release serves and nobody is about to change that; another rollout under way could."""
        serving = self.table.endpoint(rollout.endpoint)
        if serving is None or serving.live_rollout_id is None or serving.live_release_id != rollout.release_id:
            return False
        config_name = Names(self.stack, rollout.endpoint).of_rollout(serving.live_rollout_id)
        arrived = look(state, config_name).progress is Progress.ARRIVED
        return arrived and self.table.lease_holder(rollout.endpoint, stamp(self.now())) is None


def fleet_size(state: EndpointState | None) -> int:
    """Instances that serve now; one that is being deleted is as good as gone, and one that failed serves nobody."""
    return max(1, state.fleet_size) if state and state.status not in {DELETING, FAILED} else 0


def plan_for(release: ReleaseItem, state: EndpointState | None, room: int | None = None) -> Plan:
    """The plan for the endpoint as it is now.

    Args:
        room: instances that the account may have beside it; None if nobody knows.
    """
    config = release.config
    return plan_rollout(
        config.strategy,
        fleet_size=fleet_size(state),
        step_percent=config.step_percent,
        step_wait_s=config.step_wait_seconds,
        bake_s=config.bake_seconds,
        room=room,
    )


def room_left(planned: PlanItem | None, fleet_size: int) -> int | None:
    """The room that the plan found, beside a fleet that may have another size by now; None if it found none."""
    if planned is None or planned.room is None:
        return None
    return max(0, planned.room + planned.fleet_size - fleet_size)


def plan_item(plan: Plan, planned: PlanItem | None = None) -> PlanItem:
    """The plan as the record holds it, with what was found out when the rollout was `planned` first."""
    return PlanItem(
        strategy=plan.strategy,
        fleet_size=plan.fleet_size,
        step_percent=plan.step_percent,
        step_wait_seconds=plan.step_wait_s,
        bake_seconds=plan.bake_s,
        room=room_left(planned, plan.fleet_size),
        estimate=planned.estimate if planned else None,
    )
