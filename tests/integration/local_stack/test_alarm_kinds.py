"""Alarms on expressions, on other alarms and on percentiles; what they tell, and what a person may set."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.alarm_actions import ScalingTrigger
from local.alarms import AlarmEvaluator
from local.iam import AccessDeniedError
from local.moto_patches.patching import Patches
from local.world import World
from tests.integration.local_core.aws import until
from tests.integration.local_stack.conftest import SkippingClock

Event = tuple[str, str, Mapping[str, Any], Sequence[str]]
BOTH = ["MetricAlarm", "CompositeAlarm"]
BAND = "ANOMALY_DETECTION_BAND(m1)"


class Heard:
    """What the alarms told others."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.triggers: list[ScalingTrigger] = []
        self.denied = False

    def emit(self, *event: Any) -> None:
        self.events.append(event)

    def states(self) -> list[str]:
        """The states that alarms went into, in order."""
        return [event[2]["state"]["value"] for event in self.events]

    def scale(self, trigger: ScalingTrigger) -> None:
        self.triggers.append(trigger)

    def authorize(self, service: str, action: str, resource: str, _: Mapping[str, str]) -> None:
        if self.denied:
            raise AccessDeniedError(f"{service} is not authorized to perform: {action} on resource: {resource}")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def evaluator(world: World, patches: Patches, heard: Heard) -> AlarmEvaluator:
    evaluator = AlarmEvaluator(world, heard.emit, heard.scale, heard.authorize)
    evaluator.install(patches)
    return evaluator


@pytest.fixture
def cloudwatch(world: World, evaluator: AlarmEvaluator) -> Any:
    return world.client("cloudwatch")


@pytest.fixture
def put(world: World, cloudwatch: Any) -> Callable[..., None]:
    """Put one value, two minutes ago unless told otherwise."""

    def put(name: str, value: float, ago_s: float = 120, **datum: Any) -> None:
        at = world.clock.now() - timedelta(seconds=ago_s)
        cloudwatch.put_metric_data(
            Namespace="n", MetricData=[{"MetricName": name, "Timestamp": at, "Value": value} | datum]
        )

    return put


def stat(name: str, period_s: int = 3600) -> dict[str, Any]:
    return {"MetricStat": {"Metric": {"Namespace": "n", "MetricName": name}, "Period": period_s, "Stat": "Sum"}}


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": "alarm",
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }


def on_metric(**changes: Any) -> dict[str, Any]:
    return settings(**{"Namespace": "n", "MetricName": "m", "Period": 3600, "Statistic": "Sum"} | changes)


def state(cloudwatch: Any, name: str = "alarm") -> str:
    found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=BOTH)
    return str((found["MetricAlarms"] + found["CompositeAlarms"])[0]["StateValue"])


def test_a_look_that_comes_late_misses_no_minute(
    cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator, heard: Heard, clock: SkippingClock
) -> None:
    """ "The alarm is evaluated every minute" ("Evaluating an alarm", CloudWatch User Guide), so one minute suffices."""
    states = heard.states
    cloudwatch.put_metric_alarm(**on_metric(Period=60))
    for minute, value in enumerate((0, 9, 0, 0, 0, 0)):
        put("m", value, ago_s=-600 - 60 * minute)
    evaluator.start()
    try:
        until(lambda: states() or None)
        clock.skipped_s += 1200
        until(lambda: True if len(states()) > 2 else None)
    finally:
        evaluator.stop()

    assert states() == ["OK", "ALARM", "OK"]


def test_a_rate_of_errors_is_an_alarm(
    cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator, heard: Heard
) -> None:
    rate = {"Id": "rate", "Expression": "100 * errors / requests", "Label": "Error rate", "ReturnData": True}
    parts = [{"Id": name, "ReturnData": False, **stat(name)} for name in ("errors", "requests")]
    cloudwatch.put_metric_alarm(**settings(Metrics=[rate, *parts]))
    put("requests", 100)
    put("errors", 5)
    evaluator.evaluate_all()
    at_five_percent = state(cloudwatch)
    put("errors", 1)
    evaluator.evaluate_all()

    assert (at_five_percent, state(cloudwatch)) == ("OK", "ALARM")
    # The shape of "State change for a metric math alarm" in the CloudWatch User Guide.
    metrics = heard.events[-1][2]["configuration"]["metrics"]
    assert metrics[0] == {
        "id": "rate",
        "expression": "100 * errors / requests",
        "label": "Error rate",
        "returnData": True,
    }
    assert metrics[1]["metricStat"] == {
        "metric": {"namespace": "n", "name": "errors", "dimensions": {}},
        "period": 3600,
        "stat": "Sum",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ThresholdMetricId": "band", "Metrics": [{"Id": "m1", **stat("m")}]}, "anomaly detection"),
        (
            {"Metrics": [{"Id": "m1", "ReturnData": False, **stat("m")}, {"Id": "b", "Expression": BAND}]},
            "function ANOMALY_DETECTION_BAND is not computed",
        ),
        ({"Metrics": [{"Id": "e1", "Expression": "SELECT SUM(m) FROM n"}]}, "Metrics Insights"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:reboot"], **on_metric()}, "does not emulate the action"),
        (on_metric(Period=45), "not 10, 20, 30 or a multiple of 60"),
        (on_metric(EvaluationPeriods=25, Period=3540), "the limit is 86400 s"),
        (on_metric(DatapointsToAlarm=2), r"DatapointsToAlarm \(2\) must be at most EvaluationPeriods \(1\)"),
        (on_metric(ExtendedStatistic="tm90", Statistic=None), "statistic tm90 is not computed"),
    ],
)
def test_what_is_not_evaluated_is_refused_when_it_is_put(cloudwatch: Any, changes: dict[str, Any], said: str) -> None:
    wanted = {name: value for name, value in settings(**changes).items() if value is not None}

    with pytest.raises(ClientError, match=said):
        cloudwatch.put_metric_alarm(**wanted)


