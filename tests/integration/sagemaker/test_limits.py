"""Bounds of the data plane, and the switches for what AWS does not document of it: both sides of each."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests
from botocore.exceptions import ClientError

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.fleets.instance import Limits
from tests.integration.sagemaker.conftest import Aws

BYTES_OF_THE_MODEL = 6_291_456  # BodyBlob's max in the API's model
ATTRIBUTES = 1024  # CustomAttributesHeader's max, likewise
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/sagemaker/aws4_request"}


@pytest.fixture
def live(aws: Aws) -> Aws:
    aws.endpoint(aws.config("one"))
    return aws


@pytest.mark.parametrize("behaviour", [Behaviour(payload_limit_bytes=BYTES_OF_THE_MODEL)], ids=["6 MiB"])
def test_the_payload_limit_may_be_the_one_of_the_apis_model(live: Aws) -> None:
    assert live.invoke("x" * BYTES_OF_THE_MODEL)["Body"].read() == b"one: 6291456 bytes"

    with pytest.raises(ClientError, match="the limit is 6291456") as caught:
        live.invoke("x" * (BYTES_OF_THE_MODEL + 1))

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


@pytest.mark.parametrize("behaviour", [Behaviour(payload_limit_bytes=100_000)], ids=["100,000 bytes"])
def test_an_answer_over_the_limit_is_a_model_error_but_a_stream_has_none(live: Aws) -> None:
    assert len(live.invoke("big 100000")["Body"].read()) == 100_000
    assert sum(map(len, live.stream("big 100001"))) == 100_001

    with pytest.raises(ClientError, match="more than 100000 bytes") as caught:
        live.invoke("big 100001")

    assert caught.value.response["Error"]["Code"] == "ModelError"


def test_custom_attributes_of_1024_characters_pass_both_ways(live: Aws) -> None:
    sent = "a" * ATTRIBUTES

    assert live.facts(CustomAttributes=sent)["headers"]["X-Amzn-SageMaker-Custom-Attributes"] == sent
    assert live.invoke(f"attributes {ATTRIBUTES}")["CustomAttributes"] == sent
    with pytest.raises(ClientError, match="length less than or equal to 1024"):
        live.invoke(CustomAttributes=sent + "a")


def test_control_characters_are_not_visible_ascii(live: Aws) -> None:
    url = f"{live.world.url}/endpoints/chat/invocations"

    answer = requests.post(url, headers={**SIGNED, "X-Amzn-SageMaker-Custom-Attributes": "a\x01b"}, timeout=5)

    assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationError")
    assert "visible US-ASCII" in answer.json()["message"]


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(), Behaviour(malformed_headers_fail_the_answer=False)],
    ids=["the answer fails", "the header goes"],
)
@pytest.mark.parametrize("call", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_an_answers_header_beyond_the_apis_model(live: Aws, behaviour: Behaviour, call: str) -> None:
    arguments = {"EndpointName": "chat", "Body": f"attributes {ATTRIBUTES + 1}".encode()}

    if behaviour.malformed_headers_fail_the_answer:
        with pytest.raises(ClientError, match="CustomAttributes has 1025 characters; the limit is 1024") as caught:
            getattr(live.runtime, call)(**arguments)
        assert caught.value.response["Error"]["Code"] == "ModelError"
    else:
        answer = getattr(live.runtime, call)(**arguments)
        with closing(answer["Body"]):
            assert "CustomAttributes" not in answer
    live.until(lambda: live.in_flight() == 0)


def test_of_an_answers_headers_the_client_gets_the_modelled_ones_alone(live: Aws) -> None:
    headers = live.invoke()["ResponseMetadata"]["HTTPHeaders"]

    assert {"x-amzn-sagemaker-custom-attributes", "x-amzn-invoked-production-variant", "content-type"} <= set(headers)
    assert "x-unmodelled" not in headers


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(), Behaviour(client_disconnects_reach_containers=False)],
    ids=["the container learns it", "the answer is read to its end"],
)
def test_a_client_that_leaves_in_mid_stream(live: Aws, behaviour: Behaviour) -> None:
    with live.open_stream("stream 60") as stream:
        next(iter(stream))

    reaches = behaviour.client_disconnects_reach_containers
    live.until((live.world.state_dir / ("disconnected" if reaches else "streamed")).exists)
    assert not (live.world.state_dir / ("streamed" if reaches else "disconnected")).exists()
    live.until(lambda: live.in_flight() == 0)


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(), Behaviour(client_disconnects_reach_containers=False)],
    ids=["the container learns it", "nobody tells the container"],
)
def test_a_client_that_leaves_before_the_answer_begins(live: Aws, behaviour: Behaviour) -> None:
    url = f"{live.world.url}/endpoints/chat/invocations"

    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(url, data=b"watch", headers=SIGNED, timeout=0.2)
    live.until(lambda: live.in_flight() == 0)

    noticed = (live.world.state_dir / "disconnected").exists()
    assert noticed is behaviour.client_disconnects_reach_containers


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(), Behaviour(requests_finish_before_sigterm=False)],
    ids=["it may finish", "SIGTERM comes at once"],
)
def test_a_request_in_flight_on_an_instance_that_leaves(live: Aws, behaviour: Behaviour) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(live.invoke, "slow")
        live.until(live.in_flight)
        live.sagemaker.delete_endpoint(EndpointName="chat")

        if behaviour.requests_finish_before_sigterm:
            assert asked.result()["Body"].read() == b"one"
        else:
            with pytest.raises(ClientError, match="no whole answer"):
                asked.result()


@pytest.mark.parametrize("limits", [Limits(kill_after_s=1.0)], ids=["1 s from SIGTERM to SIGKILL"])
def test_a_container_gets_sigterm_and_then_sigkill(aws: Aws) -> None:
    aws.endpoint(aws.config("one", START="stubborn"))
    (child,) = aws.world.processes._children
    began = time.monotonic()

    aws.sagemaker.delete_endpoint(EndpointName="chat")
    aws.until((aws.world.state_dir / "terminated").exists)
    aws.until(lambda: aws.instances() == 0)

    assert child.returncode == -9
    assert time.monotonic() - began >= 1.0, "SIGKILL came before its time"


def test_the_real_bounds_are_aws_own() -> None:
    """60 s, 8 minutes, 30 s and 25 MB. Sources: "How Containers Serve Requests" and "Deploy models" of the guide."""
    limits = Limits()

    assert (limits.invocation_s, limits.stream_s, limits.kill_after_s) == (60, 8 * 60, 30)
    assert Behaviour().payload_limit_bytes == 25 * 2**20


def test_a_hundred_streams_at_once_all_end_whole(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: aws.stream("stream 5"), range(100)))

    assert {b"".join(parts) for parts in answers} == {b"".join(b"data: %d\n\n" % number for number in range(5))}
