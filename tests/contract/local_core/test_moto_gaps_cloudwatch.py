"""What this moto's CloudWatch lacks; when one of these turns red, its patch can go."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.cloudwatch import models
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.utils import utcnow

from local.moto_patches import cloudwatch as patches
from local.moto_patches import step_functions_metrics
from tests.builders.gaps import justifies

REGION = "us-east-1"
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
TWO: Any = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def cloudwatch(bare_moto: None) -> Any:
    return boto3.client("cloudwatch", region_name=REGION)


def put(cloudwatch: Any, **datum: Any) -> None:
    cloudwatch.put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Dimensions": TWO, "Timestamp": NOW, "Value": 1} | datum]
    )


def put_alarm(cloudwatch: Any, **settings: Any) -> Any:
    cloudwatch.put_metric_alarm(
        **{
            "AlarmName": "alarm",
            "Namespace": "n",
            "MetricName": "m",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        | settings
    )
    return models.cloudwatch_backends["123456789012"][REGION].alarms["alarm"]


@justifies(patches._tell_the_embedded_time)
def test_moto_knows_the_time_of_the_machine_alone() -> None:
    assert vars(models)["utcnow"] is utcnow


@justifies(patches._keep_samples_by_metric)
def test_moto_forgets_a_samples_resolution(cloudwatch: Any) -> None:
    put(cloudwatch, StorageResolution=1)

    [kept] = models.cloudwatch_backends["123456789012"][REGION].metric_data

    assert "resolution" not in str(vars(kept)).lower()


@justifies(patches._read_metrics)
def test_moto_adds_up_metrics_with_more_dimensions_than_asked(cloudwatch: Any) -> None:
    put(cloudwatch)

    answer = cloudwatch.get_metric_statistics(
        Namespace="n",
        MetricName="m",
        Dimensions=TWO[:1],
        StartTime=NOW - HOUR,
        EndTime=NOW + HOUR,
        Period=60,
        Statistics=["Sum"],
    )

    assert [point["Sum"] for point in answer["Datapoints"]] == [1]


@justifies(patches._read_metrics)
def test_moto_computes_no_expression(cloudwatch: Any) -> None:
    put(cloudwatch)
    stat = {"Metric": {"Namespace": "n", "MetricName": "m", "Dimensions": TWO}, "Period": 60, "Stat": "Sum"}

    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "m1", "MetricStat": stat}, {"Id": "e1", "Expression": "m1 * 2"}],
        StartTime=NOW - HOUR,
        EndTime=NOW + HOUR,
    )

    assert [result["Values"] for result in answer["MetricDataResults"]] == [[1.0], []]


@justifies(patches._read_metrics)
def test_moto_lists_a_metric_with_two_dimensions_once_for_each_sample(cloudwatch: Any) -> None:
    put(cloudwatch)
    put(cloudwatch)

    assert len(cloudwatch.list_metrics()["Metrics"]) == 2


@justifies(patches._keep_state_on_update)
def test_moto_calls_a_new_alarm_ok(cloudwatch: Any) -> None:
    assert put_alarm(cloudwatch).state_value == "OK"


@justifies(patches._keep_state_on_update)
def test_moto_takes_a_period_that_does_not_exist(cloudwatch: Any) -> None:
    assert put_alarm(cloudwatch, Period=7).period == 7


@justifies(patches._tell_of_changes)
def test_moto_tells_nobody_of_a_change(cloudwatch: Any) -> None:
    sns, sqs = boto3.client("sns", region_name=REGION), boto3.client("sqs", region_name=REGION)
    topic, queue = sns.create_topic(Name="t")["TopicArn"], sqs.create_queue(QueueName="q")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:q")
    put_alarm(cloudwatch, AlarmActions=[topic])

    cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="r")

    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


@justifies(patches._put_composite_alarms, patches._describe_alarm_history)
@pytest.mark.parametrize("operation", ["put_composite_alarm", "describe_alarm_history"])
def test_moto_lacks_an_operation(operation: str) -> None:
    assert not hasattr(CloudWatchResponse, operation)


@justifies(patches._describe_alarms_by_type)
def test_moto_knows_no_pages_of_alarms(cloudwatch: Any) -> None:
    put_alarm(cloudwatch)
    put_alarm(cloudwatch, AlarmName="other")

    assert len(cloudwatch.describe_alarms(MaxRecords=1)["MetricAlarms"]) == 2


@justifies(patches._keep_what_a_composite_asks)
def test_moto_deletes_what_a_composite_alarm_asks(cloudwatch: Any) -> None:
    for name, rule in (("child", "TRUE"), ("parent", "ALARM(child)")):
        put_alarm(cloudwatch).rule = None
        models.cloudwatch_backends["123456789012"][REGION].alarms[name] = put_alarm(cloudwatch)
        models.cloudwatch_backends["123456789012"][REGION].alarms[name].rule = rule

    cloudwatch.delete_alarms(AlarmNames=["child"])

    assert "child" not in models.cloudwatch_backends["123456789012"][REGION].alarms


@justifies(patches._find_metrics_in_logs, step_functions_metrics._count_executions)
def test_moto_makes_no_metric_of_a_log_line_and_of_an_execution(cloudwatch: Any) -> None:
    logs, states = boto3.client("logs", region_name=REGION), boto3.client("stepfunctions", region_name=REGION)
    metric = {"Namespace": "n", "Dimensions": [[]], "Metrics": [{"Name": "m"}]}
    line = {"_aws": {"Timestamp": int(NOW.timestamp() * 1000), "CloudWatchMetrics": [metric]}, "m": 1}
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    logs.put_log_events(
        logGroupName="g",
        logStreamName="s",
        logEvents=[{"timestamp": int(NOW.timestamp() * 1000), "message": json.dumps(line)}],
    )
    machine = states.create_state_machine(
        name="m",
        roleArn="arn:aws:iam::123456789012:role/r",
        definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}',
    )["stateMachineArn"]
    states.start_execution(stateMachineArn=machine)

    assert cloudwatch.list_metrics()["Metrics"] == []
