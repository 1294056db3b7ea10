"""No body holds the event loop for long, and none that a client means is refused for its form."""

import json
import time

import pytest

from server.body import BODY_BYTES_MAX, MARKS_MAX, read_json
from server.errors import ServingError
from server.fields import quote

WORST = {
    "empty arrays": b'{"inputs": [' + b"[]," * (BODY_BYTES_MAX // 3 - 10) + b"[]]}",
    "small objects": b"[" + b'{"a":1},' * (BODY_BYTES_MAX // 8 - 10) + b"1]",
    "numbers": b"[" + b"1," * (BODY_BYTES_MAX // 2 - 10) + b"1]",
    "escapes": b'{"inputs": "' + rb"\n" * (BODY_BYTES_MAX // 2 - 20) + b'"}',
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in WORST.items()])
def test_a_body_of_nothing_but_structure_is_refused_before_it_is_parsed(body: bytes) -> None:
    began = time.process_time()

    with pytest.raises(ServingError, match=f"limit {MARKS_MAX}; send less structure") as refused:
        read_json(body)

    assert refused.value.status == 413
    # Counting stops at the limit: parsing the same takes seconds of the processor, so this is no matter of its speed.
    assert time.process_time() - began < 0.5


def test_text_of_25_mb_is_read_whatever_stands_in_it() -> None:
    text = "Käse, [brackets] {braces} " * (BODY_BYTES_MAX // 28 // 100) + "x" * (BODY_BYTES_MAX // 2)
    body = json.dumps({"inputs": text}, ensure_ascii=False).encode()

    assert read_json(body) == {"inputs": text}


def test_a_refusal_never_writes_megabytes() -> None:
    deep = {"a": ["x" * 10_000_000] * 3, "b": {"c": 1}}

    assert len(quote(deep)) <= 100
    assert quote([1] * 1000) == "an array of 1000 items"
    assert quote("x" * 100) == '"' + "x" * 59 + "…"
    assert quote({"a": 1.5}) == '{"a": 1.5}'
