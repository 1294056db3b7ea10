"""EventBridge: every matching target gets its input, and what no target took is kept."""

import hashlib
import json
import time
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_core.aws import Aws, unique, until
from tests.integration.local_core.conftest import TIME_SCALE
from tests.integration.local_core.test_api_faults import Board
from tests.integration.local_core.test_step_functions import jsonata

DETAIL = {"name": 'a "quoted" name', "size": 3, "tags": ["x"]}
NO_MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:none"
NO_SERVICE = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
MISSING = "arn:aws:lambda:us-east-1:123456789012:function:no-such-function"


def put(aws: Aws, source: str) -> str:
    answer = aws.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Thing Made", "Detail": json.dumps(DETAIL)}]
    )
    assert answer["FailedEntryCount"] == 0, answer
    return str(answer["Entries"][0]["EventId"])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param({"Input": '{"constant": true}'}, {"constant": True}, id="a constant"),
        pytest.param({"InputPath": "$.detail.tags"}, ["x"], id="a part of the event"),
        pytest.param(
            {
                "InputTransformer": {
                    "InputPathsMap": {"n": "$.detail.name", "s": "$.detail.size"},
                    "InputTemplate": '{"is": <n>, "of": <s>}',
                }
            },
            {"is": 'a "quoted" name', "of": 3},
            id="a template with JSON values",
        ),
        pytest.param(
            {"InputTransformer": {"InputPathsMap": {"n": "$.detail.name"}, "InputTemplate": '"made <n>"'}},
            'made a "quoted" name',
            id="a template that is one sentence",
        ),
    ],
)
def test_a_target_receives_the_input_that_it_asks_for(aws: Aws, shape: dict[str, Any], expected: Any) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    aws.rule({"source": [source]}, Arn=queue_arn, **shape)

    put(aws, source)

    [message] = aws.messages(queue_url, 1)
    assert json.loads(message["Body"]) == expected


def test_the_event_itself_is_spelled_as_aws_spells_it(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    aws.rule({"source": [source], "detail": {"size": [{"numeric": [">", 2]}]}}, Arn=queue_arn)

    event_id = put(aws, source)

    event = json.loads(aws.messages(queue_url, 1)[0]["Body"])
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": "Thing Made",
        "source": source,
        "account": "123456789012",
        "region": "us-east-1",
        "resources": [],
        "detail": DETAIL,
    }


def test_an_event_that_matches_no_rule_reaches_nobody(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    aws.rule({"source": [unique("other")]}, Arn=queue_arn)

    put(aws, unique("test"))

    assert aws.messages(queue_url, 0, limit_s=1) == []


def test_a_topic_a_machine_and_another_bus_are_targets_too(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    topic = aws.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    aws.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
    )
    machine = aws.machine(jsonata("Done", Done={"Type": "Succeed", "Output": "{% $states.input.detail.size %}"}))
    bus = aws.client("events").create_event_bus(Name=unique("bus"))["EventBusArn"]
    source = unique("test")
    role = aws.role("states:StartExecution")
    for target in ({"Arn": topic}, {"Arn": machine, "RoleArn": role}, {"Arn": bus}):
        aws.rule({"source": [source]}, **target)
    on_bus = unique("rule")
    rule = aws.client("events").put_rule(Name=on_bus, EventBusName=bus, EventPattern=json.dumps({"source": [source]}))
    both = [rule["RuleArn"], topic]
    aws.let_in("*", both, queue_arn)
    aws.client("events").put_targets(Rule=on_bus, EventBusName=bus, Targets=[{"Id": "1", "Arn": queue_arn}])

    put(aws, source)

    assert [json.loads(message["Body"])["detail"] for message in aws.messages(queue_url, 2)] == [DETAIL, DETAIL]
    states = aws.client("stepfunctions")
    [execution] = until(lambda: states.list_executions(stateMachineArn=machine)["executions"] or None)
    assert aws.ended(execution["executionArn"])["output"] == "3"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        # What does not exist has no policy that lets the rule in.
        pytest.param(MISSING, "NO_PERMISSIONS", id="a function that does not exist"),
        pytest.param(NO_MACHINE, "NO_RESOURCE", id="a machine that does not exist"),
    ],
)
def test_what_a_missing_target_lost_waits_in_the_dead_letter_queue(aws: Aws, target: str, code: str) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    role = {"RoleArn": aws.role("states:StartExecution")} if ":states:" in target else {}
    rule = aws.rule({"source": [source]}, Arn=target, DeadLetterConfig={"Arn": queue_arn}, **role)

    event_id = put(aws, source)

    [message] = aws.messages(queue_url, 1)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["id"] == event_id
    assert attributes["TARGET_ARN"] == target
    assert attributes["RULE_ARN"].endswith(f":rule/{rule}")
    assert attributes["ERROR_CODE"] == code


