"""The stream encoding, read back by botocore's own parser."""

import json
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.data_plane.event_stream import internal_stream_failure, model_stream_error, payload_part


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 64))
def test_parts_arrive_as_they_were_sent_however_the_network_cuts_them(parts: list[bytes], cut: int) -> None:
    wire = b"".join(payload_part(part) for part in parts)
    buffer = EventStreamBuffer()
    read = []

    for start in range(0, len(wire), cut):
        buffer.add_data(wire[start : start + cut])
        read += [message.payload for message in buffer]

    assert read == parts


def test_an_error_is_an_exception_message_with_its_code() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(model_stream_error("StreamBroken", "it broke"))

    (message,) = list(buffer)

    headers: Any = message.headers
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "ModelStreamError"
    assert json.loads(message.payload) == {"Message": "it broke", "ErrorCode": "StreamBroken"}


def test_the_services_own_failure_ends_a_stream_by_its_own_name() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(internal_stream_failure("our fault"))

    (message,) = list(buffer)

    headers: Any = message.headers
    assert headers[":exception-type"] == "InternalStreamFailure"
    assert json.loads(message.payload) == {"Message": "our fault"}
