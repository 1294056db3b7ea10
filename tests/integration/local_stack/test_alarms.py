"""An alarm looks at its metric, changes its state and tells the bus and its topics."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.alarms import AlarmEvaluator
from local.moto_patches.patching import Patches
from local.world import World
from tests.integration.local_stack.conftest import SkippingClock

Event = tuple[str, str, Mapping[str, Any], Sequence[str]]
PERIOD_S = 3600  # long beside the time that a test takes, on however busy a machine
GREEN = [{"Name": "EndpointName", "Value": "chat"}, {"Name": "EndpointConfigName", "Value": "green"}]
BLUE = [{"Name": "EndpointName", "Value": "chat"}, {"Name": "EndpointConfigName", "Value": "blue"}]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def evaluator(world: World, patches: Patches, events: list[Event]) -> AlarmEvaluator:
    evaluator = AlarmEvaluator(world, lambda *event: events.append(event))
    evaluator.install(patches)
    return evaluator


def _put_alarm(world: World, **changes: Any) -> None:
    settings: dict[str, Any] = {
        "AlarmName": "guard",
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": GREEN,
        "Statistic": "Sum",
        "Period": PERIOD_S,
        "EvaluationPeriods": 1,
        "Threshold": 3,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    world.client("cloudwatch").put_metric_alarm(**(settings | changes))


def _put_errors(world: World, count: float, dimensions: list[dict[str, str]] = GREEN, ago_s: float = 120) -> None:
    """An alarm looks at whole minutes only, so what was put now is seen a minute later."""
    world.client("cloudwatch").put_metric_data(
        Namespace="AWS/SageMaker",
        MetricData=[
            {
                "MetricName": "Invocation5XXErrors",
                "Dimensions": dimensions,
                "Timestamp": world.clock.now() - timedelta(seconds=ago_s),
                "Value": count,
            }
        ],
    )


def _alarm(world: World) -> Any:
    return world.client("cloudwatch").describe_alarms(AlarmNames=["guard"])["MetricAlarms"][0]


def test_a_new_alarm_knows_nothing_until_it_has_looked(world: World, evaluator: AlarmEvaluator) -> None:
    _put_alarm(world)
    before = _alarm(world)["StateValue"]
    evaluator.evaluate_all()

    assert (before, _alarm(world)["StateValue"]) == ("INSUFFICIENT_DATA", "OK")


def test_errors_of_one_period_add_up_to_an_alarm(world: World, evaluator: AlarmEvaluator) -> None:
    _put_alarm(world)
    _put_errors(world, 2, ago_s=PERIOD_S / 2)
    evaluator.evaluate_all()
    after_two = _alarm(world)["StateValue"]
    _put_errors(world, 1)
    evaluator.evaluate_all()

    assert (after_two, _alarm(world)["StateValue"]) == ("OK", "ALARM")
    assert re.search(
        r"1 out of the last 1 datapoints \[3\.0 \(.*\)\] was greater than or equal to the threshold \(3\.0\) "
        r"\(minimum 1 datapoint for OK -> ALARM transition\)\.",
        _alarm(world)["StateReason"],
    )


def test_errors_of_another_fleet_are_another_metric(world: World, evaluator: AlarmEvaluator) -> None:
    _put_alarm(world)
    _put_errors(world, 9, BLUE)
    _put_errors(world, 9, GREEN[:1])
    _put_errors(world, 9, [*GREEN, {"Name": "Zone", "Value": "a"}])
    evaluator.evaluate_all()

    assert _alarm(world)["StateValue"] == "OK"


def test_statistics_are_of_one_metric_not_of_those_with_more_dimensions(
    world: World, evaluator: AlarmEvaluator
) -> None:
    _put_errors(world, 2)
    _put_errors(world, 9, [*GREEN, {"Name": "Zone", "Value": "a"}])
    now = world.clock.now()

    [point] = world.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=GREEN,
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]

    assert point["Sum"] == 2


def test_an_alarm_returns_to_ok_when_the_errors_are_long_past(world: World, evaluator: AlarmEvaluator) -> None:
    _put_alarm(world)
    _put_errors(world, 9, ago_s=PERIOD_S * 10)
    evaluator.evaluate_all()

    assert _alarm(world)["StateValue"] == "OK"


def test_a_missing_heartbeat_is_an_alarm_where_silence_breaches(
    world: World, clock: SkippingClock, evaluator: AlarmEvaluator
) -> None:
    _put_alarm(
        world,
        Statistic="SampleCount",
        ComparisonOperator="LessThanThreshold",
        Threshold=1,
        TreatMissingData="breaching",
    )
    _put_errors(world, 0)
    evaluator.evaluate_all()
    alive = _alarm(world)["StateValue"]
    clock.skipped_s += PERIOD_S * 4
    evaluator.evaluate_all()

    assert (alive, _alarm(world)["StateValue"]) == ("OK", "ALARM")
    assert "no datapoints were received" in _alarm(world)["StateReason"]


def test_a_change_is_an_event_a_message_and_a_line_of_history(
    world: World, evaluator: AlarmEvaluator, events: list[Event]
) -> None:
    sns, sqs = world.client("sns"), world.client("sqs")
    topic = sns.create_topic(Name="told")["TopicArn"]
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:heard")
    _put_alarm(world, AlarmActions=[topic])
    _put_errors(world, 5)

    evaluator.evaluate_all()
    evaluator.evaluate_all()  # nothing has changed since

    [(source, kind, detail, resources)] = events
    assert (source, kind) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert resources == ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:guard"]
    assert (detail["previousState"]["value"], detail["state"]["value"]) == ("INSUFFICIENT_DATA", "ALARM")
    message = json.loads(json.loads(sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"])["Message"])
    assert (message["AlarmName"], message["NewStateValue"]) == ("guard", "ALARM")


def test_an_alarm_that_a_person_sets_is_told_too(world: World, evaluator: AlarmEvaluator, events: list[Event]) -> None:
    _put_alarm(world)
    world.client("cloudwatch").set_alarm_state(AlarmName="guard", StateValue="ALARM", StateReason="stop")

    assert [detail["state"]["reason"] for _, _, detail, _ in events] == ["stop"]


def test_changing_an_alarm_keeps_its_state(world: World, evaluator: AlarmEvaluator) -> None:
    _put_alarm(world)
    world.client("cloudwatch").set_alarm_state(AlarmName="guard", StateValue="ALARM", StateReason="stop")
    _put_alarm(world, Threshold=4)

    assert (_alarm(world)["StateValue"], _alarm(world)["Threshold"]) == ("ALARM", 4.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "comparison LessThanLowerThreshold is not evaluated"),
        ({"Statistic": None, "ExtendedStatistic": "p101"}, "statistic p101 is not computed"),
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused(
    world: World, evaluator: AlarmEvaluator, changes: dict[str, Any], said: str
) -> None:
    settings = {name: value for name, value in changes.items() if value is not None}

    with pytest.raises(ClientError, match=said):
        _put_alarm(world, **settings) if "Statistic" not in changes else _put_percentile_alarm(world, **settings)


def _put_percentile_alarm(world: World, **changes: Any) -> None:
    world.client("cloudwatch").put_metric_alarm(
        AlarmName="guard",
        Namespace="N",
        MetricName="M",
        Period=PERIOD_S,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        **changes,
    )
