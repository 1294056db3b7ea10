"""SageMaker's contract with a container.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html, and the runtime API's model
in botocore (sagemaker-runtime 2017-05-13) for headers and sizes.
"""

import re
import socket
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from tests.contract_kit.conftest import Target

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_is_200_within_two_seconds(target: Target, method: str) -> None:
    answer = target.http.request(method, "/ping")

    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 2


def test_ping_has_an_empty_body(target: Target) -> None:
    answer = target.http.get("/ping")

    assert (answer.status_code, answer.content) == (200, b"")


def test_a_connection_is_accepted_within_250_ms(target: Target) -> None:
    at = urlsplit(target.url)
    started = time.monotonic()
    with socket.create_connection((at.hostname or "", at.port or 80)):
        assert time.monotonic() - started < 0.25


def test_invocations_answers_chat(target: Target) -> None:
    answer = target.ask("/invocations")

    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["role"] == "assistant"


def test_invocations_answers_text_generation(target: Target) -> None:
    body = {"inputs": "The capital of France is", "parameters": {"max_new_tokens": 4}}
    answer = target.http.post("/invocations", json=body)

    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()[0]["generated_text"], str)


def test_invocations_streams_in_chunks_to_done(target: Target) -> None:
    with target.http.stream("POST", "/invocations", json=target.chat(stream=True)) as answer:
        lines = [line for line in answer.iter_lines() if line]

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"


def test_headers_that_it_does_not_know_are_ignored(target: Target) -> None:
    headers = {
        "X-Amzn-SageMaker-Inference-Id": "i-1",
        "X-Amzn-SageMaker-Target-Variant": "AllTraffic",
        "X-Something-Else": "1",
    }
    answer = target.http.post("/invocations", json=target.chat(), headers=headers)

    assert answer.status_code == 200, answer.text


def test_custom_attributes_come_back(target: Target) -> None:
    answer = target.http.post("/invocations", json=target.chat(), headers={ATTRIBUTES: "trace=4bf92f3577b34da6"})

    assert "trace=4bf92f3577b34da6" in answer.headers[ATTRIBUTES]
    assert len(answer.headers[ATTRIBUTES]) <= 1024


def test_a_body_of_25_mb_is_read_and_answered_in_words(target: Target) -> None:
    body = target.chat(messages=[{"role": "user", "content": "x" * (25 * 1000 * 1000)}])
    answer = target.http.post("/invocations", json=body)

    # No context holds it, so it is the caller's fault, but not for its size in bytes.
    assert answer.status_code == 400, answer.text[:200]
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_body_of_26_mib_is_refused(target: Target) -> None:
    answer = target.http.post("/invocations", content=b" " * (26 << 20))

    assert answer.status_code == 413


def test_an_error_is_json_within_the_2048_characters_that_a_caller_sees(target: Target) -> None:
    answer = target.http.post("/invocations", json={**target.chat(), "x" * 5000: "y" * 5000, "temperature": "hot"})

    assert 400 <= answer.status_code < 500
    assert len(answer.text) <= 2048
    assert answer.json()["error"]["message"]


def test_a_session_opens_serves_and_closes(target: Target) -> None:
    opened = target.http.post("/invocations", json={"requestType": "NEW_SESSION"})
    said = opened.headers["X-Amzn-SageMaker-New-Session-Id"]
    # botocore's pattern of NewSessionResponseHeader.
    found = re.fullmatch(r"([a-zA-Z0-9][a-zA-Z0-9-]*); Expires=(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)", said)
    assert found, said
    session = {"X-Amzn-SageMaker-Session-Id": found[1]}
    within = target.http.post("/invocations", json=target.chat(), headers=session)
    closed = target.http.post("/invocations", json={"requestType": "CLOSE"}, headers=session)
    after = target.http.post("/invocations", json=target.chat(), headers=session)

    assert datetime.fromisoformat(found[2]) > datetime.now(UTC) + timedelta(seconds=1)
    assert within.status_code == closed.status_code == 200
    assert closed.headers["X-Amzn-SageMaker-Closed-Session-Id"] == found[1]
    assert after.status_code == 400


def test_an_adapter_that_is_not_there_is_never_answered_by_the_plain_model(target: Target) -> None:
    headers = {"X-Amzn-SageMaker-Adapter-Identifier": "no-such-adapter"}
    answer = target.http.post("/invocations", json=target.chat(), headers=headers)

    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]
