"""CloudWatch: metrics kept by our store and read from it, alarms that tell our evaluator."""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import CloudWatchException, ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.logs.models import LogStream

from local import composite_rules
from local.alarm_settings import AlarmSettingsError, check_actions, watch_of
from local.alarm_words import AlarmState
from local.clock import Clock
from local.metrics.embedded import metrics_of
from local.metrics.reads import Json, ReadError, epoch, get_metric_data, get_metric_statistics, list_metrics, page_start
from local.metrics.samples import Samples, StatisticSet
from local.metrics.store import MetricId, MetricStore
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION

_HISTORY_ITEMS = 100_000
_ALARMS_PAGE = 50
_HISTORY_PAGE = 100
_NOT_EMULATED = ("ActionsSuppressor", "ActionsSuppressorExtensionPeriod", "ActionsSuppressorWaitPeriod")


class Alarms(Protocol):
    """Who must know of alarms."""

    def put(self, alarm: Any, before: Any | None, /) -> None: ...

    def changed(self, alarm: Any, before: AlarmState, /) -> None: ...


def install(patches: Patches, clock: Clock, alarms: Alarms) -> None:
    _tell_the_embedded_time(patches, clock)
    _keep_samples_by_metric(patches, clock)
    _read_metrics(patches, clock)
    _find_metrics_in_logs(patches)
    _keep_state_on_update(patches, alarms)
    _tell_of_changes(patches, alarms)
    _put_composite_alarms(patches)
    _describe_alarms_by_type(patches)
    _describe_alarm_history(patches)
    _keep_what_a_composite_asks(patches)


def backend() -> models.CloudWatchBackend:
    """The account's CloudWatch."""
    found: models.CloudWatchBackend = models.cloudwatch_backends[ACCOUNT][REGION]
    return found


def store_of(backend: models.CloudWatchBackend) -> MetricStore:
    """The account's metrics; a reset of moto forgets them with all else."""
    store: MetricStore = vars(backend).setdefault("metric_store", MetricStore())
    return store


def history_of(backend: models.CloudWatchBackend) -> deque[Json]:
    """What happened to the account's alarms, deleted ones too, oldest first."""
    history: deque[Json] = vars(backend).setdefault("alarm_history", deque(maxlen=_HISTORY_ITEMS))
    return history


def _tell_the_embedded_time(patches: Patches, clock: Clock) -> None:
    """moto stamps metrics and alarms with the time of the machine, however fast the embedded clock runs."""

    def utcnow() -> datetime:
        return clock.now().replace(tzinfo=None)  # moto's dates are UTC without saying so

    patches.replace(models, "utcnow", utcnow)


# Metrics --------------------------------------------------------------------------------------------------------------


def _keep_samples_by_metric(patches: Patches, clock: Clock) -> None:
    """moto forgets StorageResolution, and searches one list of all samples at every read."""

    def put_metric_data(self: models.CloudWatchBackend, namespace: str, metric_data: list[Json]) -> None:
        for number, datum in enumerate(metric_data, 1):
            self._validate_parameters_put_metric_data(datum, number)
        store, now_s = store_of(self), clock.time()
        for datum in metric_data:
            at = datum.get("Timestamp")
            store.add(
                MetricId.of(namespace, datum["MetricName"], datum.get("Dimensions") or []),
                epoch(at) if at else now_s - float(datum.get("AgeSeconds", 0.0)) * clock.scale,
                _samples(datum),
                unit=datum.get("Unit"),
                high_resolution=int(datum.get("StorageResolution") or 60) == 1,
            )

    patches.replace(models.CloudWatchBackend, "put_metric_data", put_metric_data)


