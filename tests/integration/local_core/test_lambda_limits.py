"""Lambda's clock, versions, limits and log lines."""

import base64
import json
import re
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_core.aws import Aws, unique, until, zipped
from tests.integration.local_core.conftest import TIME_SCALE
from tests.integration.local_core.test_api_faults import Board
from tests.integration.local_core.test_lambda import NAPS, invoke

TELLS_TIME = """
import datetime, time
def handler(event, context):
    began, real = time.time(), time.monotonic()
    time.sleep(0.2)
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"time": began, "now": now.timestamp(), "left": context.get_remaining_time_in_millis(),
            "took": time.time() - began, "really": time.monotonic() - real}
"""
PRINTS = "def handler(event, context):\n    print('working')\n    return context.invoked_function_arn\n"
HOARDS = (
    "def handler(event, context):\n    hoard = bytearray(400_000_000)\n    while True: hoard[::4096] = hoard[::4096]\n"
)
SHOUTS = "def handler(event, context):\n    return 'x' * 6_400_000\n"


def told(aws: Aws, function: str) -> dict[str, float]:
    told: dict[str, float] = json.loads(invoke(aws, function)["Payload"])
    return told


def test_a_function_reads_the_time_of_aws_at_its_start_and_real_seconds_from_there(aws: Aws) -> None:
    function = aws.function(TELLS_TIME, timeout_s=30)

    first = told(aws, function)
    time.sleep(0.2)
    second = told(aws, function)

    assert second["time"] - first["time"] >= 0.4 * TIME_SCALE * 0.9, "the first one's work and the pause, in AWS time"
    for one in (first, second):
        assert one["took"] == pytest.approx(one["really"], abs=0.05)
        assert one["now"] - one["time"] == pytest.approx(0.2, abs=0.2)
        assert 20_000 < one["left"] <= 29_900, "the time-out is real seconds, whatever the clock says"


def test_the_clock_of_functions_can_be_wrong(aws: Aws) -> None:
    function = aws.function(TELLS_TIME)
    before = told(aws, function)
    board = Board(aws)
    fault = board.set("clock", part="lambda", skewS=-86_400 * 365)

    skewed = told(aws, function)
    board.ask("DELETE", f"/{fault}")

    assert skewed["time"] < before["time"] - 86_400 * 300
    assert skewed["left"] > 0


def test_versions_and_aliases_run_what_they_name(aws: Aws) -> None:
    client = aws.client("lambda")
    arn = aws.function("def handler(event, context):\n    return [1, context.invoked_function_arn]\n")
    name = arn.rpartition(":")[2]
    client.publish_version(FunctionName=name)
    client.update_function_code(FunctionName=name, ZipFile=_code("return [2, context.invoked_function_arn]"))
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.create_alias(
        FunctionName=name, Name="moved", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}}
    )

    def ran(function: str, **qualifier: str) -> tuple[Any, str]:
        answer = invoke(aws, function, **qualifier)
        return json.loads(answer["Payload"]), answer["ExecutedVersion"]

    assert ran(name) == ([2, arn], "$LATEST")
    assert json.loads(invoke(aws, name, {"qualifier": "1"})["Payload"])[0] == 2, "an event's own words choose nothing"
    assert ran(name, Qualifier="1") == ([1, f"{arn}:1"], "1")
    assert ran(f"{arn}:live") == ([1, f"{arn}:live"], "1")
    assert ran(name, Qualifier="moved") == ([2, f"{arn}:moved"], "2")
    with pytest.raises(ClientError) as unknown:
        ran(name, Qualifier="none")
    assert unknown.value.response["Error"]["Code"] == "ResourceNotFoundException"


def _code(statement: str) -> bytes:
    return zipped(f"def handler(event, context):\n    {statement}\n")


def test_the_log_is_start_lines_end_and_a_report(aws: Aws) -> None:
    """Source: "Sending Lambda function logs to CloudWatch Logs", AWS Lambda Developer Guide."""
    function = aws.function(PRINTS)

    cold, warm = (base64.b64decode(invoke(aws, function, LogType="Tail")["LogResult"]).decode() for _ in range(2))

    start, line, end, report = cold.splitlines()[-4:]
    request_id = start.split()[2]
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert (line, end) == ("working", f"END RequestId: {request_id}")
    fields = re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: (\d+) MB\tInit Duration: ([\d.]+) ms",
        report,
    )
    assert fields is not None, report
    assert int(fields[2]) >= float(fields[1]) + float(fields[4]), "the first start is billed too"
    assert 5 < int(fields[3]) < 500
    assert "Init Duration" not in warm
    assert [text.split()[0] for text in warm.splitlines()] == ["START", "working", "END", "REPORT"]


def test_a_tail_comes_only_when_it_is_asked_for(aws: Aws) -> None:
    assert "LogResult" not in invoke(aws, aws.function(PRINTS))


def test_a_function_that_takes_too_long_is_ended_and_says_so(aws: Aws) -> None:
    function = aws.function("import time\ndef handler(event, context):\n    time.sleep(60)\n", timeout_s=1)

    answer = invoke(aws, function, LogType="Tail")

    error = json.loads(answer["Payload"])
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert base64.b64decode(answer["LogResult"]).decode().endswith("\tStatus: timeout")


