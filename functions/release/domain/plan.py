"""How a rollout will shift traffic, decided from the fleet that serves now."""

from dataclasses import dataclass
from enum import StrEnum


class Strategy(StrEnum):
    """What a plan says; a config may also say `auto`."""

    FIRST_RELEASE = "firstRelease"
    ALL_AT_ONCE = "allAtOnce"
    CANARY = "canary"
    LINEAR = "linear"
    ROLLING = "rolling"


AUTO = "auto"

DEAD_MAN_S = 120
"""A judge that was silent for so long counts as dead, and SageMaker rolls back. It looks every 15 s or oftener."""

_MIN_LINEAR_PERCENT = 10  # SageMaker: a linear step is 10-50 % of the fleet, a canary at most 50 %, a batch 5-50 %
_MIN_BATCH_PERCENT = 5
_MIN_EXECUTION_S, _MAX_EXECUTION_S = 600, 28_800
PROVISIONING_S = 1_800
"""SageMaker's patience where capacity is short, unless the config says otherwise. Instances of the largest GPU types
have been seen to take half an hour."""
BRING_UP_S = 600
"""Seconds until an instance serves, as a rule: AWS's example of an 8B model on an ml.g6.2xlarge took 525 s without
cached containers (AWS Machine Learning Blog on container caching, June 2026)."""
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """Fleet size in instances, waits and bake in seconds, step in percent of the fleet."""

    strategy: Strategy
    fleet_size: int
    step_percent: int
    step_wait_s: int
    bake_s: int
    reason: str


def plan_rollout(  # noqa: PLR0913 - a config's five words on shifting, and what the account leaves
    wish: str, *, fleet_size: int, step_percent: int, step_wait_s: int, bake_s: int, room: int | None = None
) -> Plan:
    """Choose the strategy.

    SageMaker sizes canaries, steps and batches as parts of the fleet, so a fleet of one can only be replaced at once.

    Args:
        wish: the config's strategy, `auto` or a strategy by name.
        fleet_size: instances that serve now; 0 before the first release.
        room: instances that the account may have beside them; None if nobody knows.
    """
    if fleet_size == 0:
        strategy, reason = Strategy.FIRST_RELEASE, "nothing serves yet"
    elif fleet_size == 1:
        strategy, reason = Strategy.ALL_AT_ONCE, "1 instance serves, which cannot be shifted in parts"
    elif wish == AUTO and room is not None and _batch_percent(fleet_size, step_percent, room) and room < fleet_size:
        strategy = Strategy.ROLLING
        step_percent = _batch_percent(fleet_size, step_percent, room)
        reason = f"{fleet_size} instances serve and the quota leaves {room} for green"
    elif wish == AUTO:
        strategy, reason = Strategy.CANARY, f"{fleet_size} instances serve"
    else:
        strategy, reason = Strategy(wish), f"the config asks for it and {fleet_size} instances serve"
    if strategy is Strategy.LINEAR:
        step_percent = max(step_percent, _MIN_LINEAR_PERCENT)
    if fleet_size > 1:
        step_percent = _at_most_half(fleet_size, step_percent)
    return Plan(strategy, fleet_size, step_percent, step_wait_s, bake_s, f"{strategy}: {reason}")


