"""Target tracking: the two alarms of a policy, and the capacity that brings its metric to its target. Pure.

Source: "Target tracking scaling policies" in the Application Auto Scaling User Guide and "Automatically scale Amazon
SageMaker models" in the SageMaker Developer Guide. How many data points the alarms need, and that AlarmLow waits for
less than nine tenths of the target, is what the alarms that the service makes say themselves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.errors import validation

Json = dict[str, Any]

DEFAULT_COOLDOWN_S = 300
"""Of scale-out and of scale-in, for SageMaker's endpoint variants."""
LOW_SHARE = 0.9
METRICS = "AWS/SageMaker"


@dataclass(frozen=True)
class Predefined:
    """A predefined metric type: which metric of AWS/SageMaker it is."""

    name: str
    stat: str
    period_s: int


PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": Predefined("InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Predefined("ConcurrentRequestsPerModel", "Average", 10),
}
_HIGH_PERIODS = 3
_LOW_S = 15 * 60


def watched(config: Mapping[str, Any], endpoint: str, variant: str) -> Json:
    """What both alarms of a policy watch, as arguments of PutMetricAlarm.

    Raises:
        AwsError: ValidationException: not exactly one metric, or one that SageMaker's variants do not have.
    """
    predefined, customized = (config.get(f"{kind}MetricSpecification") for kind in ("Predefined", "Customized"))
    if (predefined is None) == (customized is None):
        raise validation("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification is required.")
    if predefined is None:
        return _customized(customized or {})
    kind = predefined["PredefinedMetricType"]
    if kind not in PREDEFINED:
        raise validation(
            f"The predefined metric type {kind} is not supported for sagemaker:variant:DesiredInstanceCount; "
            f"use {' or '.join(PREDEFINED)}."
        )
    if "ResourceLabel" in predefined:
        raise validation(f"ResourceLabel is not allowed with {kind}.")
    metric = PREDEFINED[kind]
    return {
        "Namespace": METRICS,
        "MetricName": metric.name,
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
        "Statistic": metric.stat,
        "Period": metric.period_s,
    }


def _customized(asked: Mapping[str, Any]) -> Json:
    if "Metrics" in asked:
        return {"Metrics": [_timed(query) for query in asked["Metrics"]]}
    if missing := [name for name in ("MetricName", "Namespace", "Statistic") if name not in asked]:
        raise validation(f"CustomizedMetricSpecification needs {', '.join(missing)}, or Metrics.")
    settings = {name: asked[name] for name in ("MetricName", "Namespace", "Statistic", "Unit") if name in asked}
    return {**settings, "Dimensions": asked.get("Dimensions", []), "Period": 60}


def _timed(query: Mapping[str, Any]) -> Json:
    """A query of a policy names no period: its metrics are read by the minute."""
    if "MetricStat" not in query:
        return dict(query)
    return {**query, "MetricStat": {**query["MetricStat"], "Period": 60}}


def alarm_settings(config: Mapping[str, Any], metric: Json) -> dict[str, Json]:
    """AlarmHigh, and AlarmLow unless scale-in is disabled: what PutMetricAlarm needs besides name and action."""
    period_s, target = metric.get("Period", 60), float(config["TargetValue"])
    high = {
        **metric,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": _HIGH_PERIODS,
        "Threshold": target,
    }
    low = {
        **metric,
        "ComparisonOperator": "LessThanThreshold",
        "EvaluationPeriods": _LOW_S // period_s,
        "Threshold": target * LOW_SHARE,
    }
    return {"AlarmHigh": high} if config.get("DisableScaleIn") else {"AlarmHigh": high, "AlarmLow": low}


def desired_capacity(capacity: int, value: float, target: float) -> int:
    """The fewest instances that bring the metric to its target or below, if it is in proportion to each one's load.

    Args:
        capacity: instances that the value was measured with, >= 0.
        value: the metric, per instance, >= 0.
        target: > 0.
    """
    wanted = capacity * value / target
    # 3 * 1.1 / 1.1 must not become 4 because of how floats are kept.
    nearest = round(wanted)
    return nearest if math.isclose(wanted, nearest, rel_tol=1e-9) else math.ceil(wanted)


def direction(value: float, target: float) -> int:
    """1 to scale out, -1 to scale in, 0 while the metric lies between nine tenths of its target and the target."""
    if value > target:
        return 1
    return -1 if value < target * LOW_SHARE else 0
