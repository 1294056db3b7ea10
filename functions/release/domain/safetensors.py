"""What the header of a safetensors file says, and whether the file can be what it says.

Layout, by the format's own description (https://github.com/huggingface/safetensors, "Format"): 8 bytes little-endian
header length n, n bytes of JSON that begin with `{`, then the tensors' bytes without holes. `data_offsets` count from
the end of the header. Names stand once.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from release.domain.strict_json import JsonError, parse_object

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 8_000_000
"""Room for some 50,000 tensors in one file. The reference reader allows 100 MB, which would not fit into a function's
memory once it is parsed."""
MAX_DIMENSIONS = 16
MAX_SIZE = 2**48
"""Of one dimension; far above any tensor, far below what makes products slow."""

_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


class HeaderError(ValueError):
    """The header is not one; the message continues a sentence that begins with the file's name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """`start` and `end` are byte offsets from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def header_length(first: bytes, file_bytes: int) -> int:
    """Bytes of the JSON header, from the first 8 bytes of a file of `file_bytes`.

    Raises:
        HeaderError: shorter than a header, longer than MAX_HEADER_BYTES, or longer than the file.
    """
    if len(first) < LENGTH_BYTES:
        raise HeaderError(f"has {file_bytes} bytes and is too short for a safetensors file; upload it again")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise HeaderError(f"claims a header of {length} bytes, the limit is {MAX_HEADER_BYTES}; save it in more shards")
    if LENGTH_BYTES + length > file_bytes:
        raise HeaderError(f"claims a header of {length} bytes but has {file_bytes} in all; upload it again")
    return length


def parse_header(head: bytes, file_bytes: int) -> tuple[Tensor, ...]:
    """The tensors in file order, proved to fill the file exactly.

    Args:
        head: the file's first bytes, at least the whole header.
        file_bytes: size of the whole file.

    Raises:
        HeaderError: anything in it that a reader would have to guess about.
    """
    length = header_length(head, file_bytes)
    text = head[LENGTH_BYTES : LENGTH_BYTES + length]
    if not text.startswith(b"{"):
        raise HeaderError("has a header that is not a JSON object; it is damaged or not safetensors")
    try:
        header = parse_object(text)
    except JsonError as error:
        raise HeaderError(f"has a header that {error}") from error
    _check_metadata(header.pop("__metadata__", {}))
    tensors = tuple(
        sorted((_tensor(name, entry) for name, entry in header.items()), key=lambda tensor: (tensor.start, tensor.end))
    )
    _check_layout(tensors, file_bytes - LENGTH_BYTES - length)
    return tensors


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError("has '__metadata__' that is more than texts by name; save it again")


def _tensor(name: str, entry: Any) -> Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, end], **rest} if not rest and all(
            type(number) is int for number in (*shape, start, end)
        ):
            return _sized(Tensor(name, dtype, tuple(shape), start, end))
    raise HeaderError(
        f"describes tensor {name!r} by more or less than dtype, shape and two data offsets; save it again"
    )


def _sized(tensor: Tensor) -> Tensor:
    if tensor.dtype not in _BITS:
        raise HeaderError(f"holds tensor {tensor.name!r} of unknown dtype {tensor.dtype!r}; convert it")
    if len(tensor.shape) > MAX_DIMENSIONS or not all(0 <= size <= MAX_SIZE for size in tensor.shape):
        raise HeaderError(
            f"gives tensor {tensor.name!r} more than {MAX_DIMENSIONS} dimensions or one outside 0 to {MAX_SIZE}; "
            "save it again"
        )
    needed = (prod(tensor.shape) * _BITS[tensor.dtype] + 7) // 8
    if tensor.start < 0 or tensor.end - tensor.start != needed:
        raise HeaderError(
            f"gives tensor {tensor.name!r} bytes {tensor.start}..{tensor.end}, "
            f"but its shape needs {needed} bytes; save it again"
        )
    return tensor


def _check_layout(tensors: tuple[Tensor, ...], data_bytes: int) -> None:
    if not tensors:
        raise HeaderError("holds no tensor; leave it out")
    if tensors[0].start != 0:
        raise HeaderError(f"has {tensors[0].start} unused bytes before tensor {tensors[0].name!r}; save it again")
    for before, after in pairwise(tensors):
        if after.start != before.end:
            fault = "an overlap" if after.start < before.end else "unused bytes"
            raise HeaderError(f"has {fault} between tensors {before.name!r} and {after.name!r}; save it again")
    if tensors[-1].end != data_bytes:
        raise HeaderError(
            f"has {data_bytes} bytes of tensors but its header describes {tensors[-1].end}; upload it again"
        )