def _batch_percent(fleet_size: int, step_percent: int, room: int) -> int:
    """The largest batch that fits into the room however SageMaker rounds; 0 if the smallest one does not."""
    percent = min(step_percent, _PERCENT * room // fleet_size)
    return percent if percent >= _MIN_BATCH_PERCENT else 0


def _at_most_half(fleet_size: int, step_percent: int) -> int:
    """SageMaker rounds a part of an instance up, says nobody, and takes no part above half of the fleet."""
    fits = 2 * _up(fleet_size * step_percent, _PERCENT) <= fleet_size
    return step_percent if fits else _PERCENT * (fleet_size // 2) // fleet_size


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


def shifts(plan: Plan) -> int:
    """How many times traffic moves, at most: where parts of an instance are rounded down, a step is smaller."""
    if plan.strategy is Strategy.CANARY:
        return 2
    if plan.strategy in {Strategy.LINEAR, Strategy.ROLLING}:
        return _up(plan.fleet_size, max(1, plan.fleet_size * plan.step_percent // _PERCENT))
    return 1


def green_at_once(plan: Plan, instance_count: int) -> int:
    """Instances that must be there beside those that serve: all of green, or one batch.

    Args:
        instance_count: of a first release.
    """
    if plan.strategy is Strategy.ROLLING:
        return _up(plan.fleet_size * plan.step_percent, _PERCENT)
    return plan.fleet_size or instance_count


def waits_s(plan: Plan) -> int:
    """Seconds for which the update stands still on purpose.

    SageMaker waits after every shift, the last one included, and keeps blue for the rest of the bake.
    """
    if plan.strategy is Strategy.FIRST_RELEASE:
        return 0
    if plan.strategy is Strategy.ALL_AT_ONCE:
        return plan.bake_s
    rest_s = 0 if plan.strategy is Strategy.ROLLING else max(0, plan.bake_s - plan.step_wait_s)
    return shifts(plan) * plan.step_wait_s + rest_s


def bring_up_at_most_s(startup_timeout_s: int, provision_timeout_s: int = PROVISIONING_S) -> int:
    """Seconds until instances serve or never will.

    Args:
        startup_timeout_s: download and health check each get this long.
    """
    return provision_timeout_s + 2 * startup_timeout_s


def needed_execution_s(plan: Plan, bring_up_s: int) -> int:
    """Seconds that the whole update may need: provisioning, download, health check and every wait.

    Args:
        bring_up_s: at most, as `bring_up_at_most_s` says.
    """
    return _bring_ups(plan) * bring_up_s + waits_s(plan)


def expected_execution_s(plan: Plan) -> int:
    """Seconds that the whole update takes as a rule."""
    return _bring_ups(plan) * BRING_UP_S + waits_s(plan)


def _bring_ups(plan: Plan) -> int:
    """A rolling batch provisions its instances one batch after the other."""
    return shifts(plan) if plan.strategy is Strategy.ROLLING else 1


def max_execution_s(plan: Plan, bring_up_s: int) -> int:
    """SageMaker's limit on the whole update: what it may need, within SageMaker's bounds."""
    return max(_MIN_EXECUTION_S, min(_MAX_EXECUTION_S, needed_execution_s(plan, bring_up_s)))


def time_problem(plan: Plan) -> str | None:
    """Why SageMaker would refuse the plan's waits, or run out of time in them; None if it has time enough."""
    if plan.strategy is Strategy.FIRST_RELEASE or expected_execution_s(plan) <= _MAX_EXECUTION_S:
        return None
    return (
        f"{shifts(plan)} shifts with {plan.step_wait_s} s after each and a bake of {plan.bake_s} s take "
        f"{expected_execution_s(plan)} s with {BRING_UP_S} s to bring instances up; SageMaker ends an update after "
        f"{_MAX_EXECUTION_S} s: wait less or take larger steps"
    )


def poll_seconds(bake_s: int, moving_s: float) -> int:
    """How long to wait between two looks at the endpoint: a short bake is watched closely, a long wait need not be.

    A look costs about ten history events, and Step Functions ends an execution at 25,000. With 15 s after the first
    five minutes, the eight hours that SageMaker may take cost 20,000.

    Args:
        moving_s: seconds since SageMaker took the rollout up.
    """
    return max(1, min(15, max(bake_s, int(moving_s)) // 20))


def follow_seconds(age_s: float) -> int:
    """How long to wait between two looks at a rollout that is `age_s` seconds old.

    The longest rollout that can be followed, a day and an hour, costs 1,600 looks and 16,000 history events.
    """
    return max(2, min(60, int(age_s) // 20))
