"""What a triggered policy does to its target: a new capacity, a reason to leave it, or nothing. Pure.

Source: "Target tracking scaling policies", "Step scaling policies" and "Understanding not scaled reason codes" in the
Application Auto Scaling User Guide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.autoscaling import steps, tracking
from local.autoscaling.policies import TRACKING
from local.autoscaling.records import Json, ScalableTarget, ScalingPolicy
from local.autoscaling.variants import Capacity

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Situation:
    """What is known when an alarm triggers a policy."""

    target: ScalableTarget
    capacity: Capacity
    value: float
    """The metric's newest data point."""
    threshold: float
    """The alarm's."""
    low_values: Sequence[tuple[ScalingPolicy, float | None]]
    """Every target tracking policy of the target that may scale in, with its metric's newest data point if its
    AlarmLow is in ALARM, else None."""
    now_s: float


@dataclass(frozen=True)
class Scale:
    """Set the capacity to `count`."""

    count: int
    out: bool


@dataclass(frozen=True)
class NotScaled:
    """Leave the capacity, for this reason; DescribeScalingActivities tells it if asked."""

    reason: Json


def decide(policy: ScalingPolicy, situation: Situation) -> Scale | NotScaled | None:
    """None where the policy has nothing to say, is suspended or waits for a cooldown."""
    desired, target = situation.capacity.desired, situation.target
    wanted = _wanted(policy, situation)
    if wanted is None:
        return None
    out = wanted > desired
    if wanted != desired and target.suspended[f"DynamicScaling{'Out' if out else 'In'}Suspended"]:
        return None
    if wanted < desired and target.scaled_in_until_s > situation.now_s:
        return None
    count = min(max(wanted, target.minimum), target.maximum)
    if (count - desired) * (wanted - desired) <= 0:
        return NotScaled(_why_not(wanted, situation))
    if not situation.capacity.scalable:
        return NotScaled({"Code": "TargetServicePutResourceAsUnscalable", "CurrentCapacity": desired})
    return Scale(count, out)


def _why_not(wanted: int, situation: Situation) -> Json:
    desired, target = situation.capacity.desired, situation.target
    if wanted > desired:
        return {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": target.maximum, "CurrentCapacity": desired}
    if wanted < desired:
        return {"Code": "AlreadyAtMinCapacity", "MinCapacity": target.minimum, "CurrentCapacity": desired}
    return {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": desired}


def _wanted(policy: ScalingPolicy, situation: Situation) -> int | None:
    """The capacity that the policy asks for, whatever the target's range."""
    desired = situation.capacity.desired
    # While a scale-out cools down, what it added counts as part of the next one; only a larger one adds more.
    base = policy.base if policy.cooling_until_s > situation.now_s else desired
    if policy.kind == TRACKING:
        return _tracked(policy.config, situation, base)
    wanted = steps.desired_capacity(policy.config, desired, situation.value, situation.threshold)
    if wanted is None or wanted <= desired:
        return wanted
    again = steps.desired_capacity(policy.config, base, situation.value, situation.threshold)
    return max(again or 0, desired)


def _tracked(config: Config, situation: Situation, base: int) -> int | None:
    goal = float(config["TargetValue"])
    towards = tracking.direction(situation.value, goal)
    if towards > 0:
        return max(tracking.desired_capacity(base, situation.value, goal), situation.capacity.desired)
    if towards == 0 or config.get("DisableScaleIn"):
        return None
    return _scaled_in(situation)


def _scaled_in(situation: Situation) -> int | None:
    """Scale in only if every policy that may is ready to, and to the largest capacity that one of them needs."""
    needed = []
    for policy, value in situation.low_values:
        if value is None:
            return None
        goal = float(policy.config["TargetValue"])
        needed.append(tracking.desired_capacity(situation.capacity.desired, value, goal))
    return max(needed, default=None)
