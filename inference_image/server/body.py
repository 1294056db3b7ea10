"""From the bytes of a body to JSON, in bounded time: the event loop that parses is the one that answers /ping."""

import json
from typing import Any, NoReturn

from server.errors import ServingError

BODY_BYTES_MAX = 25 << 20
"""SageMaker's limit for real-time inference, https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html"""
MARKS_MAX = 400_000
"""Brackets, commas and escapes of one body. Parsing takes time for each of them and next to none for plain text: 25 MB
of text take some 20 ms, 25 MB of empty arrays would take seconds."""
_MARKS = b"[{,\\"
_SLICE_BYTES = 1 << 20


def read_json(body: bytes) -> Any:
    """Raises ServingError: invalid_json or body_too_large."""
    _require_few_marks(body)
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise ServingError("invalid_json", f"byte {error.start} of the body is not UTF-8; send UTF-8 JSON") from error
    except RecursionError as error:
        raise ServingError("invalid_json", "the body nests too deeply; send the documented fields only") from error
    except ValueError as error:
        raise ServingError("invalid_json", f"the body is not JSON: {error}; send one JSON object") from error


def _require_few_marks(body: bytes) -> None:
    """Slice by slice, so that the worst body costs no more than the first slices."""
    if len(body) <= MARKS_MAX:
        return
    marks = 0
    for start in range(0, len(body), _SLICE_BYTES):
        part = body[start : start + _SLICE_BYTES]
        marks += sum(part.count(mark) for mark in _MARKS)
        if marks > MARKS_MAX:
            raise ServingError(
                "body_too_large",
                f"the first {start + len(part)} bytes of the body hold {marks} brackets, commas and escapes, "
                f"limit {MARKS_MAX}; send less structure",
            )


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
