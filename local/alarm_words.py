"""What alarms say: reasons of their states, the events and messages about a change, lines of their history.

Source: "Alarm events and EventBridge" and "Alarm actions" in the CloudWatch User Guide.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.alarm_rules import COMPARISONS, MissingData, Rule, State
from local.alarm_settings import Watch, dimensions_of, request_of
from local.metrics.store import Series, Window
from local.world import ACCOUNT, REGION

Json = dict[str, Any]
_STATISTICS = {"SampleCount": "SAMPLE_COUNT"}


@dataclass(frozen=True)
class AlarmState:
    """One state of an alarm, as events carry it."""

    value: State
    reason: str
    reason_data: str
    at: datetime
    """UTC."""

    @classmethod
    def of(cls, alarm: Any) -> "AlarmState":
        """The state of an alarm that moto keeps; moto's dates are UTC without saying so."""
        at = alarm.state_updated_timestamp.replace(tzinfo=UTC)
        return cls(State(alarm.state_value), alarm.state_reason, alarm.state_reason_data or "{}", at)

    def told(self) -> dict[str, str]:
        data = {"reasonData": self.reason_data} if self.reason_data != "{}" else {}
        return {"value": self.value, "reason": self.reason, **data, "timestamp": stamp(self.at)}


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


# Reasons --------------------------------------------------------------------------------------------------------------


def reason(state: State, before: State, series: Series, window: Window, rule: Rule) -> str:
    """Why a metric alarm has this state now."""
    recent = [(start, value) for start, value in zip(window.starts(), series, strict=True) if value is not None][
        -rule.evaluation_periods :
    ]
    if state is State.INSUFFICIENT_DATA:
        points = "datapoint was" if rule.evaluation_periods == 1 else "datapoints were"
        return f"Insufficient Data: {rule.evaluation_periods} {points} unknown."
    if not recent:
        points = "period" if rule.evaluation_periods == 1 else "periods"
        treated = "Breaching" if rule.missing_data is MissingData.BREACHING else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {rule.evaluation_periods} {points} and "
            f"{'1 missing datapoint was' if rule.evaluation_periods == 1 else 'missing datapoints were'} "
            f"treated as [{treated}]."
        )
    named = [point for point in recent if rule.breaches(point[1]) is (state is State.ALARM)]
    return _crossed(state, before, named or recent, rule)


def _crossed(state: State, before: State, points: Sequence[tuple[float, float]], rule: Rule) -> str:
    said = ", ".join(f"{value} ({datetime.fromtimestamp(start, UTC):%d/%m/%y %H:%M:%S})" for start, value in points)
    in_alarm = state is State.ALARM
    least = rule.datapoints_to_alarm if in_alarm else rule.evaluation_periods - rule.datapoints_to_alarm + 1
    return (
        f"Threshold Crossed: {len(points)} out of the last {rule.evaluation_periods} datapoints [{said}] "
        f"{'was' if len(points) == 1 else 'were'}{'' if in_alarm else ' not'} {COMPARISONS[rule.comparison][1]} the "
        f"threshold ({rule.threshold}) (minimum {least} datapoint{'' if least == 1 else 's'} for {before} -> {state} "
        "transition)."
    )


def reason_data(series: Series, window: Window, watch: Watch, now: datetime) -> str:
    """`StateReasonData`: scaling policies read the newest data point here."""
    recent = list(zip(window.starts(), series, strict=True))[-watch.rule.evaluation_periods :]
    known = [(start, value) for start, value in recent if value is not None]
    started = {"startDate": stamp(datetime.fromtimestamp(known[0][0], UTC))} if known else {}
    statistic = {"statistic": watch.asked.stat} if watch.asked.metric else {}
    return json.dumps(
        {
            "version": "1.0",
            "queryDate": stamp(now),
            **started,
            **statistic,
            "period": watch.period_s,
            "recentDatapoints": [value for _, value in known],
            "threshold": watch.rule.threshold,
        }
    )


def composite_reason(children: Mapping[str, AlarmState]) -> str:
    """Why a composite alarm has its state: the children by their ARN that its rule found so."""
    if not children:
        return "The alarm rule holds whatever other alarms say."
    arn, newest = max(children.items(), key=lambda item: item[1].at)
    return f"{arn} transitioned to {newest.value} at {newest.at:%A %d %B, %Y %H:%M:%S} UTC"


