"""The `application/vnd.amazon.eventstream` encoding: length, headers and payload, each guarded by a CRC-32.

Layout of a message, big-endian: total length (4 bytes), length of the headers (4), CRC-32 of those eight bytes (4),
headers, payload, CRC-32 of everything before it (4). A header is the length of its name (1), its name, the type of
its value (1; 7 is a string), the length of the value (2) and the value.
"""

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
_BYTES_OUTSIDE = 16
"""Of every message, beside headers and payload."""


def payload_part(data: bytes) -> bytes:
    """A PayloadPart event with these bytes of the container's answer."""
    headers = {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"}
    return encode(headers, data)


def model_stream_error(code: str, message: str) -> bytes:
    """The ModelStreamError that ends a stream.

    Args:
        code: `StreamBroken` or `ModelInvocationTimeExceeded`.
    """
    return _exception("ModelStreamError", {"Message": message, "ErrorCode": code})


def internal_stream_failure(message: str) -> bytes:
    """The InternalStreamFailure that ends a stream which the service itself could not go on with."""
    return _exception("InternalStreamFailure", {"Message": message})


def _exception(kind: str, fields: Mapping[str, str]) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode(headers, json.dumps(fields).encode())


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    head = b"".join(
        struct.pack(f"!B{len(name)}sBH", len(name), name.encode(), _STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", len(head) + len(payload) + _BYTES_OUTSIDE, len(head))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack("!I", zlib.crc32(message))
