"""What Lambda, Step Functions, EventBridge and SQS publish of themselves, read as clients and alarms read it."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from local.supervisor import Settings, Supervisor
from local.world import World

HANDLER = """
import json, time
def handler(event, context):
    if event.get("measure"):
        print(json.dumps({"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
            {"Namespace": "app", "Dimensions": [["service"]], "Metrics": [{"Name": "Judged", "Unit": "Count"}]}
        ]}, "service": "judge", "Judged": 3}))
    if event.get("fail"):
        raise ValueError("asked to")
    return event
"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    supervisor = Supervisor(Settings(port=0, time_scale=100))
    supervisor.start()
    yield supervisor.world
    supervisor.stop()


def role(world: World, *services: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam, name = world.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])
    allowed = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=allowed)
    return arn


@pytest.fixture(scope="module")
def function(world: World) -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", HANDLER)
    world.client("lambda").create_function(
        FunctionName="judge",
        Runtime="python3.11",
        Role=role(world, "lambda.amazonaws.com"),
        Handler="app.handler",
        Code={"ZipFile": content.getvalue()},
        Timeout=10,
    )
    return "judge"


def total(world: World, namespace: str, metric: str, stat: str = "Sum", **dimensions: str) -> float:
    now = world.clock.now()
    found = world.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(hours=20),
        EndTime=now + timedelta(minutes=2),
        Period=86400,
        Statistics=[stat],
    )["Datapoints"]
    return float(sum(point[stat] for point in found))


def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {within_s} s"
        time.sleep(0.05)


def test_invocations_errors_and_throttles_of_a_function(world: World, function: str) -> None:
    functions = world.client("lambda")
    functions.invoke(FunctionName=function, Payload=b"{}")
    functions.invoke(FunctionName=function, Payload=b'{"fail": true}')
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded"):
        functions.invoke(FunctionName=function, Payload=b"{}")
    functions.delete_function_concurrency(FunctionName=function)

    # A throttled request counts neither as an invocation nor as an error: "Types of metrics for Lambda functions".
    assert [
        total(world, "AWS/Lambda", metric, FunctionName=function) for metric in ("Invocations", "Errors", "Throttles")
    ] == [2, 1, 1]
    assert total(world, "AWS/Lambda", "Invocations", FunctionName=function, Resource=function) == 2
    assert total(world, "AWS/Lambda", "Duration", "Minimum", FunctionName=function) > 0
    assert total(world, "AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName=function) == 1


def test_a_failing_function_trips_the_templates_kind_of_alarm(world: World, function: str) -> None:
    world.client("cloudwatch").put_metric_alarm(
        AlarmName="judge-failed",
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    world.client("lambda").invoke(FunctionName=function, Payload=b'{"fail": true}')

    def state() -> str:
        alarms = world.client("cloudwatch").describe_alarms(AlarmNames=["judge-failed"])["MetricAlarms"]
        return str(alarms[0]["StateValue"])

    until(lambda: state() == "ALARM")


def test_a_line_in_the_embedded_metric_format_becomes_a_metric(world: World, function: str) -> None:
    before = total(world, "app", "Judged", service="judge")
    world.client("lambda").invoke(FunctionName=function, Payload=b'{"measure": true}')

    until(lambda: total(world, "app", "Judged", service="judge") == before + 3)


def test_executions_are_counted_by_how_they_end(world: World) -> None:
    states = world.client("stepfunctions")
    wait = {"Type": "Wait", "Seconds": 60, "Next": "Choose"}
    choose = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.fail", "BooleanEquals": True, "Next": "Fail"}],
        "Default": "Done",
    }
    ends = {"Fail": {"Type": "Fail", "Error": "Asked"}, "Done": {"Type": "Succeed"}}
    machine = states.create_state_machine(
        name="counted",
        roleArn=role(world, "states.amazonaws.com"),
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": wait, "Choose": choose, **ends}}),
    )["stateMachineArn"]
    for fail in (True, False, False):
        states.start_execution(stateMachineArn=machine, input=json.dumps({"fail": fail}))

    def count(metric: str, stat: str = "Sum") -> float:
        return total(world, "AWS/States", metric, stat, StateMachineArn=machine)

    until(lambda: count("ExecutionsSucceeded") + count("ExecutionsFailed") == 3)
    assert (count("ExecutionsStarted"), count("ExecutionsSucceeded"), count("ExecutionsFailed")) == (3, 2, 1)
    assert count("ExecutionTime", "Minimum") >= 60_000  # AWS milliseconds: the machine waits a minute


def test_a_rule_counts_what_reached_its_target_and_what_did_not(world: World) -> None:
    events, sqs = world.client("events"), world.client("sqs")
    lost = sqs.create_queue(QueueName="lost-events")["QueueUrl"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=lost, Attributes={"Policy": policy})
    events.put_rule(Name="counted", EventPattern='{"source": ["s"]}')
    events.put_targets(
        Rule="counted",
        Targets=[
            {"Id": "there", "Arn": "arn:aws:sqs:us-east-1:123456789012:lost-events"},
            {
                "Id": "gone",
                "Arn": "arn:aws:sqs:us-east-1:123456789012:no-such-queue",
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:lost-events"},
            },
        ],
    )
    events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}])

    def counts() -> list[float]:
        metrics = ("Invocations", "FailedInvocations", "InvocationsSentToDlq")
        return [total(world, "AWS/Events", metric, RuleName="counted") for metric in metrics]

    until(lambda: counts() == [2, 1, 1])


def test_a_queue_tells_how_many_messages_wait_and_how_long_the_oldest_has(world: World) -> None:
    sqs = world.client("sqs")
    url = sqs.create_queue(QueueName="waiting")["QueueUrl"]
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body)

    def most(metric: str) -> float:
        return total(world, "AWS/SQS", metric, "Maximum", QueueName="waiting")

    until(lambda: most("ApproximateNumberOfMessagesVisible") == 2)
    until(lambda: most("ApproximateAgeOfOldestMessage") >= 60)  # AWS seconds
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    until(lambda: most("ApproximateNumberOfMessagesNotVisible") == 1)
