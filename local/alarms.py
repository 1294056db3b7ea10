"""CloudWatch alarms that evaluate: moto 5.2.5 keeps their settings and never looks at a metric.

Each alarm is looked at every few seconds over periods that end now. A state that changes is written to the alarm's
history, sent as a "CloudWatch Alarm State Change" event and told to the SNS topics among the alarm's actions.
"""

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError

from local.alarm_rules import COMPARISONS, EXTRA_PERIODS, MissingData, Rule, State, evaluate, statistic
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION, World

logger = logging.getLogger(__name__)

Emit = Callable[[str, str, Mapping[str, Any], Sequence[str]], None]
# Namespace, name and dimensions: CloudWatch counts a metric with other dimensions as another metric.
MetricKey = tuple[str, str, frozenset[tuple[str, str]]]

_EVERY_S = 5.0  # AWS seconds
_AT_MOST_EVERY_S = 0.2  # real seconds: the clock may run a thousand times as fast


class AlarmEvaluator:
    """Looks at every metric alarm, in a thread of its own.

    Args:
        emit: sends an event: source, detail type, detail, resources.
    """

    def __init__(self, world: World, emit: Emit) -> None:
        self._world = world
        self._emit = emit
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def install(self, patches: Patches) -> None:
        """Give metrics and alarms the embedded clock, alarms their first state and changes their consequences."""
        patches.replace(models, "utcnow", self._now)
        _count_each_metric_alone(patches)
        self._keep_state_on_update(patches)
        self._tell_of_changes(patches)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def evaluate_all(self) -> None:
        """Look at every metric alarm once."""
        backend = models.cloudwatch_backends[ACCOUNT][REGION]
        alarms = [alarm for alarm in list(backend.alarms.values()) if alarm.metric_name]
        samples = _samples(backend.get_all_metrics(), {_key(alarm) for alarm in alarms})
        now_s = self._world.clock.time()
        for alarm in alarms:
            self._evaluate(alarm, samples[_key(alarm)], now_s)

    def _run(self) -> None:
        pause_s = max(_AT_MOST_EVERY_S, self._world.clock.real_seconds(_EVERY_S))
        while not self._stopping.wait(pause_s):
            try:
                self.evaluate_all()
            except Exception:  # one strange alarm must not stop the evaluation of all others for good
                logger.exception("the alarms could not be evaluated")

    def _now(self) -> datetime:
        return self._world.clock.now().replace(tzinfo=None)  # moto's dates are UTC without saying so

    def _evaluate(self, alarm: Any, samples: list[models.MetricDatumBase], now_s: float) -> None:
        rule = _rule(alarm)
        values = _values(alarm, samples, now_s, rule.evaluation_periods + EXTRA_PERIODS)
        state = evaluate(values, rule, State(alarm.state_value))
        if state != alarm.state_value:
            alarm.update_state(_reason(state, values, rule), json.dumps({"recentDatapoints": values}), str(state))

    def _keep_state_on_update(self, patches: Patches) -> None:
        """moto calls every alarm OK when it is put; a new one has seen no data, a changed one keeps its state."""

        def put_metric_alarm(backend: models.CloudWatchBackend, **settings: Any) -> Any:
            before = backend.alarms.get(settings["name"])
            _refuse_what_is_not_evaluated(settings)
            alarm = original(backend, **settings)
            alarm.state_value = before.state_value if before else str(State.INSUFFICIENT_DATA)
            if before:
                alarm.history = before.history
                alarm.state_reason = before.state_reason
                alarm.state_reason_data = before.state_reason_data
                alarm.state_updated_timestamp = before.state_updated_timestamp
            return alarm

        original = patches.replace(models.CloudWatchBackend, "put_metric_alarm", put_metric_alarm)

    def _tell_of_changes(self, patches: Patches) -> None:
        """moto writes a change down and tells nobody."""

        def update_state(alarm: models.Alarm, reason: str, reason_data: str, state_value: str) -> None:
            before = {"value": alarm.state_value, "reason": alarm.state_reason, "timestamp": _time(alarm)}
            original(alarm, reason, reason_data, state_value)
            if state_value != before["value"]:
                self._tell(alarm, before)

        original = patches.replace(models.Alarm, "update_state", update_state)

    def _tell(self, alarm: Any, before: Mapping[str, str]) -> None:
        logger.info("alarm %s is %s, was %s: %s", alarm.name, alarm.state_value, before["value"], alarm.state_reason)
        state = {
            "value": alarm.state_value,
            "reason": alarm.state_reason,
            "reasonData": alarm.state_reason_data,
            "timestamp": _time(alarm),
        }
        detail = {
            "alarmName": alarm.name,
            "state": state,
            "previousState": before,
            "configuration": {"description": alarm.description, "metrics": [_metric(alarm)]},
        }
        self._emit("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm.alarm_arn])
        if alarm.actions_enabled:
            self._act(alarm, before)

    def _act(self, alarm: Any, before: Mapping[str, str]) -> None:
        actions = {
            State.OK: alarm.ok_actions,
            State.ALARM: alarm.alarm_actions,
            State.INSUFFICIENT_DATA: alarm.insufficient_data_actions,
        }[State(alarm.state_value)]
        for arn in actions or []:
            if not arn.startswith("arn:aws:sns:"):
                logger.warning(
                    "alarm %s asks for %s, which is not done here: only SNS topics are told", alarm.name, arn
                )
                continue
            try:
                self._world.client("sns").publish(
                    TopicArn=arn,
                    Subject=f'{alarm.state_value}: "{alarm.name}" in {REGION}',
                    Message=_message(alarm, before),
                )
            except ClientError as error:
                logger.warning("alarm %s could not tell %s: %s", alarm.name, arn, error)


def _refuse_what_is_not_evaluated(settings: Mapping[str, Any]) -> None:
    if settings.get("metric_data_queries") or settings.get("rule"):
        raise ValidationError(
            f"alarm {settings['name']}: the local AWS evaluates alarms on one metric, not on math or other alarms"
        )
    if settings["comparison_operator"] not in COMPARISONS:
        raise ValidationError(
            f"alarm {settings['name']}: comparison {settings['comparison_operator']} is not evaluated here; "
            f"use {', '.join(COMPARISONS)}"
        )
    try:
        statistic([0.0], settings.get("extended_statistic") or settings["statistic"])
    except ValueError as error:
        raise ValidationError(f"alarm {settings['name']}: {error}") from error


def _rule(alarm: Any) -> Rule:
    periods = int(alarm.evaluation_periods)
    return Rule(
        alarm.comparison_operator,
        float(alarm.threshold),
        periods,
        int(alarm.datapoints_to_alarm or periods),
        MissingData(alarm.treat_missing_data or MissingData.MISSING),
    )


# Metrics --------------------------------------------------------------------------------------------------------------


def _key(of: Any) -> MetricKey:
    """Of an alarm or a datum, which name their parts differently."""
    name = of.metric_name if isinstance(of, models.Alarm) else of.name
    return of.namespace, name, frozenset((dimension.name, dimension.value) for dimension in of.dimensions)


def _count_each_metric_alone(patches: Patches) -> None:
    """moto's GetMetricStatistics adds up every metric that has the asked dimensions among others."""

    def get_metric_statistics(
        backend: models.CloudWatchBackend, *args: Any, dimensions: list[dict[str, str]], **named: Any
    ) -> Any:
        wanted = {(dimension["Name"], dimension["Value"]) for dimension in dimensions}
        alone = [datum for datum in backend.get_all_metrics() if _key(datum)[2] == wanted]
        return original(SimpleNamespace(get_all_metrics=lambda: alone), *args, dimensions=dimensions, **named)

    original = patches.replace(models.CloudWatchBackend, "get_metric_statistics", get_metric_statistics)


def _samples(data: Iterable[models.MetricDatumBase], wanted: set[MetricKey]) -> dict[MetricKey, list[Any]]:
    found: dict[MetricKey, list[Any]] = defaultdict(list)
    for datum in data:
        key = _key(datum)
        if key in wanted:
            found[key].append(datum)
    return found


def _values(alarm: Any, samples: list[Any], now_s: float, periods: int) -> list[float | None]:
    """One value per period, oldest first; the last period ends now."""
    buckets: list[list[Any]] = [[] for _ in range(periods)]
    for datum in samples:
        if alarm.unit and datum.unit and alarm.unit != datum.unit:
            continue
        age = int((now_s - _epoch(datum.timestamp)) // int(alarm.period))
        if age < periods:
            # A sample of this very second may carry a time that is a little ahead.
            buckets[periods - 1 - max(0, age)].append(datum)
    name = alarm.extended_statistic or alarm.statistic
    return [_statistic(bucket, name) if bucket else None for bucket in buckets]


def _statistic(data: list[Any], name: str) -> float | None:
    """Of single values and of sets that were summed up before they were sent, which have no percentile."""
    sets = [datum for datum in data if isinstance(datum, models.MetricAggregatedDatum)]
    if not sets:
        return statistic([datum.value for datum in data], name)
    singles = [datum.value for datum in data if not isinstance(datum, models.MetricAggregatedDatum)]
    total, count = sum(one.sum for one in sets) + sum(singles), sum(one.sample_count for one in sets) + len(singles)
    known = {
        "Sum": total,
        "SampleCount": count,
        "Average": total / count,
        "Minimum": min([*(one.min for one in sets), *singles]),
        "Maximum": max([*(one.max for one in sets), *singles]),
    }
    if name in known:
        return float(known[name])
    return statistic(singles, name) if singles else None


def _epoch(timestamp: datetime) -> float:
    return (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)).timestamp()


# What people and subscribers read -------------------------------------------------------------------------------------


def _reason(state: State, values: Sequence[float | None], rule: Rule) -> str:
    recent = [value for value in values if value is not None][-rule.evaluation_periods :]
    if state is State.INSUFFICIENT_DATA:
        return f"Insufficient Data: {rule.evaluation_periods} datapoints were unknown."
    crossed = [value for value in recent if rule.breaches(value)]
    side = COMPARISONS[rule.comparison][1]
    if not recent:
        return (
            f"Threshold Crossed: no datapoints were received for {rule.evaluation_periods} periods "
            f"and missing datapoints were treated as [{'Breaching' if state is State.ALARM else 'NonBreaching'}]."
        )
    said = ", ".join(str(value) for value in (crossed if state is State.ALARM else recent))
    number = len(crossed) if state is State.ALARM else len(recent)
    verb = "was" if number == 1 else "were"
    return (
        f"Threshold Crossed: {number} out of the last {rule.evaluation_periods} datapoints [{said}] "
        f"{verb}{'' if state is State.ALARM else ' not'} {side} the threshold ({rule.threshold})."
    )


def _time(alarm: Any) -> str:
    stamp: str = alarm.state_updated_timestamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return f"{stamp}+0000"


def _metric(alarm: Any) -> dict[str, Any]:
    return {
        "id": "m1",
        "metricStat": {
            "metric": {
                "namespace": alarm.namespace,
                "name": alarm.metric_name,
                "dimensions": {dimension.name: dimension.value for dimension in alarm.dimensions},
            },
            "period": int(alarm.period),
            "stat": alarm.extended_statistic or alarm.statistic,
        },
        "returnData": True,
    }


def _message(alarm: Any, before: Mapping[str, str]) -> str:
    return json.dumps(
        {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": ACCOUNT,
            "NewStateValue": alarm.state_value,
            "NewStateReason": alarm.state_reason,
            "StateChangeTime": _time(alarm),
            "Region": REGION,
            "AlarmArn": alarm.alarm_arn,
            "OldStateValue": before["value"],
            "Trigger": {
                "MetricName": alarm.metric_name,
                "Namespace": alarm.namespace,
                "Statistic": alarm.extended_statistic or alarm.statistic,
                "Dimensions": [{"name": dimension.name, "value": dimension.value} for dimension in alarm.dimensions],
                "Period": int(alarm.period),
                "EvaluationPeriods": int(alarm.evaluation_periods),
                "ComparisonOperator": alarm.comparison_operator,
                "Threshold": float(alarm.threshold),
                "TreatMissingData": alarm.treat_missing_data or str(MissingData.MISSING),
            },
        }
    )
