"""How an answer is read from the parts of a stream."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.chat_stream import ChatStream, Usage
from slipway.errors import ModelBusyError, ModelFailedError, RequestRefusedError, StreamBrokenError

EVENTS = Path(__file__).parents[3] / "events" / "serving"
CHUNK: dict[str, Any] = json.loads((EVENTS / "chat-chunk.example.json").read_bytes())
USAGE = json.loads((EVENTS / "chat-chunk.usage.example.json").read_bytes())
ERROR = json.loads((EVENTS / "error.example.json").read_bytes())
ATTRIBUTES = json.loads((EVENTS / "custom-attributes.example.json").read_bytes())


def said(text: str) -> dict[str, Any]:
    return CHUNK | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


@pytest.mark.parametrize("cut", range(40))
def test_carriage_returns_do_not_matter_wherever_the_cut_is(cut: int) -> None:
    wire = on_the_wire(said("a"), "[DONE]").replace(b"\n", b"\r\n")

    assert list(ChatStream(in_parts(wire, [len(wire) - cut]))) == ["a"]


def on_the_wire(*events: dict[str, Any] | str) -> bytes:
    return b"".join(f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n".encode() for e in events)


def in_parts(content: bytes, cuts: list[int]) -> Iterator[dict[str, Any]]:
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    for start, end in pairwise(edges):
        yield {"PayloadPart": {"Bytes": content[start:end]}}


@given(st.lists(st.text(min_size=1, max_size=5), max_size=5), st.lists(st.integers(0, 5000), max_size=12))
def test_the_text_does_not_depend_on_where_the_stream_is_cut(words: list[str], cuts: list[int]) -> None:
    wire = b": heartbeat\n\n" + on_the_wire(*[said(word) for word in words], USAGE, "[DONE]")
    stream = ChatStream(in_parts(wire, cuts), custom_attributes=ATTRIBUTES)

    assert list(stream) == words
    assert stream.usage == Usage(prompt_tokens=36, completion_tokens=8)


def test_the_release_is_known_from_the_custom_attributes_before_the_first_word() -> None:
    stream = ChatStream(iter([]), custom_attributes=ATTRIBUTES)

    assert (stream.release_id, stream.rollout_id) == ("3f2a91c07d4e", "3f2a91c07d4e-1")


def test_without_attributes_the_release_is_read_from_the_fingerprint() -> None:
    stream = ChatStream(in_parts(on_the_wire(said("a"), "[DONE]"), []))

    assert (list(stream), stream.release_id) == (["a"], "3f2a91c07d4e")


def test_the_finish_reason_is_kept() -> None:
    last = CHUNK | {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    stream = ChatStream(in_parts(on_the_wire(said("a"), last, USAGE, "[DONE]"), []))

    assert (list(stream), stream.finish_reason) == (["a"], "length")


def test_a_stream_without_its_end_mark_is_a_broken_answer() -> None:
    stream = ChatStream(in_parts(on_the_wire(said("Par")), []), custom_attributes=ATTRIBUTES)
    heard: list[str] = []

    with pytest.raises(StreamBrokenError, match="without its end mark") as broken:
        heard.extend(stream)

    assert broken.value.release_id == "3f2a91c07d4e"


def test_a_connection_that_dies_is_a_broken_answer() -> None:
    def dying() -> Iterator[dict[str, Any]]:
        yield from in_parts(on_the_wire(said("Par")), [])
        raise ConnectionResetError("peer")

    words = iter(ChatStream(dying()))

    assert next(words) == "Par"
    with pytest.raises(StreamBrokenError, match="broke off"):
        next(words)


@pytest.mark.parametrize(
    ("kind", "raised", "retryable"),
    [
        pytest.param("invalid_request_error", RequestRefusedError, False, id="the request must change"),
        pytest.param("overloaded_error", ModelBusyError, True, id="the server is full"),
        pytest.param("server_error", ModelFailedError, False, id="the engine failed"),
    ],
)
def test_an_error_event_says_what_the_server_said(kind: str, raised: type[Exception], retryable: bool) -> None:  # noqa: FBT001 - a case
    event = {"error": ERROR["error"] | {"type": kind, "retryAfterSeconds": 1.5}}

    with pytest.raises(raised, match="shorten the conversation by 872 tokens") as error:
        list(ChatStream(in_parts(on_the_wire(event), [])))

    assert error.value.retryable is retryable  # type: ignore[attr-defined] # of every ChatError
    assert error.value.release_id == "3f2a91c07d4e"  # type: ignore[attr-defined]


@pytest.mark.parametrize("data", ["{", "[]", "{}", '{"choices": [{}]}'])
def test_an_event_that_is_no_chunk_is_the_servers_failure(data: str) -> None:
    with pytest.raises(ModelFailedError, match="no chat chunk"):
        list(ChatStream(in_parts(on_the_wire(data), [])))


def test_after_closing_nothing_more_is_said_and_the_source_is_hung_up() -> None:
    class Source:
        closed = False

        def __iter__(self) -> Iterator[dict[str, Any]]:
            return in_parts(on_the_wire(*[said(word) for word in "abcdef"]), [50, 500, 900])

        def close(self) -> None:
            self.closed = True

    source = Source()
    stream = ChatStream(source)
    words = iter(stream)
    first = next(words)

    stream.close()

    rest = list(words)
    assert (first, source.closed) == ("a", True)
    assert len(rest) < 5