def test_a_function_that_takes_too_much_memory_is_killed_and_says_so(aws: Aws) -> None:
    answer = invoke(aws, aws.function(HOARDS, timeout_s=60), LogType="Tail")

    error = json.loads(answer["Payload"])
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Error Type: Runtime.OutOfMemory" in base64.b64decode(answer["LogResult"]).decode()


def test_an_answer_that_is_too_large_is_an_error(aws: Aws) -> None:
    """Source: "Lambda quotas": 6 MB for a synchronous answer."""
    answer = invoke(aws, aws.function(SHOUTS))

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_dry_run_runs_nothing_and_says_204(aws: Aws) -> None:
    answer = aws.client("lambda").invoke(
        FunctionName=aws.function("raise SystemExit\n"), Payload=b"{}", InvocationType="DryRun"
    )

    assert answer["StatusCode"] == 204
    assert "FunctionError" not in answer


def test_a_payload_that_is_no_json_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("lambda").invoke(FunctionName=aws.function(PRINTS), Payload=b"{broken")

    assert refused.value.response["Error"]["Code"] == "InvalidRequestContentException"


def test_an_event_that_waits_longer_than_its_age_is_given_up(aws: Aws) -> None:
    """Source: "How Lambda handles errors and retries with asynchronous invocation", AWS Lambda Developer Guide."""
    client = aws.client("lambda")
    queue_url, queue_arn = aws.queue()
    function = aws.function(NAPS, role=aws.role("sqs:SendMessage"))
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    client.put_function_event_invoke_config(
        FunctionName=function,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": queue_arn}},
    )

    invoke(aws, function, {"n": 1}, InvocationType="Event")

    [message] = aws.messages(queue_url, 1)
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"] == {"n": 1}


# Queues --------------------------------------------------------------------------------------------------------------

FAILS_BAD_ONES = """
import boto3, json, os
def handler(event, context):
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=os.environ["OUT"], MessageBody=json.dumps(event))
    bad = [r["messageId"] for r in event["Records"] if r["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in bad]}
"""


def test_a_message_that_fails_comes_back_and_ends_in_the_dead_letter_queue(aws: Aws) -> None:
    sqs = aws.client("sqs")
    queue_url, queue_arn = aws.queue()
    out_url, _ = aws.queue()
    grave_url, grave_arn = aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": grave_arn, "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"VisibilityTimeout": "3", "RedrivePolicy": redrive})
    role = aws.role("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    function = aws.function(FAILS_BAD_ONES, role=role, environment={"OUT": out_url})
    invoke(aws, function, {"Records": []})  # warm, so that a batch is done before its messages are visible again
    sqs.send_message_batch(
        QueueUrl=queue_url, Entries=[{"Id": text, "MessageBody": text} for text in ("good", "bad", "fine")]
    )

    mapping = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=queue_arn, FunctionName=function, FunctionResponseTypes=["ReportBatchItemFailures"]
    )

    [lost] = aws.messages(grave_url, 1, limit_s=20)
    aws.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])
    assert lost["Body"] == "bad"
    batches = [json.loads(message["Body"])["Records"] for message in aws.messages(out_url, 3)]
    batches = [batch for batch in batches if batch]
    seen = [(record["body"], record["attributes"]["ApproximateReceiveCount"]) for batch in batches for record in batch]
    assert sorted(seen) == [("bad", "1"), ("bad", "2"), ("fine", "1"), ("good", "1")]
    sent_ms = int(batches[0][0]["attributes"]["SentTimestamp"])
    assert abs(sent_ms / 1000 - time.time()) < 60, "a real time, no constant"


def test_a_mapping_outlives_its_function_and_stops_no_other(aws: Aws) -> None:
    """DeleteFunction in the Lambda API Reference: event source mappings are deleted apart from the function."""
    functions, sqs = aws.client("lambda"), aws.client("sqs")
    role = aws.role("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    (gone_url, gone_arn), (url, arn) = aws.queue(), aws.queue()
    gone, other = aws.function(PRINTS, role=role), aws.function(PRINTS, role=role)
    orphan = functions.create_event_source_mapping(EventSourceArn=gone_arn, FunctionName=gone)
    mapping = functions.create_event_source_mapping(EventSourceArn=arn, FunctionName=other)

    functions.delete_function(FunctionName=gone)
    sqs.send_message(QueueUrl=gone_url, MessageBody="nobody takes this")
    time.sleep(0.2)  # several looks at the queues
    sqs.send_message(QueueUrl=url, MessageBody="a message")

    until(lambda: None if _messages_in(sqs, url) else True)
    assert _messages_in(sqs, gone_url) == 1
    for one in (orphan, mapping):
        functions.delete_event_source_mapping(UUID=one["UUID"])


def _messages_in(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, counted.values()))


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        pytest.param(
            {"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"},
            "event source arn:aws:kin",
            id="a stream",
        ),
        pytest.param(
            {"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:q.fifo"}, "standard queues", id="a FIFO queue"
        ),
        pytest.param({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "FilterCriteria", id="a filter"),
    ],
)
def test_an_event_source_that_would_do_nothing_is_refused_by_name(
    aws: Aws, mapping: dict[str, Any], sentence: str
) -> None:
    whole = {"EventSourceArn": aws.queue()[1], "FunctionName": unique("any"), **mapping}

    with pytest.raises(ClientError, match=f"does not emulate .*{sentence}|{sentence}"):
        aws.client("lambda").create_event_source_mapping(**whole)
