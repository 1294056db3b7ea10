"""One address for everything: connections are kept, answers stream, and what is not emulated is refused by name."""

import http.client
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import gateway
from tests.integration.local_core.aws import Aws

BODY = b"x" * 100_000


def application(environ: gateway.Environ, start_response: gateway.StartResponse) -> Iterable[bytes]:
    """Answers in three parts, the last only when the client says that it has seen the first."""
    if environ["PATH_INFO"] == "/unread":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    if environ["PATH_INFO"] == "/breaks":
        raise KeyError("a service's bug")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return parts()


seen = threading.Event()


def parts() -> Iterator[bytes]:
    yield b"one"
    yield b"two"
    assert seen.wait(5), "the client saw nothing before the end"
    yield b"three"


@pytest.fixture(scope="module")
def connection() -> Iterator[http.client.HTTPConnection]:
    listener = gateway.bind(0)
    server = gateway.server_on(listener, application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = listener.getsockname()
    client = http.client.HTTPConnection(host, port, timeout=10)
    yield client
    client.close()
    server.shutdown()
    server.server_close()
    listener.close()


def test_an_answer_streams_part_by_part(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/stream")
    answer = connection.getresponse()

    first = answer.read1()
    seen.set()

    assert first in {b"one", b"onetwo"}
    assert (first + answer.read()) == b"onetwothree"


def test_a_connection_serves_many_requests_even_when_a_body_stays_unread(
    connection: http.client.HTTPConnection,
) -> None:
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/unread", body=BODY)
        assert connection.getresponse().read() == b"ok"
        assert connection.sock is not None
        sockets.add(connection.sock.getsockname())

    assert len(sockets) == 1


def test_a_chunked_body_that_stays_unread_does_not_spoil_the_next_request(
    connection: http.client.HTTPConnection,
) -> None:
    for _ in range(2):
        connection.request(
            "POST", "/unread", body=iter([BODY, BODY]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        assert connection.getresponse().read() == b"ok"


def test_a_service_that_breaks_is_one_failed_request(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/breaks")
    broken = connection.getresponse()
    assert (broken.status, b"InternalFailure" in broken.read()) == (500, True)

    connection.request("GET", "/unread")
    assert connection.getresponse().read() == b"ok"


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "named"),
    [
        pytest.param("kendra", "list_indices", {}, "kendra.ListIndices", id="a service that is not there"),
        pytest.param(
            "stepfunctions",
            "redrive_execution",
            {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:m:e"},
            "states.RedriveExecution",
            id="a missing JSON operation",
        ),
        pytest.param(
            "sns", "list_origination_numbers", {}, "sns.ListOriginationNumbers", id="a missing query operation"
        ),
        pytest.param(
            "lambda", "list_capacity_providers", {}, "lambda.ListCapacityProviders", id="a missing REST operation"
        ),
        pytest.param(
            "sagemaker",
            "create_training_job",
            {
                "TrainingJobName": "t",
                "RoleArn": "arn:aws:iam::123456789012:role/r",
                "AlgorithmSpecification": {"TrainingInputMode": "File"},
                "OutputDataConfig": {"S3OutputPath": "s3://b"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {},
            },
            "CreateTrainingJob",
            id="an operation of SageMaker",
        ),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(
    aws: Aws, service: str, operation: str, arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(aws.client(service), operation)(**arguments)

    assert "does not emulate" in str(refused.value)
    assert named in str(refused.value)


def test_a_bucket_called_endpoints_is_still_a_bucket(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="endpoints")
    s3.put_object(Bucket="endpoints", Key="x/invocations", Body=b"an object")

    assert s3.get_object(Bucket="endpoints", Key="x/invocations")["Body"].read() == b"an object"


def test_a_connection_that_nobody_uses_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    monkeypatch.setattr(gateway._RequestHandler, "timeout", 0.1)
    listener = gateway.bind(0)
    server = gateway.server_on(listener, answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    with socket.create_connection(listener.getsockname(), timeout=5) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b"".join(iter(lambda: idle.recv(1024), b""))
    gateway.close(server)
    listener.close()

    assert received.endswith(b"ok"), "it was answered first"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
