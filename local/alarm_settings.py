"""What a metric alarm watches, read from the settings that moto keeps, and which settings are refused.

Source: PutMetricAlarm in the CloudWatch API Reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.alarm_rules import COMPARISONS, MissingData, Rule
from local.metrics.expressions import ExpressionError
from local.metrics.queries import Query, period_of, queries_of, watched
from local.metrics.samples import percentile

_DAY_S = 24 * 3600
_HOUR_S = 3600
_MINUTE_S = 60
_FINE_PERIODS = (10, 20, 30)
# A policy of Application Auto Scaling is written like one of EC2, but for what it belongs to.
_ACTIONS = ("arn:aws:sns:", "arn:aws:lambda:", "arn:aws:autoscaling:")


class AlarmSettingsError(ValueError):
    """Settings that CloudWatch refuses, or that are not evaluated here."""


@dataclass(frozen=True)
class Watch:
    """How one alarm is evaluated."""

    queries: tuple[Query, ...]
    asked: Query
    rule: Rule
    period_s: int
    ignore_low_samples: bool
    """EvaluateLowSampleCountPercentile is `ignore`."""

    @property
    def percent(self) -> float | None:
        """Of the percentile that the alarm watches; None for another statistic and for an expression."""
        return percentile(self.asked.stat) if self.asked.metric else None


def watch_of(settings: Mapping[str, Any]) -> Watch:
    """Read the settings of an alarm, under the names of moto's `put_metric_alarm`.

    Raises:
        AlarmSettingsError: they cannot be evaluated.
    """
    try:
        queries = _queries(settings)
        asked = watched(queries)
        period_s = period_of(queries)
    except ExpressionError as error:
        raise AlarmSettingsError(f"alarm {settings['name']}: {error}") from error
    _check_period(settings["name"], period_s, _whole(settings, "evaluation_periods"))
    ignore_low = settings.get("evaluate_low_sample_count_percentile") == "ignore"
    return Watch(tuple(queries), asked, _rule(settings, queries), period_s, ignore_low)


def check_actions(settings: Mapping[str, Any]) -> None:
    """Raises AlarmSettingsError for an action that nothing here carries out."""
    for kind in ("alarm_actions", "ok_actions", "insufficient_data_actions"):
        for arn in settings.get(kind) or []:
            if not arn.startswith(_ACTIONS) or ":autoScalingGroupName/" in arn:
                raise AlarmSettingsError(
                    f"alarm {settings['name']}: the local AWS does not emulate the action {arn}; it notifies SNS "
                    "topics, invokes Lambda functions and triggers policies of Application Auto Scaling"
                )


def _queries(settings: Mapping[str, Any]) -> list[Query]:
    name = settings["name"]
    if settings.get("threshold_metric_id"):
        raise AlarmSettingsError(f"alarm {name}: the local AWS does not emulate anomaly detection (ThresholdMetricId)")
    given = settings.get("metric_data_queries") or []
    if bool(given) == bool(settings.get("metric_name")):
        raise AlarmSettingsError(f"alarm {name}: give either MetricName or Metrics; nothing else is evaluated here")
    if given:
        return queries_of([request_of(query) for query in given])
    stat = settings.get("extended_statistic") or settings.get("statistic")
    if not stat or not settings.get("namespace") or not settings.get("period"):
        raise AlarmSettingsError(f"alarm {name}: Namespace, Period and Statistic or ExtendedStatistic are required")
    if settings.get("extended_statistic") and settings.get("statistic"):
        raise AlarmSettingsError(f"alarm {name}: give either Statistic or ExtendedStatistic, not both")
    metric = {
        "Namespace": settings["namespace"],
        "MetricName": settings["metric_name"],
        "Dimensions": dimensions_of(settings.get("dimensions") or []),
    }
    wanted = {"Metric": metric, "Period": settings["period"], "Stat": stat, "Unit": settings.get("unit")}
    return [Query.of({"Id": "m1", "MetricStat": wanted})]


def request_of(query: Any) -> dict[str, Any]:
    """A MetricDataQuery of moto as the API spells it."""
    shared = {"Id": query.id, "Label": query.label, "ReturnData": query.return_data}
    if query.metric_stat is None:
        return {**shared, "Expression": query.expression} if query.expression else shared
    stat = query.metric_stat
    metric = {
        "Namespace": stat.metric.namespace,
        "MetricName": stat.metric.metric_name,
        "Dimensions": dimensions_of(stat.metric.dimensions),
    }
    return {**shared, "MetricStat": {"Metric": metric, "Period": stat.period, "Stat": stat.stat, "Unit": stat.unit}}


def dimensions_of(dimensions: Sequence[Any]) -> list[dict[str, str]]:
    """moto's dimensions, or those of a request, as the API spells them."""
    return [one if isinstance(one, dict) else {"Name": one.name, "Value": one.value} for one in dimensions]


def _rule(settings: Mapping[str, Any], queries: Sequence[Query]) -> Rule:
    name, comparison = settings["name"], settings["comparison_operator"]
    if comparison not in COMPARISONS:
        raise AlarmSettingsError(
            f"alarm {name}: comparison {comparison} is not evaluated here; use {', '.join(COMPARISONS)}"
        )
    if settings.get("threshold") is None:
        raise AlarmSettingsError(f"alarm {name}: Threshold is required")
    periods = _whole(settings, "evaluation_periods")
    needed = int(settings.get("datapoints_to_alarm") or periods)
    if needed > periods:
        raise AlarmSettingsError(
            f"alarm {name}: DatapointsToAlarm ({needed}) must be at most EvaluationPeriods ({periods})"
        )
    return Rule(comparison, float(settings["threshold"]), periods, needed, _missing_data(settings, queries))


def _missing_data(settings: Mapping[str, Any], queries: Sequence[Query]) -> MissingData:
    """Alarms on DynamoDB's metrics always ignore missing data, whatever they are told."""
    if any(query.metric and query.metric.namespace == "AWS/DynamoDB" for query in queries):
        return MissingData.IGNORE
    try:
        return MissingData(settings.get("treat_missing_data") or MissingData.MISSING)
    except ValueError as error:
        raise AlarmSettingsError(
            f"alarm {settings['name']}: TreatMissingData {settings['treat_missing_data']} is none of "
            f"{', '.join(MissingData)}"
        ) from error


def _whole(settings: Mapping[str, Any], name: str) -> int:
    value = int(settings.get(name) or 0)
    if value < 1:
        raise AlarmSettingsError(f"alarm {settings['name']}: EvaluationPeriods must be at least 1")
    return value


def _check_period(name: str, period_s: int, periods: int) -> None:
    if period_s not in _FINE_PERIODS and (period_s < _MINUTE_S or period_s % _MINUTE_S):
        raise AlarmSettingsError(f"alarm {name}: Period {period_s} is not 10, 20, 30 or a multiple of 60 seconds")
    limit_s = _DAY_S if period_s < _HOUR_S else 7 * _DAY_S
    if period_s * periods > limit_s:
        raise AlarmSettingsError(
            f"alarm {name}: Period times EvaluationPeriods is {period_s * periods} s; the limit is {limit_s} s"
        )
