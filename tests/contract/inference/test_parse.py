"""The server understands exactly the bodies that the schema allows."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.errors import ServingError
from server.parse import parse_body, parse_completion
from tests.contract.inference.schemas import allows, check, examples

_EDGES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, -1, 1.0, 1.5, 2, 2.0, 2.1, 0.0, -0.0, 2**31 + 1, 2**63 - 1, 2**63, 1e300, "", "a", [], {}]
)
_STOPS = st.one_of(_EDGES, st.lists(st.one_of(st.text(max_size=2), st.just(1)), max_size=6))
_SAMPLING = {
    **dict.fromkeys(("temperature", "top_p", "top_k", "min_p", "seed", "priority"), _EDGES),
    **dict.fromkeys(("presence_penalty", "frequency_penalty", "repetition_penalty"), _EDGES),
    "stop": _STOPS,
    "ignore_eos": _EDGES,
    "cache_salt": st.one_of(_EDGES, st.just("x" * 256), st.just("x" * 257)),
}
_NAMED = st.fixed_dictionaries(
    {},
    optional={"name": _EDGES, "schema": st.one_of(_EDGES, st.just({"type": "object"})), "strict": _EDGES, "x": _EDGES},
)
_FORMAT = st.one_of(
    _EDGES,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "json_object", "json_schema", "xml", 1, None])},
        optional={"json_schema": st.one_of(_EDGES, _NAMED)},
    ),
)
_ROLES = st.sampled_from(["system", "user", "assistant", "tool", "", 1, None])
_MESSAGE = st.one_of(
    _EDGES,
    st.fixed_dictionaries(
        {}, optional={"role": _ROLES, "content": st.one_of(st.text(max_size=3), _EDGES), "name": _EDGES}
    ),
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text(max_size=3)}),
)
_CHAT_FIELDS = {
    **_SAMPLING,
    "messages": st.one_of(_EDGES, st.lists(_MESSAGE, max_size=3)),
    "model": _EDGES,
    "stream": _EDGES,
    "stream_options": st.one_of(_EDGES, st.fixed_dictionaries({}, optional={"include_usage": _EDGES, "x": _EDGES})),
    "max_tokens": _EDGES,
    "max_completion_tokens": _EDGES,
    "user": _EDGES,
    "n": _EDGES,
    "logprobs": _EDGES,
    "top_logprobs": _EDGES,
    "response_format": _FORMAT,
    "inputs": _EDGES,
    "tools": _EDGES,
}
_PARAMETER_FIELDS = {
    **_SAMPLING,
    "max_new_tokens": _EDGES,
    "do_sample": _EDGES,
    "return_full_text": _EDGES,
    "details": _EDGES,
    "logprobs": _EDGES,
}
_TEXT_FIELDS = {
    "inputs": st.one_of(_EDGES, st.text(max_size=3)),
    "stream": _EDGES,
    "parameters": st.one_of(_EDGES, st.fixed_dictionaries({}, optional=_PARAMETER_FIELDS)),
    "messages": _EDGES,
    "model": _EDGES,
}
_GOOD_CHAT = {"messages": [{"role": "user", "content": "hi"}]}
_GOOD_TEXT = {"inputs": "hi"}


def one_field(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies that are random everywhere are nearly always wrong twice; these have one random field."""
    return st.one_of(*(st.fixed_dictionaries({name: values}) for name, values in fields.items()))


_BODIES = st.one_of(
    one_field(_CHAT_FIELDS).map(lambda extra: {**_GOOD_CHAT, **extra}),
    one_field(_TEXT_FIELDS).map(lambda extra: {**_GOOD_TEXT, **extra}),
    one_field(_PARAMETER_FIELDS).map(lambda extra: {**_GOOD_TEXT, "parameters": extra}),
    st.fixed_dictionaries({}, optional=_CHAT_FIELDS),
    st.fixed_dictionaries({}, optional=_TEXT_FIELDS),
    _EDGES,
)


def understood(body: Any, *, chat_only: bool = False) -> bool:
    refused: ServingError | None = None
    try:
        parse_body(json.dumps(body).encode(), "r", chat_only=chat_only)
    except ServingError as error:
        refused = error
    if refused is None:
        return True
    check("error", refused.body("3f2a91c07d4e", "3f2a91c07d4e-1"))
    assert refused.status == 400
    return False


@settings(max_examples=1500, deadline=None)
@given(_BODIES)
def test_the_server_understands_what_the_schema_allows_and_nothing_else(body: Any) -> None:
    assert understood(body) is allows("invocation-request", body)


