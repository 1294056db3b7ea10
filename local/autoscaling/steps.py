"""Step scaling: which step an alarm's breach falls on, and the capacity that it leads to. Pure.

Source: "Step scaling policies" in the Application Auto Scaling User Guide.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from local.sagemaker.errors import validation

DEFAULT_COOLDOWN_S = 300
_LOWER, _UPPER = "MetricIntervalLowerBound", "MetricIntervalUpperBound"


def check_steps(config: Mapping[str, Any]) -> None:
    """Raises AwsError ValidationException: no steps, or steps that overlap or leave a gap."""
    steps = config.get("StepAdjustments") or []
    if not steps or "AdjustmentType" not in config:
        raise validation("A step scaling policy needs AdjustmentType and at least one step adjustment.")
    if config["AdjustmentType"] == "ExactCapacity" and any(step["ScalingAdjustment"] < 0 for step in steps):
        raise validation("A step adjustment of ExactCapacity must not be negative.")
    if "MinAdjustmentMagnitude" in config and config["AdjustmentType"] != "PercentChangeInCapacity":
        raise validation("MinAdjustmentMagnitude is allowed with PercentChangeInCapacity only.")
    _check_bounds(steps)


def _check_bounds(steps: Sequence[Mapping[str, Any]]) -> None:
    if any(step.get(_LOWER) is None and step.get(_UPPER) is None for step in steps):
        raise validation("The lower and the upper bound of a step adjustment cannot both be left out.")
    spans = sorted(_span(step) for step in steps)
    for low, high in spans:
        if low >= high:
            raise validation(f"The upper bound {high} of a step adjustment must be greater than its lower bound {low}.")
    for (_, end), (start, _) in itertools.pairwise(spans):
        if end != start:
            what = "overlap" if end > start else "leave a gap"
            raise validation(f"Step adjustments must not {what}: one ends at {end}, the next starts at {start}.")
    if spans[0][0] < 0 and not math.isinf(spans[0][0]):
        raise validation("With a negative lower bound there must be a step adjustment without a lower bound.")
    if spans[-1][1] > 0 and not math.isinf(spans[-1][1]):
        raise validation("With a positive upper bound there must be a step adjustment without an upper bound.")


def _span(step: Mapping[str, Any]) -> tuple[float, float]:
    low, high = step.get(_LOWER), step.get(_UPPER)
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))


def desired_capacity(config: Mapping[str, Any], capacity: int, value: float, threshold: float) -> int | None:
    """The capacity that the step asks for; None if the breach falls on no step.

    Args:
        value: the metric's newest data point.
        threshold: of the alarm that triggered the policy.
    """
    breach = value - threshold
    for step in config["StepAdjustments"]:
        low, high = _span(step)
        # Above the threshold the lower bound belongs to the step, below it the upper one.
        if low <= breach < high if breach >= 0 else low < breach <= high:
            return _adjusted(config, capacity, step["ScalingAdjustment"])
    return None


def _adjusted(config: Mapping[str, Any], capacity: int, adjustment: int) -> int:
    kind = config["AdjustmentType"]
    if kind == "ExactCapacity":
        return adjustment
    if kind == "ChangeInCapacity":
        return capacity + adjustment
    change = _whole(capacity * adjustment / 100)
    least = int(config.get("MinAdjustmentMagnitude") or 0)
    if change and abs(change) < least:
        change = int(math.copysign(least, change))
    return capacity + change


def _whole(change: float) -> int:
    """Towards zero, but never to it: 12.7 is 12, 0.67 is 1, -0.58 is -1, -6.67 is -6."""
    if 0 < abs(change) < 1:
        return int(math.copysign(1, change))
    return math.trunc(change)
