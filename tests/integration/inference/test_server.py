"""The server over the real engine and a tiny random model."""

import contextlib
import json
import math
import time
from typing import Any

import httpx
import openai
import pytest
from jsonschema import ValidationError, validate

from tests.contract.inference.schemas import check
from tests.integration.inference.servers import ATTRIBUTES, RELEASE_ID, ROLLOUT_ID, Server, events
from tests.integration.inference.tiny_model import CONTEXT_TOKENS

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
LONG: dict[str, Any] = {"inputs": "hello", "stream": True, "parameters": {"max_new_tokens": 8000}}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The checked error of an answer."""
    body = answer.json()
    check("error", body)
    error: dict[str, Any] = body["error"]
    assert (error["release"], error["rollout"]) == (RELEASE_ID, ROLLOUT_ID)
    check("custom-attributes", answer.headers["X-Amzn-SageMaker-Custom-Attributes"])
    assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"].startswith(f"{ATTRIBUTES};")
    return error


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(server: Server) -> None:
    # One token per byte: 8000 + 193 is one more than 8192.
    answer = server.ask({"inputs": "x" * 8000, "parameters": {"max_new_tokens": 193}})

    error = error_of(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "inputs")
    assert f"prompt of 8000 tokens and max_tokens 193 exceed the context of {CONTEXT_TOKENS}" in error["message"]
    assert "by 1 tokens" in error["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        pytest.param({"inputs": "x" * (20 << 20)}, "inputs", id="a text of 20 MB"),
        pytest.param({"messages": [{"role": "user", "content": "x" * 1000}] * 20_000}, "messages", id="endless talk"),
    ],
)
def test_a_prompt_of_megabytes_is_refused_without_silencing_a_running_stream(
    server: Server, body: dict[str, Any], param: str
) -> None:
    with server.client.stream("POST", "/invocations", json=LONG) as stream:
        pieces = events(stream.iter_lines())
        next(pieces)
        answer = httpx.post(f"{server.url}/invocations", json=body, timeout=60)
        started = time.monotonic()
        next(pieces)

    error = error_of(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", param)
    # The tiny model's longest token is "<assistant>", 11 characters.
    assert f"limit {CONTEXT_TOKENS * 11} characters" in error["message"]
    assert answer.elapsed.total_seconds() < 5
    assert time.monotonic() - started < 1


def test_a_prompt_that_fills_the_context_to_the_last_token_is_answered(server: Server) -> None:
    answer = server.ask({"inputs": "x" * (CONTEXT_TOKENS - 12), "parameters": {"max_new_tokens": 12}})

    assert answer.status_code == 200, answer.text


def test_a_request_without_a_length_gets_what_is_left_of_the_context(server: Server) -> None:
    answer = server.ask({"inputs": "x" * (CONTEXT_TOKENS - 2)})

    assert answer.json()[0]["details"]["generated_tokens"] <= 2


def test_a_refusal_of_the_models_own_template_is_the_callers_400(server: Server) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]

    error = error_of(server.ask({"messages": messages}))

    assert error["code"] == "invalid_request"
    assert "a system message comes first" in error["message"]


def test_greedy_answers_are_the_same_unary_streamed_and_through_both_paths(server: Server) -> None:
    unary = server.ask(CHAT).json()
    check("chat-response", unary)
    with server.client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as stream:
        chunks = list(events(stream.iter_lines()))

    assert chunks[-1] == "[DONE]"
    streamed = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
    assert streamed == unary["choices"][0]["message"]["content"]
    assert chunks[-2]["choices"][0]["finish_reason"] == unary["choices"][0]["finish_reason"]


def test_a_seed_repeats_an_answer(server: Server) -> None:
    def answer(seed: int) -> str:
        parameters = {"max_new_tokens": 40, "temperature": 1.0, "seed": seed}
        text: str = server.ask({"inputs": "hello", "parameters": parameters}).json()[0]["generated_text"]
        return text

    assert answer(1) == answer(1)
    assert answer(1) != answer(2)


def test_log_probabilities_come_in_openais_form_unary_and_streamed(server: Server) -> None:
    body = {**CHAT, "logprobs": True, "top_logprobs": 2}
    unary = server.ask(body).json()
    check("chat-response", unary)
    with server.client.stream("POST", "/invocations", json={**body, "stream": True}) as stream:
        chunks = [chunk for chunk in events(stream.iter_lines()) if chunk != "[DONE]"]
    for chunk in chunks:
        check("chat-chunk", chunk)

    noted = unary["choices"][0]["logprobs"]["content"]
    assert len(noted) == unary["usage"]["completion_tokens"]
    assert all(len(one["top_logprobs"]) == 2 for one in noted)
    # Greedy, so the chosen token is the likeliest.
    assert all(one["top_logprobs"][0]["logprob"] == one["logprob"] for one in noted)
    streamed = [one for chunk in chunks for one in (chunk["choices"][0].get("logprobs") or {"content": []})["content"]]
    assert [one["token"] for one in streamed] == [one["token"] for one in noted]


def test_without_being_asked_for_no_log_probabilities_come(server: Server) -> None:
    assert "logprobs" not in server.ask(CHAT).json()["choices"][0]


@pytest.mark.parametrize("temperature", [0, 2])
def test_a_json_schema_is_met_by_a_model_that_speaks_nonsense(server: Server, temperature: float) -> None:
    schema = {
        "type": "object",
        "properties": {"sure": {"type": "boolean"}, "colour": {"enum": ["red", "green"]}, "mark": {"const": 7}},
        "required": ["sure", "colour", "mark"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    body = {**CHAT, "max_tokens": 200, "temperature": temperature, "seed": 3, "response_format": wanted}

    choice = server.ask(body).json()["choices"][0]

    validate(json.loads(choice["message"]["content"]), schema)
    assert choice["finish_reason"] == "stop"


def test_a_schema_that_is_none_is_the_callers_400(server: Server) -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": {"type": "colour"}}}

    error = error_of(server.ask({**CHAT, "response_format": wanted}))

    assert (error["code"], error["param"]) == ("invalid_request", "response_format")
    assert "the JSON schema cannot guide an answer" in error["message"]


def test_return_full_text_puts_the_prompt_first(server: Server) -> None:
    parameters = {"max_new_tokens": 5}
    plain = server.ask({"inputs": "hello", "parameters": parameters}).json()
    full = server.ask({"inputs": "hello", "parameters": {**parameters, "return_full_text": True}}).json()

    assert full[0]["generated_text"] == "hello" + plain[0]["generated_text"]


def test_the_openai_client_works_unary_and_streamed(server: Server) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="local") as client:
        messages: Any = CHAT["messages"]
        whole = client.chat.completions.create(model="chat", messages=messages, max_tokens=8, temperature=0)
        with client.chat.completions.create(
            model="chat",
            messages=messages,
            max_tokens=8,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            chunks = list(stream)
        models = client.models.list().data
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="chat", messages=messages, max_tokens=CONTEXT_TOKENS)

    assert whole.choices[0].message.content == "".join(
        chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices
    )
    assert chunks[-1].usage == whole.usage
    assert [model.id for model in models] == ["chat"]
    assert refused.value.code == "context_length_exceeded"


def test_a_disconnect_frees_the_slot_within_a_second(server: Server) -> None:
    for _ in range(3):  # one more than there are slots, so a slot that stays taken blocks the last
        with server.client.stream("POST", "/invocations", json=LONG) as stream:
            next(events(stream.iter_lines()))
        assert server.await_idle() < 1.0
    started = time.monotonic()

    answer = server.ask(CHAT)

    assert answer.status_code == 200
    assert time.monotonic() - started < 2.0


def test_when_slots_and_queue_are_full_the_next_request_is_refused_at_once(server: Server) -> None:
    with contextlib.ExitStack() as open_streams:
        for _ in range(3):  # two run, one waits
            open_streams.enter_context(server.client.stream("POST", "/invocations", json=LONG))
        answer = server.ask(CHAT)
    server.await_idle()

    error = error_of(answer)
    assert (answer.status_code, error["code"], error["type"]) == (429, "queue_full", "overloaded_error")
    assert math.ceil(error["retryAfterSeconds"]) == int(answer.headers["Retry-After"])  # the header has whole seconds
    assert "3 requests are running or waiting, limit 3" in error["message"]


def test_a_body_over_the_limit_is_refused(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        answer = client.post("/invocations", content=b" " * (25 * 1024 * 1024 + 1))

    assert (answer.status_code, error_of(answer)["code"]) == (413, "body_too_large")


def test_a_header_over_the_limit_is_refused_with_its_own_number(server: Server) -> None:
    answer = server.client.get("/ping", headers={"X-Long": "x" * 9000})

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (413, "body_too_large")
    assert "header" in error["message"]
    assert "8192 bytes" in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/invocations", 405, "method_not_allowed"), ("GET", "/v2", 404, "not_found")],
)
def test_what_is_not_there_is_refused_in_the_common_form(
    server: Server, method: str, path: str, status: int, code: str
) -> None:
    answer = server.client.request(method, path)

    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


def test_ping_answers_quickly_while_the_engine_works(server: Server) -> None:
    with server.client.stream("POST", "/invocations", json=LONG) as stream:
        next(events(stream.iter_lines()))
        started = time.monotonic()
        answers = [httpx.get(f"{server.url}/ping") for _ in range(10)]
        spent_s = time.monotonic() - started

    assert [answer.status_code for answer in answers] == [200] * 10
    assert all(answer.content == b"" for answer in answers)
    assert spent_s < 2.0, "SageMaker gives each ping 2 s"


def test_the_schemas_can_fail() -> None:
    with pytest.raises(ValidationError):
        check("chat-response", {"id": "x"})
