"""EventBridge: every matching target gets its input, and what no target took is kept."""

import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_core.aws import Aws, unique, until
from tests.integration.local_core.test_step_functions import jsonata

DETAIL = {"name": 'a "quoted" name', "size": 3, "tags": ["x"]}
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
    for arn in (topic, machine, bus):
        aws.rule({"source": [source]}, Arn=arn)
    on_bus = unique("rule")
    aws.client("events").put_rule(Name=on_bus, EventBusName=bus, EventPattern=json.dumps({"source": [source]}))
    aws.client("events").put_targets(Rule=on_bus, EventBusName=bus, Targets=[{"Id": "1", "Arn": queue_arn}])

    put(aws, source)

    assert [json.loads(message["Body"])["detail"] for message in aws.messages(queue_url, 2)] == [DETAIL, DETAIL]
    states = aws.client("stepfunctions")
    [execution] = until(lambda: states.list_executions(stateMachineArn=machine)["executions"] or None)
    assert aws.ended(execution["executionArn"])["output"] == "3"


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(MISSING, id="a function that does not exist"),
        pytest.param("arn:aws:states:us-east-1:123456789012:stateMachine:none", id="a machine that does not exist"),
        pytest.param("arn:aws:kinesis:us-east-1:123456789012:stream/s", id="a service that cannot be delivered to"),
    ],
)
def test_what_a_missing_target_lost_waits_in_the_dead_letter_queue(aws: Aws, target: str) -> None:
    queue_url, queue_arn = aws.queue()
    source = unique("test")
    rule = aws.rule({"source": [source]}, Arn=target, DeadLetterConfig={"Arn": queue_arn})

    event_id = put(aws, source)

    [message] = aws.messages(queue_url, 1)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["id"] == event_id
    assert attributes["TARGET_ARN"] == target
    assert attributes["RULE_ARN"].endswith(f":rule/{rule}")
    assert attributes["ERROR_CODE"]


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


def test_a_schedule_is_refused_by_name(aws: Aws) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("events").put_rule(Name=unique("rule"), ScheduleExpression="rate(1 hour)")

    assert "does not emulate schedules" in str(refused.value)


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
