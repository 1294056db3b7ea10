"""Faults of API calls, as a client of AWS meets them: each service's own word for each failure, and lost answers."""

import http.client
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.integration.local_core.aws import Aws, unique
from tests.integration.local_core.conftest import TIME_SCALE
from tests.integration.local_core.test_step_functions import jsonata


class Board:
    """The board of faults, by plain HTTP."""

    def __init__(self, aws: Aws) -> None:
        self._host = aws.url.removeprefix("http://")

    def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        headers = {"Content-Type": "application/json", **headers}
        connection.request(method, f"/_local/faults{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else None

    def set(self, kind: str = "api", **fields: Any) -> str:
        status, fault = self.ask("POST", body={"kind": kind, **fields})
        assert status == 201, fault
        return str(fault["id"])


@pytest.fixture
def board(aws: Aws) -> Iterator[Board]:
    board = Board(aws)
    yield board
    assert board.ask("DELETE")[0] == 204


# Codes: botocore's service models for the errors that an operation lists, "Common error types" of each API reference
# for the others, "Error responses" of the S3 API Reference, and AWS re:Post for SNS.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("list_buckets", {}),
    "dynamodb": ("get_item", {"TableName": "none", "Key": {"id": {"S": "1"}}}),
    "lambda": ("get_function", {"FunctionName": "none"}),
    "sqs": ("list_queues", {}),
    "sns": ("publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:none", "Message": "m"}),
    "stepfunctions": ("list_state_machines", {}),
    "sagemaker": ("list_endpoints", {}),
    "sagemaker-runtime": ("invoke_endpoint", {"EndpointName": "none", "Body": b"{}"}),
    "cloudwatch": ("describe_alarms", {}),
    "events": ("list_rules", {}),
    "iam": ("list_roles", {}),
    "ssm": ("describe_parameters", {}),
    "ecr": ("describe_repositories", {}),
    "elbv2": ("describe_load_balancers", {}),
    "ec2": ("describe_vpcs", {}),
    "logs": ("describe_log_groups", {}),
    "sts": ("get_caller_identity", {}),
    "cloudformation": ("list_stacks", {}),
}


def refused(aws: Aws, service: str) -> tuple[str, int]:
    operation, arguments = CALLS[service]
    with pytest.raises(ClientError) as error:
        getattr(aws.client(service), operation)(**arguments)
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("service", "expected"),
    {
        "s3": ("SlowDown", 503),
        "dynamodb": ("ProvisionedThroughputExceededException", 400),
        "lambda": ("TooManyRequestsException", 429),
        "sqs": ("RequestThrottled", 400),
        "sns": ("ThrottlingException", 400),
        "stepfunctions": ("ThrottlingException", 400),
        "sagemaker": ("ThrottlingException", 400),
        "sagemaker-runtime": ("ThrottlingException", 400),
        "cloudwatch": ("ThrottlingException", 400),
        "events": ("ThrottlingException", 400),
        "iam": ("Throttling", 400),
        "ssm": ("ThrottlingException", 400),
        "ecr": ("ThrottlingException", 400),
        "elbv2": ("Throttling", 400),
        "ec2": ("RequestLimitExceeded", 503),
        "logs": ("ThrottlingException", 400),
        "sts": ("Throttling", 400),
        "cloudformation": ("Throttling", 400),
    }.items(),
)
def test_every_service_throttles_in_its_own_words(
    aws: Aws, board: Board, service: str, expected: tuple[str, int]
) -> None:
    board.set(failure="throttled", times=1)

    assert refused(aws, service) == expected
    assert board.ask("GET")[1]["faults"][0]["struck"] == 1


@pytest.mark.parametrize(
    ("service", "denied", "broken"),
    [
        ("s3", ("AccessDenied", 403), ("InternalError", 500)),
        ("dynamodb", ("AccessDeniedException", 400), ("InternalServerError", 500)),
        ("lambda", ("AccessDeniedException", 403), ("ServiceException", 500)),
        ("sqs", ("AccessDenied", 403), ("InternalFailure", 500)),
        ("sns", ("AuthorizationError", 403), ("InternalError", 500)),
        ("sagemaker", ("AccessDeniedException", 400), ("InternalFailure", 500)),
        ("sagemaker-runtime", ("AccessDeniedException", 403), ("InternalFailure", 500)),
        ("events", ("AccessDeniedException", 400), ("InternalException", 500)),
        ("iam", ("AccessDenied", 403), ("ServiceFailure", 500)),
        ("ecr", ("AccessDeniedException", 400), ("ServerException", 500)),
        ("ec2", ("UnauthorizedOperation", 403), ("InternalError", 500)),
        ("sts", ("AccessDenied", 403), ("InternalFailure", 500)),
    ],
)
def test_every_service_denies_and_breaks_in_its_own_words(
    aws: Aws, board: Board, service: str, denied: tuple[str, int], broken: tuple[str, int]
) -> None:
    board.set(failure="denied", times=1)
    board.set(failure="internal-error", times=1)

    assert refused(aws, service) == denied
    assert refused(aws, service) == broken


def test_a_fault_strikes_the_operation_and_the_caller_that_it_names(aws: Aws, board: Board) -> None:
    sts = aws.client("sts")
    board.set(service="sts", operation="GetCallerIdentity", caller="arn:aws:sts::*:assumed-role/*")

    assert sts.get_caller_identity()["Account"] == "123456789012"
    board.set(service="sts", operation="GetCallerIdentity", caller="*:user/administrator")
    with pytest.raises(ClientError, match="Rate exceeded"):
        sts.get_caller_identity()
    assert sts.get_access_key_info(AccessKeyId="AKIAIOSFODNN7EXAMPLE")["Account"]