def test_a_target_that_does_not_let_the_rule_in_loses_the_event_at_once(aws: Aws) -> None:
    """Source: "Using resource-based policies for Amazon EventBridge" and "Amazon EventBridge and IAM roles"."""
    grave_url, grave_arn = aws.queue()
    source = unique("test")
    refusing = {
        "lambda": {"Arn": aws.function("def handler(event, context):\n    return 1\n")},
        "sqs": {"Arn": aws.queue()[1]},
        "states": {
            "Arn": aws.machine(jsonata("Done", Done={"Type": "Succeed"})),
            "RoleArn": aws.role("sqs:SendMessage"),
        },
        "a role of nobody": {"Arn": aws.queue()[1], "RoleArn": "arn:aws:iam::123456789012:role/nobody"},
    }
    events, rules = aws.client("events"), []
    for target in refusing.values():
        name = unique("rule")
        rules.append(events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))["RuleArn"])
        events.put_targets(Rule=name, Targets=[{"Id": "1", "DeadLetterConfig": {"Arn": grave_arn}, **target}])
    aws.let_in("events.amazonaws.com", rules, grave_arn)

    put(aws, source)

    lost = {
        message["MessageAttributes"]["TARGET_ARN"]["StringValue"]: message["MessageAttributes"]
        for message in aws.messages(grave_url, len(refusing))
    }
    codes = {name: lost[target["Arn"]]["ERROR_CODE"]["StringValue"] for name, target in refusing.items()}
    assert codes == {
        "lambda": "NO_PERMISSIONS",
        "sqs": "NO_PERMISSIONS",
        "states": "NO_PERMISSIONS",
        "a role of nobody": "FAILED_TO_ASSUME_ROLE",
    }
    assert {attributes["RETRY_ATTEMPTS"]["StringValue"] for attributes in lost.values()} == {"0"}


