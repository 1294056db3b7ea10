"""Reading and moving a rollout's record."""

from datetime import datetime

from release.contracts.steps import LeasedStep
from release.contracts.table import PlanItem, ReleaseItem, RolloutItem
from release.domain.phases import BEFORE_TRAFFIC, Phase, has_ended, may_follow
from release.domain.plan import Plan
from release.errors import AbortedError, InvalidInputError, RolloutFailedError
from release.flows.stamps import stamp, stamp_after
from release.ports import RELEASE_MACHINE, Entry, Fence, ReleaseTable

LEASE_S = 900
"""A holder that writes nothing for so long counts as dead; every step under the lease renews it."""


def rollout_of(table: ReleaseTable, endpoint: str, rollout_id: str) -> RolloutItem:
    rollout = table.rollout(endpoint, rollout_id)
    if rollout is None:
        raise InvalidInputError(f"endpoint {endpoint} has no rollout {rollout_id}; start one with an artifact")
    return rollout


def release_of(table: ReleaseTable, rollout: RolloutItem) -> ReleaseItem:
    release = table.release(rollout.endpoint, rollout.release_id)
    if release is None:
        raise InvalidInputError(f"rollout {rollout.rollout_id} is of release {rollout.release_id}, which has no record")
    return release


def fence_of(step: LeasedStep, now: datetime) -> Fence:
    return Fence(step.endpoint, step.rollout_id, step.lease_token, stamp_after(now, LEASE_S))


def check_wanted(rollout: RolloutItem) -> None:
    """Stop here if somebody asked for the rollout's end.

    Raises:
        AbortedError: somebody did.
    """
    if rollout.abort and not has_ended(rollout.phase):
        raise AbortedError(f"{rollout.abort.by} asked for its end: {rollout.abort.reason}")


def enter(table: ReleaseTable, rollout: RolloutItem, entry: Entry, fence: Fence | None = None) -> None:
    """Move the rollout on, unless an earlier attempt of the same step already has.

    Raises:
        AbortedError: somebody asked for its end, and no traffic has moved.
        RolloutFailedError: the phase may not follow the rollout's own: somebody ended it meanwhile.
        LeaseLostError, ServiceUnavailableError: as ReleaseTable.enter says.
    """
    if entry.phase in BEFORE_TRAFFIC:
        check_wanted(rollout)
    if rollout.phase is entry.phase:
        if fence:
            table.renew_lease(fence)
        table.announce(rollout)
        return
    if not may_follow(rollout.phase, entry.phase):
        raise RolloutFailedError(f"rollout {rollout.rollout_id} is {rollout.phase} and cannot become {entry.phase}")
    table.enter(rollout, entry, fence)


def entry(
    phase: Phase, reason: str, now: datetime, plan: PlanItem | None = None, actor: str = RELEASE_MACHINE
) -> Entry:
    return Entry(phase, reason, stamp(now), plan, actor)


def plan_of(rollout: RolloutItem) -> Plan:
    """The plan that the record holds.

    Raises:
        RolloutFailedError: there is none; the rollout was not planned.
    """
    plan = rollout.plan
    if plan is None:
        raise RolloutFailedError(f"rollout {rollout.rollout_id} has no plan; start a new one")
    return Plan(
        plan.strategy, plan.fleet_size, plan.step_percent or 0, plan.step_wait_seconds or 0, plan.bake_seconds, ""
    )