def test_a_call_that_is_lost_before_has_no_effect_and_one_that_is_lost_after_has(aws: Aws, board: Board) -> None:
    s3 = aws.client("s3")
    names = unique("lost-before"), unique("lost-after")

    for name, failure in zip(names, ("lost-before", "lost-after"), strict=True):
        board.set(service="s3", operation="CreateBucket", failure=failure, times=1)
        with pytest.raises(ConnectionClosedError):
            s3.create_bucket(Bucket=name)

    known = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert set(names) & known == {names[1]}


def test_a_late_answer_comes_on_the_clock_of_aws_and_its_effect_before_it(aws: Aws, board: Board) -> None:
    delay_s = 100.0
    sqs = aws.client("sqs")
    url, _ = aws.queue()
    board.set(service="sqs", operation="SendMessage", failure="late", delayS=delay_s)

    began = time.monotonic()
    sqs.send_message(QueueUrl=url, MessageBody="late")

    assert delay_s / TIME_SCALE <= time.monotonic() - began
    assert [message["Body"] for message in aws.messages(url, 1)] == ["late"]


def test_what_a_machine_calls_fails_too_and_its_retry_heals_it(aws: Aws, board: Board) -> None:
    machine = aws.machine(
        jsonata(
            "Ask",
            Ask={
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sagemaker:listEndpoints",
                "Arguments": {},
                "Retry": [{"ErrorEquals": ["SageMaker.SageMakerException"], "IntervalSeconds": 1, "MaxAttempts": 2}],
                "Output": "done",
                "End": True,
            },
        ),
        aws.role("sagemaker:ListEndpoints"),
    )
    fault = board.set(service="sagemaker", operation="ListEndpoints", caller="*assumed-role/*", times=2)

    assert aws.run(machine)["status"] == "SUCCEEDED"
    assert board.ask("GET", f"/{fault}")[1]["struck"] == 2


def test_a_lambda_task_of_a_machine_is_throttled_by_the_name_that_its_retry_matches(aws: Aws, board: Board) -> None:
    function = aws.function("def handler(event, context):\n    return 1\n")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": {}},
    }
    caught = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "Next": "Caught"}
    machine = aws.machine(
        jsonata(
            "Call",
            Call={**task, "Catch": [caught], "End": True},
            Caught={"Type": "Succeed", "Output": {"is": "caught"}},
        )
    )
    board.set(service="lambda", operation="Invoke")

    assert json.loads(aws.run(machine)["output"]) == {"is": "caught"}


def test_objects_are_dated_by_the_clock_of_aws_which_can_be_wrong(aws: Aws, board: Board) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()

    def written() -> datetime:
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
        at: datetime = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
        return at

    first = written()
    time.sleep(0.1)
    second = written()
    board.set("clock", part="s3", skewS=-7 * 86_400)

    assert second - first >= timedelta(seconds=0.1 * TIME_SCALE - 1)
    assert written() < first - timedelta(days=6)


def test_a_head_is_refused_without_a_body(aws: Aws, board: Board) -> None:
    board.set(service="s3", operation="HeadBucket", failure="denied")

    with pytest.raises(ClientError) as error:
        aws.client("s3").head_bucket(Bucket=unique("any"))

    assert error.value.response["Error"]["Code"] == "403"


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_a_presigned_address_fails_as_a_signed_request_does(aws: Aws, board: Board, signature: str) -> None:
    signer = aws.new_client("s3", Config(signature_version=signature))
    address = signer.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})
    board.set(service="s3", operation="GetObject", failure="throttled")
    connection = http.client.HTTPConnection(aws.url.removeprefix("http://"), timeout=10)

    connection.request("GET", address.removeprefix(aws.url))
    answer = connection.getresponse()

    body = answer.read()
    connection.close()
    assert (answer.status, b"<Code>SlowDown</Code>" in body) == (503, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "sentence"),
    [
        ("POST", "", {"kind": "weather"}, {}, 400, "a kind of api, fleet"),
        ("POST", "", {"kind": "api"}, {"Content-Type": "text/plain"}, 415, "application/json"),
        ("POST", "/fault-1", {"kind": "api"}, {}, 405, "GET, POST and DELETE /_local/faults"),
        ("PUT", "", {}, {}, 405, "PUT /_local/faults means nothing here"),
        ("GET", "/fault-0", None, {}, 404, "there is no fault 'fault-0'"),
        ("DELETE", "/fault-0", None, {}, 404, "there is no fault 'fault-0'"),
        ("GET", "/a/b", None, {}, 404, "faults are at /_local/faults"),
    ],
)
def test_a_wrong_request_to_the_board_is_one_sentence(  # noqa: PLR0913, PLR0917 - a table of requests
    board: Board, method: str, path: str, body: Any, headers: dict[str, str], status: int, sentence: str
) -> None:
    answered, content = board.ask(method, path, body, **headers)

    assert answered == status
    assert sentence in content["message"]


def test_the_boards_address_is_no_bucket_and_a_buckets_own_host_is_not_the_boards(aws: Aws, board: Board) -> None:
    bucket = aws.bucket()
    aws.client("s3").put_object(Bucket=bucket, Key="_local/faults", Body=b"an object")
    connection = http.client.HTTPConnection(aws.url.removeprefix("http://"), timeout=10)

    port = aws.url.rpartition(":")[2]
    connection.request("GET", "/_local/faults", headers={"Host": f"{bucket}.s3.localhost:{port}"})
    body = connection.getresponse().read()
    connection.close()

    assert b'"faults"' not in body
    assert board.ask("GET") == (200, {"faults": []})