def test_a_role_of_the_target_opens_a_queue_whose_policy_is_silent(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    events, name = aws.client("events"), unique("rule")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    target = {"Id": "1", "Arn": queue_arn, "RoleArn": aws.role("sqs:SendMessage")}
    events.put_targets(Rule=name, Targets=[target])

    put(aws, source)

    assert len(aws.messages(queue_url, 1)) == 1


def test_a_disabled_rule_delivers_nothing(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    rule = aws.rule({"source": [source]}, Arn=queue_arn)
    aws.client("events").disable_rule(Name=rule)

    put(aws, source)

    assert aws.messages(queue_url, 0, limit_s=1) == []


def test_a_pushed_image_says_so_in_the_contracts_words(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    ecr = aws.client("ecr")
    repository = unique("images")
    ecr.create_repository(repositoryName=repository)
    aws.rule(
        {"source": ["aws.ecr"], "detail": {"repository-name": [repository], "image-tag": [{"prefix": "release-"}]}},
        Arn=queue_arn,
    )
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})

    image = ecr.put_image(repositoryName=repository, imageTag="release-1", imageManifest=manifest)["image"]

    event = json.loads(aws.messages(queue_url, 1)[0]["Body"])
    assert image["imageId"]["imageDigest"] == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert event["detail-type"] == "ECR Image Action"
    assert event["detail"] == {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": image["imageId"]["imageDigest"],
        "action-type": "PUSH",
        "image-tag": "release-1",
    }


def test_a_schedule_fires_on_the_clock_of_aws_and_never_on_other_events(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    rule = aws.rule(schedule="rate(1 minute)", Arn=queue_arn)
    put(aws, unique("other"))

    messages = until(lambda: _at_least(aws, queue_url, 2))
    aws.client("events").disable_rule(Name=rule)

    events = [json.loads(message["Body"]) for message in messages]
    # "Scheduled event" in "Events from AWS services", EventBridge User Guide.
    assert {(event["source"], event["detail-type"]) for event in events} == {("aws.events", "Scheduled Event")}
    assert {event["resources"][0] for event in events} == {f"arn:aws:events:us-east-1:123456789012:rule/{rule}"}
    assert [event["detail"] for event in events] == [{}] * len(events)
    times = sorted(datetime.fromisoformat(event["time"]) for event in events)
    assert all((later - earlier).total_seconds() % 60 == 0 for earlier, later in pairwise(times))


def _at_least(aws: Aws, queue_url: str, count: int) -> list[dict[str, Any]] | None:
    sqs = aws.client("sqs")
    waiting = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    if int(waiting["Attributes"]["ApproximateNumberOfMessages"]) < count:
        return None
    messages: list[dict[str, Any]] = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    return messages


def test_events_of_a_megabyte_are_refused(aws: Aws) -> None:
    """ "The total entry size must be less than 1MB" (PutEvents); "Calculating PutEvents event entry size" says how."""
    source, detail_type = "s" * 4, "t" * 10
    text = 1024 * 1024 - len(source) - len(detail_type) - len(json.dumps({"x": ""}))

    def sent(length: int) -> Any:
        entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps({"x": "y" * length})}
        return aws.client("events").put_events(Entries=[entry])["FailedEntryCount"]

    assert sent(text - 1) == 0
    with pytest.raises(ClientError, match="over the limit: 1048576 bytes; it must be less than 1048576") as refused:
        sent(text)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_rule_has_five_targets_at_most(aws: Aws) -> None:
    """ "Targets per rule" in "Amazon EventBridge quotas"."""
    events, (_, queue_arn) = aws.client("events"), aws.queue()
    name = aws.rule({"source": [unique("nothing")]}, Arn=queue_arn)  # with a target 1

    events.put_targets(Rule=name, Targets=[{"Id": str(number), "Arn": queue_arn} for number in range(1, 6)])

    with pytest.raises(events.exceptions.LimitExceededException, match=r"6 targets of rule .* the limit is 5"):
        events.put_targets(Rule=name, Targets=[{"Id": "6", "Arn": queue_arn}])


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "cron(0 10 * * * *)", "cron(0 10 * * ?)"])
def test_a_schedule_that_aws_would_not_take_is_refused(aws: Aws, expression: str) -> None:
    with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid") as refused:
        aws.client("events").put_rule(Name=unique("rule"), ScheduleExpression=expression)

    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_eventbridge_scheduler_is_refused_by_name(aws: Aws) -> None:
    with pytest.raises(ClientError, match="does not emulate EventBridge Scheduler"):
        aws.client("scheduler").create_schedule(
            Name="s",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": MISSING, "RoleArn": "arn:aws:iam::123456789012:role/r"},
        )


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        pytest.param(
            {"Arn": NO_SERVICE}, "does not emulate targets of kinesis", id="a service that cannot be delivered to"
        ),
        pytest.param({"Arn": NO_MACHINE}, "RoleArn is required for target", id="a machine without a role"),
        pytest.param(
            {"Arn": MISSING, "InputTransformer": {"InputTemplate": '"<nobody>"'}},
            "contains invalid placeholder nobody",
            id="a name that nobody defined",
        ),
        pytest.param(
            {
                "Arn": MISSING,
                "InputTransformer": {"InputPathsMap": {"aws.events.event": "$.id"}, "InputTemplate": '"a"'},
            },
            "names reserved aws.events.event",
            id="a reserved name",
        ),
    ],
)
def test_a_target_that_eventbridge_would_refuse_is_refused(aws: Aws, target: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        aws.rule({"source": ["any"]}, **target)


def test_an_archive_is_refused_by_name(aws: Aws) -> None:
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"

    with pytest.raises(ClientError, match="does not emulate archives"):
        aws.client("events").create_archive(ArchiveName=unique("archive"), EventSourceArn=bus)


def test_an_event_that_names_no_time_gets_that_of_the_embedded_clock(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    aws.rule({"source": [source]}, Arn=queue_arn)

    put(aws, source)
    time.sleep(0.2)  # 20 s of AWS
    put(aws, source)

    first, second = sorted(
        datetime.fromisoformat(json.loads(message["Body"])["time"]) for message in aws.messages(queue_url, 2)
    )
    assert (second - first).total_seconds() >= 0.2 * TIME_SCALE - 1


def test_a_fault_loses_an_event_on_its_way_to_one_target(aws: Aws) -> None:
    lost_url, lost_arn = aws.queue()
    kept_url, kept_arn = aws.queue()
    source = unique("test")
    for arn in (lost_arn, kept_arn):
        aws.rule({"source": [source]}, Arn=arn)
    board = Board(aws)
    fault = board.set("event", failure="dropped", target=lost_arn)

    put(aws, source)

    assert len(aws.messages(kept_url, 1)) == 1
    assert aws.messages(lost_url, 0, limit_s=0.1) == []
    assert board.ask("GET", f"/{fault}")[1]["struck"] == 1
    board.ask("DELETE", f"/{fault}")


def test_a_function_cannot_subscribe_to_a_topic(aws: Aws) -> None:
    sns = aws.client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]

    with pytest.raises(ClientError, match="does not emulate SNS subscriptions with protocol lambda"):
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint="arn:aws:lambda:us-east-1:123456789012:function:f")


def test_a_bucket_cannot_notify_a_function(aws: Aws) -> None:
    arn = aws.function("def handler(event, context):\n    return None\n")
    target = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}

    with pytest.raises(ClientError, match="use a rule of EventBridge"):
        aws.client("s3").put_bucket_notification_configuration(
            Bucket=aws.bucket(), NotificationConfiguration={"LambdaFunctionConfigurations": [target]}
        )


def test_a_bucket_says_that_it_tells_eventbridge(aws: Aws) -> None:
    """Source: GetBucketNotificationConfiguration in the S3 API reference, element EventBridgeConfiguration."""
    told = aws.client("s3").get_bucket_notification_configuration(Bucket=aws.bucket())

    assert told["EventBridgeConfiguration"] == {}