_COMPLETION_FIELDS = {
    **{name: values for name, values in _CHAT_FIELDS.items() if name not in ("messages", "inputs", "response_format")},
    "prompt": st.one_of(_STOPS, st.lists(st.just("a"), min_size=15, max_size=17)),
    "echo": _EDGES,
    "suffix": _EDGES,
}


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        one_field(_COMPLETION_FIELDS).map(lambda extra: {"prompt": "hi", **extra}),
        st.fixed_dictionaries({}, optional=_COMPLETION_FIELDS),
        _EDGES,
    )
)
def test_the_completion_path_understands_what_its_schema_allows_and_nothing_else(body: Any) -> None:
    assume(not _asks_too_much(body))
    refused: ServingError | None = None
    try:
        parse_completion(json.dumps(body).encode(), "r")
    except ServingError as error:
        refused = error
        check("error", refused.body("3f2a91c07d4e", "3f2a91c07d4e-1"))

    assert (refused is None) is allows("completion-request", body)


def _asks_too_much(body: Any) -> bool:
    """A schema cannot multiply; the next test can."""
    if not allows("completion-request", body):
        return False
    prompts = 1 if isinstance(body["prompt"], str) else len(body["prompt"])
    return prompts * int(body.get("n", 1)) > 16


def test_prompts_times_n_are_bounded_together() -> None:
    body = {"prompt": ["a", "b", "c"], "n": 5, "seed": 2**63 - 1}
    taken = parse_completion(json.dumps(body).encode(), "r")

    with pytest.raises(ServingError, match="3 prompts with n 6 ask for 18 choices, limit 16"):
        parse_completion(json.dumps({**body, "n": 6}).encode(), "r")

    assert [submit.prompt for submit in taken.submits] == ["a"] * 5 + ["b"] * 5 + ["c"] * 5
    assert len({submit.request_id for submit in taken.submits}) == 15
    # Choices of one prompt differ in their seed, which stays in its range.
    assert [submit.seed for submit in taken.submits[:3]] == [2**63 - 1, 0, 1]


@pytest.mark.parametrize("body", examples("invocation-request"))
def test_the_published_examples_are_understood(body: Any) -> None:
    check("invocation-request", body)
    assert understood(body)


def test_the_chat_path_takes_the_chat_form_only() -> None:
    assert understood(_GOOD_CHAT, chat_only=True)
    assert not understood({"inputs": "hi"}, chat_only=True)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        pytest.param(b"{", "invalid_json", None, id="cut off"),
        pytest.param(b"", "invalid_json", None, id="empty"),
        pytest.param(b'{"inputs": "\xff"}', "invalid_json", None, id="not UTF-8"),
        pytest.param(b'{"inputs": "a", "parameters": {"top_p": NaN}}', "invalid_json", None, id="NaN is no JSON"),
        pytest.param(b"[" * 100_000, "invalid_json", None, id="nested without end"),
        pytest.param(
            b'{"inputs": "a", "parameters": {"seed": ' + b"9" * 5000 + b"}}", "invalid_json", None, id="digits"
        ),
        pytest.param(b"[]", "invalid_request", None, id="no object"),
        pytest.param(b"{}", "invalid_request", "messages", id="neither form"),
        pytest.param(b'{"messages": [], "tempratur": 1}', "unknown_field", "tempratur", id="typo"),
        pytest.param(b'{"messages": []}', "invalid_request", "messages", id="no message"),
        pytest.param(
            b'{"messages": [{"role": "user", "content": 1}]}', "invalid_request", "messages[0].content", id="content"
        ),
        pytest.param(
            b'{"inputs": "a", "parameters": {"temperature": 2.1}}',
            "invalid_request",
            "parameters.temperature",
            id="hot",
        ),
    ],
)
def test_a_refusal_names_the_field(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(ServingError) as refused:
        parse_body(body, "r", chat_only=False)

    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_refusal_fits_the_two_kilobytes_that_a_caller_sees() -> None:
    body = json.dumps({"inputs": "a", "x" * 100_000: "\x00" * 100_000}).encode()

    with pytest.raises(ServingError) as refused:
        parse_body(body, "r", chat_only=False)

    assert len(json.dumps(refused.value.body("3f2a91c07d4e", "3f2a91c07d4e-1"))) <= 2048


@pytest.mark.parametrize(
    ("parameters", "temperature"),
    [
        pytest.param({}, 0.0, id="nothing said is greedy"),
        pytest.param({"temperature": 0.7}, 0.7, id="a temperature samples"),
        pytest.param({"do_sample": False, "temperature": 0.7}, 0.0, id="do_sample false is greedy"),
        pytest.param({"do_sample": True}, 1.0, id="do_sample alone samples at one"),
        pytest.param({"do_sample": True, "temperature": 0}, 0.0, id="a temperature that is said counts"),
    ],
)
def test_do_sample_means_what_it_means_to_transformers(parameters: dict[str, Any], temperature: float) -> None:
    body = json.dumps({"inputs": "a", "parameters": parameters}).encode()

    assert parse_body(body, "r", chat_only=False).submit.temperature == temperature
