import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from release.domain.safetensors import HeaderError, Tensor, header_length, parse_header


def file_of(header: Any, data: int = 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


def tensor(start: int, end: int, **changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [(end - start) // 4], "data_offsets": [start, end]} | changes


def test_a_file_of_the_reference_writer_is_read() -> None:
    file = save({"a": np.zeros((2, 3), np.float32), "b": np.zeros((4,), np.float16)}, {"format": "pt"})

    tensors = {found.name: found for found in parse_header(file, len(file))}

    assert tensors.keys() == {"a", "b"}
    assert (tensors["a"].dtype, tensors["a"].shape, tensors["a"].end - tensors["a"].start) == ("F32", (2, 3), 24)


def test_the_header_alone_is_enough() -> None:
    file = file_of({"w": tensor(0, 8)})

    assert parse_header(file[:-8], len(file)) == (Tensor("w", "F32", (2,), 0, 8),)


def test_four_bit_tensors_round_up_to_whole_bytes() -> None:
    file = file_of({"w": tensor(0, 2, dtype="F4", shape=[3])}, data=2)

    assert parse_header(file, len(file))[0].end == 2


@pytest.mark.parametrize(
    ("file", "because"),
    [
        pytest.param(b"1234567", "too short", id="shorter than a length"),
        pytest.param((8 * 10**6 + 1).to_bytes(8, "little"), "limit is 8000000", id="a header over the limit"),
        pytest.param((9).to_bytes(8, "little") + b"{}", "claims a header of 9 bytes but has 10", id="cut short"),
        pytest.param(file_of(b"{nonsense"), "not valid JSON", id="a header that is not JSON"),
        pytest.param(file_of(b'{"a":' * 100_000), "not valid JSON", id="a header that nests without end"),
        pytest.param(file_of([]), "not a JSON object", id="a header that is a list"),
        pytest.param(file_of({}, 0), "no tensor", id="nothing inside"),
        pytest.param(file_of({"w": {"dtype": "F32"}}), "by more or less than dtype, shape", id="half an entry"),
        pytest.param(file_of({"w": tensor(0, 8, shape=[-2])}), "outside 0 to", id="a negative dimension"),
        pytest.param(file_of({"w": tensor(0, 8, dtype="F33")}), "unknown dtype 'F33'", id="an unknown type"),
        pytest.param(file_of({"w": tensor(0, 8, shape=[3])}), "its shape needs 12 bytes", id="a shape that lies"),
        pytest.param(file_of({"w": tensor(-4, 4)}), "-4..4", id="an offset before the start"),
        pytest.param(
            file_of({"a": tensor(0, 8), "b": tensor(4, 8)}), "overlap between tensors 'a' and 'b'", id="overlap"
        ),
        pytest.param(file_of({"a": tensor(0, 4), "b": tensor(8, 12)}, 12), "unused bytes between", id="a hole"),
        pytest.param(file_of({"a": tensor(4, 8)}), "4 unused bytes before", id="a hole at the front"),
        pytest.param(file_of({"a": tensor(0, 4)}), "8 bytes of tensors but its header describes 4", id="a tail"),
        pytest.param(file_of({"a": tensor(0, 16)}), "8 bytes of tensors but its header describes 16", id="cut data"),
    ],
)
def test_a_file_that_a_reader_would_guess_about_is_refused(file: bytes, because: str) -> None:
    with pytest.raises(HeaderError, match=because.replace("(", r"\(")):
        parse_header(file, len(file))


def test_the_length_is_read_from_the_first_eight_bytes() -> None:
    assert header_length((2).to_bytes(8, "little"), 10) == 2
