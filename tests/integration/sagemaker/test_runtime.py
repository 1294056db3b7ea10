"""InvokeEndpoint and its streaming form, as boto3 sees them."""

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, EventStreamError

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.data_plane import runtime
from tests.integration.sagemaker.conftest import LIMITS, Aws


@pytest.fixture(scope="module")
def live(shared: Aws) -> Aws:
    shared.endpoint(shared.config("one"))
    return shared


def test_modelled_headers_reach_the_container_and_others_are_stripped(live: Aws) -> None:
    session = live.runtime
    session.meta.events.register(
        "before-sign.sagemaker-runtime.InvokeEndpoint",
        lambda request, **_: request.headers.add_header("traceparent", "00-1-2-01"),
    )

    answer = session.invoke_endpoint(
        EndpointName="chat",
        Body=b"facts",
        ContentType="application/json",
        Accept="text/plain",
        CustomAttributes="trace=7",
        InferenceId="abc",
        TargetVariant="AllTraffic",
    )

    headers = {name.lower(): value for name, value in json.loads(answer["Body"].read())["headers"].items()}
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "text/plain"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    assert headers["x-amzn-sagemaker-inference-id"] == "abc"
    assert not {"traceparent", "authorization", "x-amz-date"} & set(headers)


def test_an_answer_names_the_variant_and_carries_the_containers_attributes(live: Aws) -> None:
    answer = live.invoke()

    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "name=one"
    assert answer["ContentType"] == "application/json"


def test_a_stream_names_the_variant_and_carries_the_containers_attributes(live: Aws) -> None:
    answer = live.runtime.invoke_endpoint_with_response_stream(EndpointName="chat", Body=b"stream")

    with closing(answer["Body"]) as parts:
        assert len(list(parts)) == 3
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "name=one"
    assert answer["ContentType"] == "text/event-stream"