def _samples(datum: Json) -> Samples:
    samples = Samples()
    if datum.get("Values"):
        counts = datum.get("Counts") or [1] * len(datum["Values"])
        for value, count in zip(datum["Values"], counts, strict=True):
            samples.values[float(value)] += round(float(count))
    elif given := datum.get("StatisticValues"):
        numbers = [float(given[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum")]
        samples.sets.append(StatisticSet(*numbers))
    else:
        samples.values[float(datum.get("Value", 0))] += 1
    return samples


def publish(namespace: str, data: list[Json]) -> None:
    """A service of the account says what it has measured."""
    backend().put_metric_data(namespace, data)


def _find_metrics_in_logs(patches: Patches) -> None:
    """moto keeps log lines in the embedded metric format and makes no metric of them."""

    def put_log_events(self: LogStream, log_events: list[Json]) -> Any:
        answer = original(self, log_events)
        for event in log_events:
            for namespace, data in metrics_of(str(event["message"]), time.time()):
                publish(namespace, data)
        return answer

    original = patches.replace(LogStream, "put_log_events", put_log_events)


def _read_metrics(patches: Patches, clock: Clock) -> None:
    """moto knows no percentiles, computes no expression, adds up metrics with more dimensions than asked, starts
    periods at the first sample, and lists a metric with two dimensions several times."""

    def reading(read: Callable[[MetricStore, Json, float], Json]) -> Callable[[CloudWatchResponse], ActionResult]:
        def answer(self: CloudWatchResponse) -> ActionResult:
            try:
                return ActionResult(read(store_of(self.cloudwatch_backend), self._get_params(), clock.time()))
            except ReadError as error:
                raise CloudWatchException(error.code, str(error)) from error

        return answer

    patches.replace(CloudWatchResponse, "get_metric_data", reading(get_metric_data))
    patches.replace(CloudWatchResponse, "get_metric_statistics", reading(get_metric_statistics))
    patches.replace(CloudWatchResponse, "list_metrics", reading(list_metrics))


# Alarms ---------------------------------------------------------------------------------------------------------------


def _keep_state_on_update(patches: Patches, alarms: Alarms) -> None:
    """moto calls every alarm OK when it is put; a new one has seen no data, a changed one keeps its state. It checks
    hardly anything of an alarm's settings."""

    def put_metric_alarm(self: models.CloudWatchBackend, **settings: Any) -> Any:
        before: Any = self.alarms.get(settings["name"])
        try:
            check_actions(settings)
            if settings.get("rule") is None:
                watch_of(settings)
        except AlarmSettingsError as error:
            raise ValidationError(str(error)) from error
        alarm: Any = original(self, **settings)
        alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
        alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
        if before:
            alarm.state_reason, alarm.state_reason_data = before.state_reason, before.state_reason_data
            alarm.state_updated_timestamp = before.state_updated_timestamp
            alarm.state_transitioned_timestamp = before.state_transitioned_timestamp
        alarms.put(alarm, before)
        return alarm

    original = patches.replace(models.CloudWatchBackend, "put_metric_alarm", put_metric_alarm)


def _tell_of_changes(patches: Patches, alarms: Alarms) -> None:
    """moto writes a change down and tells nobody."""

    def update_state(alarm: Any, reason: str, reason_data: str, state_value: str) -> None:
        before = AlarmState.of(alarm)
        original(alarm, reason, reason_data or "{}", state_value)
        if before.value != state_value:
            alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
        alarms.changed(alarm, before)

    original = patches.replace(models.Alarm, "update_state", update_state)


def _put_composite_alarms(patches: Patches) -> None:
    """moto has no PutCompositeAlarm."""

    def put_composite_alarm(self: CloudWatchResponse) -> ActionResult:
        params = self._get_params()
        for name in _NOT_EMULATED:
            if params.get(name) is not None:
                raise ValidationError(f"alarm {params['AlarmName']}: the local AWS does not emulate {name}")
        _check_rule(self.cloudwatch_backend, params["AlarmRule"])
        result: ActionResult = self.put_metric_alarm()
        return result

    patches.add(CloudWatchResponse, "put_composite_alarm", put_composite_alarm)


def _check_rule(backend: models.CloudWatchBackend, rule: str) -> None:
    try:
        children = composite_rules.children(composite_rules.parse(rule))
    except composite_rules.CompositeRuleError as error:
        raise ValidationError(str(error)) from error
    if missing := sorted(children - set(backend.alarms)):
        raise ValidationError(
            f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist"
        )


def _describe_alarms_by_type(patches: Patches) -> None:
    """moto describes composite alarms to who asked for metric alarms, looks at one filter only and knows no pages."""

    def describe_alarms(self: CloudWatchResponse) -> ActionResult:
        params = self._get_params()
        types = params.get("AlarmTypes") or ["MetricAlarm"]
        found = [
            alarm
            for alarm in sorted(self.cloudwatch_backend.alarms.values(), key=lambda alarm: str(alarm.name))
            if ("MetricAlarm" if alarm.rule is None else "CompositeAlarm") in types and _is_asked(alarm, params)
        ]
        page, token = _page(found, params, len(found) if params.get("AlarmNames") else _ALARMS_PAGE)
        result = {
            "MetricAlarms": [alarm for alarm in page if alarm.rule is None],
            "CompositeAlarms": [alarm for alarm in page if alarm.rule is not None],
        }
        return ActionResult(result | token)

    patches.replace(CloudWatchResponse, "describe_alarms", describe_alarms)


def _is_asked(alarm: models.Alarm, params: Json) -> bool:
    return (
        (not params.get("AlarmNames") or alarm.name in params["AlarmNames"])
        and alarm.name.startswith(params.get("AlarmNamePrefix") or "")
        and params.get("StateValue") in {None, alarm.state_value}
        and (
            not params.get("ActionPrefix")
            or any(arn.startswith(params["ActionPrefix"]) for arn in alarm.alarm_actions or [])
        )
    )


def _page(items: list[Any], params: Json, most: int) -> tuple[list[Any], Json]:
    try:
        start = page_start(params, "InvalidNextToken")
    except ReadError as error:
        raise CloudWatchException(error.code, str(error)) from error
    end = start + int(params.get("MaxRecords") or max(most, 1))
    return items[start:end], ({"NextToken": str(end)} if end < len(items) else {})


def _describe_alarm_history(patches: Patches) -> None:
    """moto has no DescribeAlarmHistory."""

    def describe_alarm_history(self: CloudWatchResponse) -> ActionResult:
        params = self._get_params()
        types = params.get("AlarmTypes") or ["MetricAlarm"]
        found = [
            item
            for item in history_of(self.cloudwatch_backend)
            if params.get("AlarmName") in {None, item["AlarmName"]}
            and item["AlarmType"] in types
            and params.get("HistoryItemType") in {None, item["HistoryItemType"]}
            and (not params.get("StartDate") or epoch(params["StartDate"]) <= epoch(item["Timestamp"]))
            and (not params.get("EndDate") or epoch(item["Timestamp"]) <= epoch(params["EndDate"]))
        ]
        if params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            found.reverse()
        page, token = _page(found, params, _HISTORY_PAGE)
        return ActionResult({"AlarmHistoryItems": page} | token)

    patches.add(CloudWatchResponse, "describe_alarm_history", describe_alarm_history)


def _keep_what_a_composite_asks(patches: Patches) -> None:
    """moto deletes a composite alarm that the rule of another one asks, which AWS refuses."""

    def delete_alarms(self: models.CloudWatchBackend, alarm_names: list[str]) -> None:
        going = [self.alarms[name] for name in alarm_names if name in self.alarms and self.alarms[name].rule]
        if len(going) > 1:
            raise ValidationError(f"{len(going)} composite alarms are named; one request may delete one")
        for alarm in going:
            parents = [
                other.name
                for other in self.alarms.values()
                if other.rule and alarm.name in composite_rules.children(composite_rules.parse(other.rule))
            ]
            if parents:
                message = f"alarm {alarm.name} cannot be deleted: the rules of {', '.join(parents)} ask it"
                raise CloudWatchException("ResourceConflict", message)
        original(self, alarm_names)

    original = patches.replace(models.CloudWatchBackend, "delete_alarms", delete_alarms)
