"""The real server and its stand-in, over a socket, against the published schemas."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.inference.schemas import check, examples
from tests.integration.inference.servers import ATTRIBUTES, Server, events, running
from tests.integration.inference.tiny_model import save_tiny_model

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "one two three four"}], "max_tokens": 3}
TEXT: dict[str, Any] = {"inputs": "one two three four", "parameters": {"max_new_tokens": 3}}


@pytest.fixture(scope="module", params=["stand_in.py", "serve"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("contract")
    model = save_tiny_model(folder / "model")
    with running(request.param, model, folder / "log") as started:
        started.await_ready()
        yield started


def stream(server: Server, body: dict[str, Any], path: str = "/invocations") -> tuple[Any, list[Any]]:
    with server.client.stream("POST", path, json={**body, "stream": True}) as answer:
        return answer, list(events(answer.iter_lines()))


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions"])
def test_a_chat_answer_has_its_published_shape(server: Server, path: str) -> None:
    answer = server.ask(CHAT, path)

    assert answer.status_code == 200
    check("chat-response", answer.json())
    assert answer.json()["usage"]["completion_tokens"] == 3
    assert answer.json()["choices"][0]["finish_reason"] == "length"


def test_a_text_answer_has_its_published_shape(server: Server) -> None:
    answer = server.ask(TEXT)

    check("text-response", answer.json())
    assert answer.json()[0]["details"]["generated_tokens"] == 3


@pytest.mark.parametrize("usage", [True, False])
def test_a_chat_stream_has_its_published_events_and_ends_in_done(server: Server, *, usage: bool) -> None:
    answer, chunks = stream(server, {**CHAT, "stream_options": {"include_usage": usage}})

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert chunks.pop() == "[DONE]"
    for chunk in chunks:
        check("chat-chunk", chunk)
    assert ("usage" in chunks[-1]) is usage
    finish = [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]]
    assert (set(finish[:-1]), finish[-1]) == ({None}, "length")
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_a_text_stream_has_its_published_events_and_ends_in_the_whole_text(server: Server) -> None:
    _, chunks = stream(server, TEXT)

    for chunk in chunks:
        check("text-chunk", chunk)
    assert [chunk["details"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["details"]["finish_reason"] == "length"
    assert chunks[-1]["generated_text"] == "".join(chunk["token"]["text"] for chunk in chunks)


@pytest.mark.parametrize("body", [CHAT, TEXT, {}], ids=["chat", "text", "refused"])
def test_every_answer_names_its_release_and_rollout(server: Server, body: dict[str, Any]) -> None:
    attributes = [server.ask(body).headers["X-Amzn-SageMaker-Custom-Attributes"]]
    if body:
        attributes.append(stream(server, body)[0].headers["X-Amzn-SageMaker-Custom-Attributes"])

    assert len(set(attributes)) == 1
    check("custom-attributes", attributes[0])
    assert attributes[0].partition(";fingerprint=")[0] == ATTRIBUTES


def test_an_error_has_its_published_shape_before_a_stream_too(server: Server) -> None:
    refused = server.ask({**CHAT, "stream": True, "max_tokens": 100_000})

    check("error", refused.json())
    assert refused.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("body", examples("invocation-request"))
def test_the_published_requests_are_answered(server: Server, body: dict[str, Any]) -> None:
    answer = server.ask({**body, "stream": False})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_is_an_empty_200_for_either_method(server: Server, method: str) -> None:
    answer = server.client.request(method, "/ping")

    assert (answer.status_code, answer.content) == (200, b"")


def test_the_model_list_names_the_model(server: Server) -> None:
    assert [model["id"] for model in server.client.get("/v1/models").json()["data"]] == ["chat"]


def test_metrics_are_scraped_as_text(server: Server) -> None:
    answer = server.client.get("/metrics")

    assert "slipway_engine_ready 1" in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_the_published_answers_are_what_the_checks_accept() -> None:
    for name in ("chat-response", "chat-chunk", "text-response", "text-chunk", "error", "custom-attributes"):
        for example in examples(name):
            check(name, example)
    assert len(examples("error")) == 1


def test_the_dockerfile_starts_what_these_tests_start() -> None:
    lines = (Path(__file__).parents[3] / "inference_image" / "Dockerfile").read_text().splitlines()

    assert 'ENTRYPOINT ["python3", "/opt/slipway/serve"]' in lines
    assert 'CMD ["serve"]' in lines
    assert next(line for line in lines if line.startswith("ARG")).startswith("ARG BASE_IMAGE")
