"""One streamed chat request on a connection of its own, read byte by byte, so that no end can pass for another."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

End = Literal["complete", "refused", "failed", "left", "torn", "truncated"]
"""complete: [DONE] and a clean end. refused: an HTTP error. failed: an error event and a torn connection. left: we hung
up. torn: the connection broke without a word. truncated: a clean end without [DONE], or after an error event, which
passes for success."""


@dataclass
class Outcome:
    started_at: float
    """Monotonic seconds."""
    end: End = "torn"
    code: str = ""
    pieces: int = 0
    first_s: float = 0.0
    total_s: float = 0.0

    @property
    def per_token_s(self) -> float:
        return (self.total_s - self.first_s) / max(1, self.pieces - 1)


async def ask(port: int, body: Mapping[str, Any], *, attributes: str = "", leave_after: int | None = None) -> Outcome:
    """Args: leave_after: pieces of the answer after which we hang up; 0: as soon as the request is sent."""
    outcome = Outcome(time.monotonic())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request(body, attributes))
        await writer.drain()
        if leave_after == 0:
            outcome.end = "left"
        else:
            await _read(reader, outcome, leave_after)
    except (asyncio.IncompleteReadError, ConnectionError):
        outcome.end = "failed" if outcome.code else "torn"
    finally:
        outcome.total_s = time.monotonic() - outcome.started_at
        writer.transport.abort()
    return outcome


def _request(body: Mapping[str, Any], attributes: str) -> bytes:
    content = json.dumps({**body, "stream": True}).encode()
    said = f"X-Amzn-SageMaker-Custom-Attributes: {attributes}\r\n" if attributes else ""
    head = f"POST /invocations HTTP/1.1\r\nHost: localhost\r\n{said}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _read(reader: asyncio.StreamReader, outcome: Outcome, leave_after: int | None) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    if not head.startswith("http/1.1 200"):
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        outcome.code = json.loads(await reader.readexactly(length))["error"]["code"]
        outcome.end = "refused"
        return
    done = False
    async for data in _events(reader):
        if data == "[DONE]":
            done = True
            continue
        event = json.loads(data)
        if "error" in event:
            outcome.code = event["error"]["code"]
        elif any(choice["delta"].get("content") for choice in event["choices"]):
            outcome.pieces += 1
            outcome.first_s = outcome.first_s or time.monotonic() - outcome.started_at
            if outcome.pieces == leave_after:
                outcome.end = "left"
                return
    outcome.end = "complete" if done and not outcome.code else "truncated"


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """`data:` of a chunked body, to its clean end."""
    rest = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        rest += await reader.readexactly(size)
        await reader.readexactly(2)
        *events, rest = rest.split(b"\n\n")
        for event in events:
            if event.startswith(b"data: "):
                yield event[6:].decode()