def test_a_fine_alarm_sees_fine_metrics_by_ten_seconds(
    cloudwatch: Any,
    put: Callable[..., None],
    evaluator: AlarmEvaluator,
    clock: SkippingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock stands still: ten of its seconds are a sixth of a real one."""
    cloudwatch.put_metric_alarm(**on_metric(Period=10, EvaluationPeriods=3, DatapointsToAlarm=2, Threshold=0.5))
    now_s = clock.time()
    monkeypatch.setattr(clock, "time", lambda: now_s)
    for ago_s in (12, 22):
        put("m", 1, ago_s=ago_s, StorageResolution=1)
    evaluator.evaluate_all()
    breached = state(cloudwatch)
    monkeypatch.setattr(clock, "time", lambda: now_s + 60)
    evaluator.evaluate_all()

    assert (breached, state(cloudwatch)) == ("ALARM", "OK")


def test_a_percentile_waits_for_enough_samples_if_it_is_told_to(
    cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator
) -> None:
    percentile = on_metric(ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore")
    del percentile["Statistic"]
    cloudwatch.put_metric_alarm(**percentile)
    put("m", 9)
    evaluator.evaluate_all()
    with_one = state(cloudwatch)
    for _ in range(99):
        put("m", 9)
    evaluator.evaluate_all()

    # p90 needs 10 / (1 - 0.9) = 100 samples.
    assert (with_one, state(cloudwatch)) == ("INSUFFICIENT_DATA", "ALARM")


def test_a_composite_alarm_follows_its_children(
    world: World, cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator, heard: Heard
) -> None:
    sns, sqs = world.client("sns"), world.client("sqs")
    topic, queue = sns.create_topic(Name="told")["TopicArn"], sqs.create_queue(QueueName="heard")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:heard")
    cloudwatch.put_metric_alarm(**on_metric())
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(alarm) AND NOT OK(alarm)", AlarmActions=[topic])
    created = state(cloudwatch, "both")
    put("m", 9)
    evaluator.evaluate_all()
    detail = heard.events[-1][2]
    message = json.loads(json.loads(sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"])["Message"])

    assert (created, state(cloudwatch, "both")) == ("OK", "ALARM")
    assert (detail["alarmName"], detail["configuration"]) == ("both", {"alarmRule": "ALARM(alarm) AND NOT OK(alarm)"})
    assert "alarm:alarm transitioned to ALARM at" in detail["state"]["reason"]
    assert (message["AlarmName"], message["AlarmRule"]) == ("both", "ALARM(alarm) AND NOT OK(alarm)")


def test_what_a_person_sets_lasts_on_a_composite_until_a_child_changes_and_on_a_metric_until_the_next_look(
    cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator
) -> None:
    """SetAlarmState in the CloudWatch API Reference."""
    cloudwatch.put_metric_alarm(**on_metric())
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(alarm)")
    evaluator.evaluate_all()
    for name in ("alarm", "both"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason="a person")
    evaluator.evaluate_all()
    cloudwatch.set_alarm_state(AlarmName="both", StateValue="ALARM", StateReason="a person")
    evaluator.evaluate_all()
    kept = state(cloudwatch), state(cloudwatch, "both")
    put("m", 9)
    evaluator.evaluate_all()
    put("m", -9)
    evaluator.evaluate_all()

    assert kept == ("OK", "ALARM")
    assert state(cloudwatch, "both") == "OK"


@pytest.mark.parametrize(
    ("rule", "said"),
    [("ALARM(nobody)", r"alarms \[nobody\] in the alarm rule do not exist"), ("WHAT(x)", "understood")],
)
def test_a_composite_of_nothing_is_refused(cloudwatch: Any, rule: str, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule=rule)


def test_a_suppressor_is_refused_by_name(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="does not emulate ActionsSuppressor"):
        cloudwatch.put_composite_alarm(
            AlarmName="both",
            AlarmRule="TRUE",
            ActionsSuppressor="other",
            ActionsSuppressorWaitPeriod=1,
            ActionsSuppressorExtensionPeriod=1,
        )


def test_a_composite_that_another_asks_stays(cloudwatch: Any) -> None:
    cloudwatch.put_composite_alarm(AlarmName="child", AlarmRule="FALSE")
    cloudwatch.put_composite_alarm(AlarmName="parent", AlarmRule="OK(child)")

    with pytest.raises(ClientError, match="the rules of parent ask it"):
        cloudwatch.delete_alarms(AlarmNames=["child"])
    assert state(cloudwatch, "parent") == "ALARM"


def test_circles_of_composites_are_not_evaluated_for_ever(cloudwatch: Any) -> None:
    cloudwatch.put_composite_alarm(AlarmName="a", AlarmRule="FALSE")
    cloudwatch.put_composite_alarm(AlarmName="b", AlarmRule="ALARM(a)")
    cloudwatch.put_composite_alarm(AlarmName="a", AlarmRule="NOT ALARM(b)")

    assert {state(cloudwatch, "a"), state(cloudwatch, "b")} <= {"OK", "ALARM"}


def test_the_history_says_what_happened_newest_first(
    cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator
) -> None:
    cloudwatch.put_metric_alarm(**on_metric(AlarmActions=["arn:aws:sns:us-east-1:123456789012:nobody"]))
    put("m", 9)
    evaluator.evaluate_all()
    cloudwatch.delete_alarms(AlarmNames=["alarm"])
    items = cloudwatch.describe_alarm_history(AlarmName="alarm")["AlarmHistoryItems"]
    [update] = cloudwatch.describe_alarm_history(AlarmName="alarm", HistoryItemType="StateUpdate")["AlarmHistoryItems"]

    assert [(item["HistoryItemType"], item["HistorySummary"]) for item in items] == [
        ("Action", "Failed to execute action arn:aws:sns:us-east-1:123456789012:nobody"),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("ConfigurationUpdate", 'Alarm "alarm" created'),
    ]
    assert json.loads(update["HistoryData"])["newState"]["stateReasonData"]["recentDatapoints"] == [9.0]


def test_scaling_actions_are_repeated_every_minute_that_the_state_lasts(
    cloudwatch: Any, put: Callable[..., None], evaluator: AlarmEvaluator, heard: Heard, clock: SkippingClock
) -> None:
    """ "For Auto Scaling actions, the alarm continues to invoke the action once per minute that the alarm remains in
    the new state" (CloudWatch User Guide)."""
    policy = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/e:policyName/p"
    cloudwatch.put_metric_alarm(**on_metric(AlarmActions=[policy]))
    put("m", 9)
    evaluator.evaluate_all()
    evaluator.evaluate_all()
    at_once = len(heard.triggers)
    clock.skipped_s += 61
    evaluator.evaluate_all()

    assert (at_once, len(heard.triggers)) == (1, 2)
    assert heard.triggers[0] == ScalingTrigger(policy, "alarm", 9.0, 5.0)


def test_an_action_that_a_topics_policy_forbids_is_not_done_and_said(
    world: World, cloudwatch: Any, evaluator: AlarmEvaluator, heard: Heard
) -> None:
    topic = world.client("sns").create_topic(Name="closed")["TopicArn"]
    cloudwatch.put_metric_alarm(**on_metric(OKActions=[topic]))
    heard.denied = True
    evaluator.evaluate_all()
    [action] = cloudwatch.describe_alarm_history(AlarmName="alarm", HistoryItemType="Action")["AlarmHistoryItems"]

    assert action["HistorySummary"] == f"Failed to execute action {topic}"
    assert "cloudwatch.amazonaws.com is not authorized to perform: sns:Publish" in action["HistoryData"]


def test_alarms_are_described_by_page_and_kind(cloudwatch: Any) -> None:
    for name in ("b", "a", "c"):
        cloudwatch.put_metric_alarm(**on_metric(AlarmName=name))
    cloudwatch.put_composite_alarm(AlarmName="d", AlarmRule="FALSE")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})

    assert [[alarm["AlarmName"] for alarm in page["MetricAlarms"]] for page in pages] == [["a", "b"], ["c"]]
    assert cloudwatch.describe_alarms()["CompositeAlarms"] == []
    assert [one["AlarmName"] for one in cloudwatch.describe_alarms(AlarmTypes=BOTH)["CompositeAlarms"]] == ["d"]
