"""OpenAI's API as its client uses it, and Hugging Face's client.

Source: https://platform.openai.com/docs/api-reference/chat and /completions.
"""

import json
import math
from typing import Any

import openai
import pytest
from huggingface_hub import InferenceClient

from tests.contract_kit.conftest import Target

MESSAGES: Any = [{"role": "user", "content": "Say hello."}]


def test_the_openai_client_gets_an_answer(target: Target) -> None:
    answer = target.openai.chat.completions.create(model=target.model, messages=MESSAGES, max_tokens=8, temperature=0)

    assert answer.object == "chat.completion"
    assert isinstance(answer.choices[0].message.content, str)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_openai_client_gets_a_stream_with_its_usage(target: Target) -> None:
    stream = target.openai.chat.completions.create(
        model=target.model, messages=MESSAGES, max_tokens=8, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens >= 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("stop", "length")


def test_the_openai_client_gets_a_completion(target: Target) -> None:
    answer = target.openai.completions.create(model=target.model, prompt="Once upon a time", max_tokens=4)

    assert answer.object == "text_completion"
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 4


def test_the_openai_client_gets_a_stream_of_a_completion(target: Target) -> None:
    stream = target.openai.completions.create(model=target.model, prompt="Once upon", max_tokens=4, stream=True)
    chunks = list(stream)

    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] in ("stop", "length")


def test_the_openai_client_lists_the_model(target: Target) -> None:
    assert target.model in [model.id for model in target.openai.models.list().data]


def test_the_client_of_hugging_face_chats(target: Target) -> None:
    client = InferenceClient(base_url=target.url, timeout=60)
    answer = client.chat_completion(MESSAGES, model=target.model, max_tokens=8)

    assert isinstance(answer.choices[0].message.content, str)


def test_the_client_of_hugging_face_streams_a_chat(target: Target) -> None:
    client = InferenceClient(base_url=target.url, timeout=60)
    chunks = list(client.chat_completion(MESSAGES, model=target.model, max_tokens=8, stream=True))

    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("stop", "length")


def test_the_client_of_hugging_face_generates_text(target: Target) -> None:
    client = InferenceClient(f"{target.url}/invocations", timeout=60)

    assert isinstance(client.text_generation("The capital of France is", max_new_tokens=4), str)


def test_max_tokens_is_kept_and_named_as_the_reason(target: Target) -> None:
    answer = target.ask(max_tokens=3).json()

    assert answer["usage"]["completion_tokens"] == 3
    assert answer["choices"][0]["finish_reason"] == "length"


def test_a_stop_string_ends_the_answer_and_is_left_out(target: Target) -> None:
    whole = target.text(max_tokens=12)
    stop = whole[len(whole) // 2 :][:1]
    answer = target.ask(max_tokens=12, stop=[stop]).json()["choices"][0]

    assert answer["finish_reason"] == "stop"
    assert answer["message"]["content"] == whole[: whole.index(stop)]


def test_n_gives_so_many_choices(target: Target) -> None:
    answer = target.ask(n=3, temperature=1.0).json()

    assert sorted(choice["index"] for choice in answer["choices"]) == [0, 1, 2]


def test_a_seed_repeats_an_answer(target: Target) -> None:
    same = [target.text(temperature=1.0, seed=7, max_tokens=24) for _ in range(2)]
    other = {target.text(temperature=1.0, seed=seed, max_tokens=24) for seed in range(8, 12)}

    assert same[0] == same[1]
    assert other != {same[0]}


def test_logprobs_are_those_of_likely_tokens(target: Target) -> None:
    content = target.ask(logprobs=True, top_logprobs=3).json()["choices"][0]["logprobs"]["content"]

    for token in content:
        assert len(token["top_logprobs"]) == 3
        assert sum(math.exp(top["logprob"]) for top in token["top_logprobs"]) <= 1.001
        # Greedy takes the likeliest.
        assert token["logprob"] == pytest.approx(max(top["logprob"] for top in token["top_logprobs"]), abs=1e-3)


def test_a_json_schema_is_kept(target: Target) -> None:
    schema = {
        "type": "object",
        "properties": {"yes": {"type": "boolean"}},
        "required": ["yes"],
        "additionalProperties": False,
    }
    answer = target.text(
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}, max_tokens=40
    )

    assert json.loads(answer) in ({"yes": True}, {"yes": False})


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"temperature": -1}, id="temperature below zero"),
        pytest.param({"temperature": "hot"}, id="temperature as a word"),
        pytest.param({"top_p": 7}, id="top_p above one"),
        pytest.param({"max_tokens": 0}, id="no tokens"),
        pytest.param({"messages": []}, id="no messages"),
        pytest.param({"messages": [{"role": "user"}]}, id="a message without content"),
    ],
)
def test_what_is_wrong_is_a_400_in_words(target: Target, wrong: dict[str, Any]) -> None:
    answer = target.ask(**wrong)

    assert answer.status_code in (400, 422), answer.text
    assert "message" in answer.text or "detail" in answer.text


def test_the_openai_client_raises_bad_request_for_what_does_not_fit(target: Target) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        target.openai.chat.completions.create(model=target.model, messages=MESSAGES, max_tokens=10_000_000)

    assert any(character.isdigit() for character in str(refused.value)), "the limit is a number"
