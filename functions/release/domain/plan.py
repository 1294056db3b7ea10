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

_MIN_LINEAR_PERCENT = 10  # SageMaker: a linear step is 10-50 % of the fleet, a canary at most 50 %, a batch 5-50 %
_MIN_EXECUTION_S, _MAX_EXECUTION_S = 600, 28_800
_PROVISIONING_S = 1_800  # instances of the largest GPU types have been seen to take half an hour
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


def plan_rollout(wish: str, *, fleet_size: int, step_percent: int, step_wait_s: int, bake_s: int) -> Plan:
    """Choose the strategy.

    SageMaker sizes canaries, steps and batches as parts of the fleet, so a fleet of one can only be replaced at once.

    Args:
        wish: the config's strategy, `auto` or a strategy by name.
        fleet_size: instances that serve now; 0 before the first release.
    """
    if fleet_size == 0:
        strategy, reason = Strategy.FIRST_RELEASE, "nothing serves yet"
    elif fleet_size == 1:
        strategy, reason = Strategy.ALL_AT_ONCE, "1 instance serves, which cannot be shifted in parts"
    elif wish == AUTO:
        strategy, reason = Strategy.CANARY, f"{fleet_size} instances serve"
    else:
        strategy, reason = Strategy(wish), f"the config asks for it and {fleet_size} instances serve"
    if strategy is Strategy.LINEAR:
        step_percent = max(step_percent, _MIN_LINEAR_PERCENT)
    return Plan(strategy, fleet_size, step_percent, step_wait_s, bake_s, f"{strategy}: {reason}")


def max_execution_s(plan: Plan, startup_timeout_s: int) -> int:
    """SageMaker's limit on the whole update: provisioning, download, health check and every wait, with bounds.

    Args:
        startup_timeout_s: download and health check each get this long.
    """
    steps = -(-_PERCENT // plan.step_percent)
    waits = {Strategy.CANARY: 1, Strategy.LINEAR: steps, Strategy.ROLLING: steps}.get(plan.strategy, 0)
    needed = _PROVISIONING_S + 2 * startup_timeout_s + waits * plan.step_wait_s + plan.bake_s
    # A rolling batch provisions its instances one batch after the other.
    needed += (steps - 1) * (_PROVISIONING_S + startup_timeout_s) if plan.strategy is Strategy.ROLLING else 0
    return max(_MIN_EXECUTION_S, min(_MAX_EXECUTION_S, needed))


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