def composite_reason_data(children: Mapping[str, AlarmState]) -> str:
    told = [
        {"arn": arn, "state": {"value": state.value, "timestamp": stamp(state.at)}} for arn, state in children.items()
    ]
    return json.dumps({"triggeringAlarms": told})


# A change -------------------------------------------------------------------------------------------------------------


def event_detail(alarm: Any, before: AlarmState) -> Json:
    """The detail of "CloudWatch Alarm State Change"."""
    return {
        "alarmName": alarm.name,
        "state": AlarmState.of(alarm).told(),
        "previousState": before.told(),
        "configuration": _configuration(alarm),
    }


def _configuration(alarm: Any) -> Json:
    described = {"description": alarm.description} if alarm.description else {}
    if alarm.rule is not None:
        return {**described, "alarmRule": alarm.rule}
    return {**described, "metrics": [_query(query) for query in queries_of(alarm)]}


def queries_of(alarm: Any) -> list[Json]:
    """What an alarm watches, as MetricDataQueries."""
    if alarm.metric_data_queries:
        return [request_of(query) for query in alarm.metric_data_queries]
    metric = {
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric_name,
        "Dimensions": dimensions_of(alarm.dimensions),
    }
    stat = alarm.extended_statistic or alarm.statistic
    return [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": alarm.period, "Stat": stat}, "ReturnData": True}]


def _query(query: Json) -> Json:
    told = {"id": query["Id"], "returnData": query["ReturnData"] is not False}
    if "MetricStat" not in query:
        label = {"label": query["Label"]} if query.get("Label") else {}
        return {**told, "expression": query["Expression"], **label}
    stat = query["MetricStat"]
    metric = {
        "namespace": stat["Metric"]["Namespace"],
        "name": stat["Metric"]["MetricName"],
        "dimensions": {one["Name"]: one["Value"] for one in stat["Metric"]["Dimensions"]},
    }
    return {**told, "metricStat": {"metric": metric, "period": int(stat["Period"]), "stat": stat["Stat"]}}


def notification(alarm: Any, before: AlarmState) -> tuple[str, str]:
    """Subject and message for an SNS topic."""
    now = AlarmState.of(alarm)
    rule = {"AlarmRule": alarm.rule} if alarm.rule is not None else {"Trigger": _trigger(alarm)}
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configuration_updated_timestamp),
        "NewStateValue": now.value,
        "NewStateReason": now.reason,
        "StateChangeTime": stamp(now.at),
        "Region": REGION,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before.value,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        **rule,
    }
    return f'{now.value}: "{alarm.name}" in {REGION}', json.dumps(message)


def _trigger(alarm: Any) -> Json:
    shared = {
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "DatapointsToAlarm": int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or str(MissingData.MISSING),
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    if alarm.metric_data_queries:
        return {"Metrics": queries_of(alarm), **shared}
    extended = alarm.extended_statistic
    statistic = (
        {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
        if extended
        else {"StatisticType": "Statistic", "Statistic": _STATISTICS.get(alarm.statistic, alarm.statistic.upper())}
    )
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        **statistic,
        "Unit": alarm.unit,
        "Dimensions": [{"name": one.name, "value": one.value} for one in alarm.dimensions],
        "Period": int(alarm.period),
        **shared,
    }


def invocation(alarm: Any, before: AlarmState) -> str:
    """The payload for a Lambda function."""
    detail = event_detail(alarm, before)
    return json.dumps(
        {
            "source": "aws.cloudwatch",
            "alarmArn": alarm.alarm_arn,
            "accountId": ACCOUNT,
            "time": detail["state"]["timestamp"],
            "region": REGION,
            "alarmData": detail,
        }
    )


# History --------------------------------------------------------------------------------------------------------------


def history_item(alarm: Any, kind: str, summary: str, data: Json, at: datetime) -> Json:
    """One item of DescribeAlarmHistory; `kind` is ConfigurationUpdate, StateUpdate or Action."""
    return {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm" if alarm.rule is None else "CompositeAlarm",
        "Timestamp": at,
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps({"version": "1.0", **data}),
    }


def state_update(before: AlarmState, now: AlarmState) -> Json:
    """The HistoryData of a StateUpdate."""

    def told(state: AlarmState) -> Json:
        data = {"stateReasonData": json.loads(state.reason_data)} if state.reason_data != "{}" else {}
        return {"stateValue": state.value, "stateReason": state.reason, **data}

    return {"oldState": told(before), "newState": told(now)}
