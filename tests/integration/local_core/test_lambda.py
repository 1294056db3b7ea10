"""Lambda: real processes, one per concurrent invocation, with the role, the limits and the words of AWS."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.integration.local_core.aws import Aws, unique, until, zipped

WHO = """
import os, boto3
def handler(event, context):
    print("one line for", event["name"])
    return {"pid": os.getpid(), "arn": boto3.client("sts").get_caller_identity()["Arn"],
            "left": context.get_remaining_time_in_millis(), "word": os.environ.get("WORD"),
            "memory": context.memory_limit_in_mb}
"""
NAPS = "import os, time\ndef handler(event, context):\n    time.sleep(0.5)\n    return os.getpid()\n"
RAISES = "def handler(event, context):\n    raise KeyError('no such thing')\n"
DIES = "import os\ndef handler(event, context):\n    os._exit(3)\n"


def invoke(aws: Aws, function: str, event: Any = None, **how: Any) -> dict[str, Any]:
    answer: dict[str, Any] = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event or {}), **how)
    answer["Payload"] = answer["Payload"].read()
    return answer


def test_a_function_runs_as_its_role_with_its_environment_and_limits(aws: Aws) -> None:
    role = aws.role("sts:GetCallerIdentity")
    function = aws.function(WHO, role=role, environment={"WORD": "hello"}, timeout_s=30)

    answer = json.loads(invoke(aws, function, {"name": "this"})["Payload"])

    assert f":assumed-role/{role.rsplit('/', 1)[-1]}/" in answer["arn"]
    assert 0 < answer["left"] <= 30_000
    assert (answer["word"], answer["memory"]) == ("hello", "128")


def test_a_warm_worker_is_used_again_until_code_or_environment_change(aws: Aws) -> None:
    function = aws.function(WHO, environment={"WORD": "one"})
    client = aws.client("lambda")

    first, second = (json.loads(invoke(aws, function, {"name": "x"})["Payload"]) for _ in range(2))
    client.update_function_configuration(FunctionName=function, Environment={"Variables": {"WORD": "two"}})
    third = json.loads(invoke(aws, function, {"name": "x"})["Payload"])
    client.update_function_code(
        FunctionName=function, ZipFile=zipped("def handler(event, context):\n    return 'new'\n")
    )

    assert first["pid"] == second["pid"] != third["pid"]
    assert third["word"] == "two"
    assert json.loads(invoke(aws, function)["Payload"]) == "new"
    assert not psutil.pid_exists(first["pid"]), "a worker of an older environment is ended"


def test_a_deleted_function_leaves_no_process(aws: Aws) -> None:
    """Its environment is gone with it: DeleteFunction deletes the function and all its versions."""
    function, other = aws.function(NAPS), aws.function(NAPS)
    process, others = (int(invoke(aws, one)["Payload"]) for one in (function, other))

    aws.client("lambda").delete_function(FunctionName=function)

    until(lambda: None if psutil.pid_exists(process) else True)
    assert psutil.pid_exists(others)


def test_what_a_caller_says_of_itself_is_refused_by_name(aws: Aws) -> None:
    context = base64.b64encode(b'{"custom": {}}').decode()

    with pytest.raises(ClientError, match="does not emulate ClientContext"):
        invoke(aws, aws.function(NAPS), ClientContext=context)


def test_concurrent_invocations_run_in_processes_of_their_own(aws: Aws) -> None:
    function = aws.function(NAPS)

    with ThreadPoolExecutor(3) as pool:
        pids = list(pool.map(lambda _: json.loads(invoke(aws, function)["Payload"]), range(3)))

    assert len(set(pids)) == 3


def test_a_functions_error_is_the_payload_and_a_header(aws: Aws) -> None:
    answer = invoke(aws, aws.function(RAISES))

    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'no such thing'")


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        pytest.param(DIES, "Runtime.ExitError", id="a process that dies"),
        pytest.param("import nothing_of_that_name\n", "Runtime.ImportModuleError", id="code that cannot be imported"),
        pytest.param("handler = None\ndef other(): pass\ndel handler\n", "Runtime.HandlerNotFound", id="no handler"),
    ],
)
def test_a_function_that_cannot_answer_says_why_and_the_next_call_starts_anew(
    aws: Aws, source: str, error_type: str
) -> None:
    function = aws.function(source)

    for _ in range(2):
        answer = invoke(aws, function)
        assert answer["FunctionError"] == "Unhandled"
        assert json.loads(answer["Payload"])["errorType"] == error_type


def test_what_a_function_prints_is_in_cloudwatch_logs_and_in_the_tail(aws: Aws) -> None:
    function = aws.function(WHO)

    answer = invoke(aws, function, {"name": "the log"}, LogType="Tail")

    tail = base64.b64decode(answer["LogResult"]).decode()
    logs = aws.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function.rsplit(':', 1)[-1]}")["events"]
    assert any("one line for the log" in event["message"] for event in events)
    assert "one line for the log" in tail
    assert "REPORT RequestId" in tail


def test_a_shared_log_group_receives_the_functions_lines(aws: Aws) -> None:
    client, logs = aws.client("lambda"), aws.client("logs")
    group = unique("/slipway/functions")
    logs.create_log_group(logGroupName=group)
    function = client.create_function(
        FunctionName=unique("logging"),
        Runtime="python3.11",
        Role=aws.role("sts:GetCallerIdentity"),
        Handler="app.handler",
        Code={"ZipFile": zipped(WHO)},
        LoggingConfig={"LogGroup": group},
    )["FunctionArn"]

    invoke(aws, function, {"name": "all"})

    assert any("one line for all" in event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])


def test_an_async_event_is_tried_three_times_and_then_kept(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    function = aws.function(RAISES, role=aws.role("sqs:SendMessage"))
    client = aws.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": queue_arn}}
    )

    accepted = invoke(aws, function, {"rollout": "r-1"}, InvocationType="Event")

    assert accepted["StatusCode"] == 202
    [message] = aws.messages(queue_url, 1, limit_s=30)
    record = json.loads(message["Body"])
    assert record["requestPayload"] == {"rollout": "r-1"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"]["errorType"] == "KeyError"


def test_an_async_event_that_fails_goes_to_the_functions_own_dead_letter_queue(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    client = aws.client("lambda")
    function = client.create_function(
        FunctionName=unique("dlq"),
        Runtime="python3.11",
        Role=aws.role("sqs:SendMessage"),
        Handler="app.handler",
        Code={"ZipFile": zipped(RAISES)},
        DeadLetterConfig={"TargetArn": queue_arn},
    )["FunctionArn"]
    client.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)

    invoke(aws, function, {"rollout": "r-1"}, InvocationType="Event")

    [message] = aws.messages(queue_url, 1)
    assert json.loads(message["Body"]) == {"rollout": "r-1"}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "'no such thing'"


def test_reserved_concurrency_refuses_one_too_many(aws: Aws) -> None:
    client = aws.client("lambda")
    function = aws.function(NAPS)
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(invoke, aws, function)
        time.sleep(0.2)
        with pytest.raises(ClientError) as refused:
            invoke(aws, function)
        running.result()

    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_a_payload_that_is_too_large_is_refused_with_its_size(aws: Aws) -> None:
    with pytest.raises(ClientError) as refused:
        invoke(aws, aws.function(NAPS), "x" * (6 * 1024 * 1024))

    assert refused.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert str(6 * 1024 * 1024 + 2) in str(refused.value)


def test_a_queue_triggers_its_function(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    out_url, _ = aws.queue()
    source = (
        "import boto3, os\n"
        "def handler(event, context):\n"
        "    for record in event['Records']:\n"
        "        boto3.client('sqs').send_message(QueueUrl=os.environ['OUT'], MessageBody=record['body'].upper())\n"
    )
    role = aws.role("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    function = aws.function(source, role=role, environment={"OUT": out_url})
    aws.client("lambda").create_event_source_mapping(EventSourceArn=queue_arn, FunctionName=function, BatchSize=1)

    aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody="hello")

    assert until(lambda: aws.messages(out_url, 1))[0]["Body"] == "HELLO"