@pytest.mark.parametrize("call", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_a_containers_error_is_a_model_error_with_its_status_and_words(live: Aws, call: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(live.runtime, call)(EndpointName="chat", Body=b"fail")

    answer: dict[str, Any] = {**caught.value.response}
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 500
    assert answer["OriginalMessage"] == '{"error": "the model fell over"}'
    assert answer["LogStreamArn"].endswith("/aws/sagemaker/Endpoints/chat")


@pytest.mark.parametrize("limits", [replace(LIMITS, invocation_s=1.0)], ids=["1 s"])
def test_a_container_that_takes_too_long_is_a_model_error_without_a_status(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    with pytest.raises(ClientError, match="timed out while waiting for a response from container primary") as caught:
        aws.invoke("hang")

    assert {**caught.value.response}["OriginalStatusCode"] == 0


def test_a_stream_that_breaks_raises_after_the_parts_that_came(live: Aws) -> None:
    with live.open_stream("break") as stream:
        parts = iter(stream)
        assert next(parts)["PayloadPart"]["Bytes"] == b"data: 0\n\n"
        assert next(parts)["PayloadPart"]["Bytes"] == b"data: 1\n\n"

        with pytest.raises(EventStreamError, match=r"\(ModelStreamError\).*broke in mid-stream"):
            next(parts)


def test_a_stream_that_outlives_its_limit_says_so(live: Aws) -> None:
    with (
        live.open_stream("stream 400") as stream,
        pytest.raises(EventStreamError, match=r"ModelStreamError.*time limit"),
    ):
        list(stream)


def test_a_client_that_leaves_in_mid_stream_closes_the_containers_connection(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    with aws.open_stream("stream 140") as stream:
        next(iter(stream))

    aws.until((aws.world.state_dir / "disconnected").exists)


def test_several_requests_run_at_once(live: Aws) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: live.invoke("slow")["Body"].read(), range(4)))

    assert answers == [b"one"] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"EndpointName": "nobody"}, "Endpoint nobody of account 123456789012 not found", id="no endpoint"),
        pytest.param({"TargetVariant": "Canary"}, "Variant Canary not found", id="no such variant"),
        pytest.param({"CustomAttributes": "é"}, "regular expression pattern", id="attributes beyond ASCII"),
        pytest.param({"TargetModel": "a.tar.gz"}, "does not emulate TargetModel", id="multi-model endpoint"),
    ],
)
def test_a_request_that_cannot_be_meant_is_a_validation_error(
    live: Aws, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(live.runtime.exceptions.ClientError, match=message) as caught:
        live.runtime.invoke_endpoint(**{"EndpointName": "chat", "Body": b"echo", **arguments})

    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_a_body_of_25_mib_passes_and_one_byte_more_does_not(live: Aws) -> None:
    assert live.invoke("x" * Behaviour.payload_limit_bytes)["Body"].read() == b"one: 26214400 bytes"

    with pytest.raises(ClientError, match="26214401 bytes or more; the limit is 26214400") as caught:
        live.invoke("x" * (Behaviour.payload_limit_bytes + 1))

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_the_openai_path_passes_answers_and_errors_through(live: Aws) -> None:
    signed = base64.urlsafe_b64encode(b"https://x/?X-Amz-Credential=local%2F20260101%2Fus-east-1").decode()
    url = f"{live.world.url}/endpoints/chat/openai/v1/chat/completions"
    headers = {"Authorization": f"Bearer {signed}"}

    answer = requests.post(url, data=b"facts", headers=headers, timeout=5)
    failed = requests.post(url, data=b"fail", headers=headers, timeout=5)

    assert answer.json()["path"] == "/v1/chat/completions"
    assert (failed.status_code, failed.text) == (500, '{"error": "the model fell over"}')


def test_an_unsigned_request_is_refused(live: Aws) -> None:
    answer = requests.post(f"{live.world.url}/endpoints/chat/invocations", data=b"echo", timeout=5)

    assert (answer.status_code, answer.json()["__type"]) == (403, "MissingAuthenticationTokenException")


def test_the_service_breaking_in_mid_stream_ends_it_by_its_own_name(live: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "payload_part", None)

    with live.open_stream("stream") as stream, pytest.raises(EventStreamError, match="InternalStreamFailure"):
        list(stream)


def test_no_healthy_instance_is_service_unavailable(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    (share,) = aws.twin._registry.endpoints.get("chat").traffic
    share.fleet.variants["AllTraffic"].instances[0].port = 9  # nobody listens on the discard port

    with pytest.raises(ClientError, match="no healthy instance") as caught:
        aws.invoke()

    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


# What requests leave in CloudWatch. The account is shared by all tests, so each has an endpoint config of its own.


def test_invocations_errors_and_latency_are_measured_for_the_variant_of_its_config(aws: Aws) -> None:
    aws.endpoint(aws.config("measured", instances=2))
    aws.invoke()["Body"].read()
    with pytest.raises(ClientError):
        aws.invoke("fail")

    aws.until(lambda: of_config(aws, "measured", "Invocations") == 2)
    assert of_config(aws, "measured", "InvocationsPerInstance") == 1
    assert of_config(aws, "measured", "Invocation5XXErrors") == 1
    assert of_config(aws, "measured", "Invocation4XXErrors") == 0
    assert of_config(aws, "measured", "ModelLatency") > 0


def test_the_most_requests_at_once_are_measured_and_silence_is_not(aws: Aws) -> None:
    aws.endpoint(aws.config("busy"), "busy")
    aws.endpoint(aws.config("idle"), "idle")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: aws.invoke("slow", "busy"), range(3)))

    aws.until(lambda: of_variant(aws, "busy", "ConcurrentRequestsPerModel", "Maximum"))

    assert of_variant(aws, "busy", "ConcurrentRequestsPerModel", "Maximum") == 3
    published = aws.cloudwatch.list_metrics(Dimensions=[{"Name": "EndpointName", "Value": "idle"}])["Metrics"]
    assert {metric["Namespace"] for metric in published} <= {"/aws/sagemaker/Endpoints"}


def test_instances_are_measured_without_any_request(aws: Aws) -> None:
    aws.endpoint(aws.config("still"), "still")
    namespace = "/aws/sagemaker/Endpoints"

    aws.until(lambda: of_variant(aws, "still", "CPUUtilization", "SampleCount", namespace))

    for metric in ("CPUUtilization", "MemoryUtilization", "DiskUtilization"):
        assert 0 <= of_variant(aws, "still", metric, "Maximum", namespace) <= 100 * (os.cpu_count() or 1)
    assert of_variant(aws, "still", "MemoryUtilization", "Minimum", namespace) > 0


def of_config(aws: Aws, config: str, metric: str) -> float:
    dimensions = {"EndpointName": "chat", "VariantName": "AllTraffic", "EndpointConfigName": config}
    return measured(aws, "AWS/SageMaker", metric, dimensions, "Sum")


def of_variant(aws: Aws, endpoint: str, metric: str, statistic: str, namespace: str = "AWS/SageMaker") -> float:
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    return measured(aws, namespace, metric, dimensions, statistic)


def measured(aws: Aws, namespace: str, metric: str, dimensions: dict[str, str], statistic: str) -> float:
    """The statistic of everything that was ever published; 0 without any."""
    now = aws.world.clock.time()
    answer = aws.cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - 3600,
        EndTime=now + 60,
        Period=86400,
        Statistics=[statistic],
    )
    return float(sum(point[statistic] for point in answer["Datapoints"]))
