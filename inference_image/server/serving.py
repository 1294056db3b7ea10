"""One request from admission to its last byte: unary or streamed, with exactly one end."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from sanic import HTTPResponse, Request
from sanic import json as json_response

from engine.protocol import Finished, Piece
from server.answers import Answer, Choice, sse
from server.choices import Choices, late
from server.errors import ServingError
from server.provenance import Provenance

HEARTBEAT_S = 10.0
_FLUSH_S = 1.0


@dataclass
class _Heard:
    """One choice so far."""

    pieces: list[Piece] = field(default_factory=list)
    end: Finished | None = None

    @property
    def choice(self) -> Choice:
        if self.end is None:
            raise RuntimeError("a choice was read before its end")
        return Choice(self.pieces, self.end)


async def serve_unary(choices: Choices, answer: Answer, count: int) -> HTTPResponse:
    """Raises ServingError; the engine has nothing left of the request when this returns, raises or is cancelled."""
    heard = [_Heard() for _ in range(count)]
    try:
        choices.submit()
        while choices.open:
            for index, said in await choices.take():
                if isinstance(said, Piece):
                    heard[index].pieces.append(said)
                else:
                    heard[index].end = said
    finally:
        choices.abort()
    return json_response(answer.whole([one.choice for one in heard]))


async def serve_stream(
    request: Request, choices: Choices, answer: Answer, count: int, provenance: Provenance
) -> ServingError | None:
    """Raises ServingError before the first byte only; returns what ended the stream early, or None.

    After the first byte a failure is an error event and a broken connection, because a clean end would pass for a
    complete answer.
    """
    try:
        choices.submit()
        await choices.accepted()
        response = await request.respond(content_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        failure = await _stream(response, choices, answer, count)
        if failure is None:
            await response.eof()
        else:
            await _break_off(request, response, sse(failure.body(provenance.release, provenance.rollout)))
    finally:
        choices.abort()
    return failure


async def _stream(response: Any, choices: Choices, answer: Answer, count: int) -> ServingError | None:
    """Everything but the end; why the answer is not complete, or None. A client that does not read is late, too."""
    left_s = choices.ends_at - time.monotonic()
    try:
        async with asyncio.timeout(left_s):
            await _send_all(response, choices, answer, count)
    except TimeoutError:
        return late(choices.limit_s)
    except ServingError as error:
        return error
    return None


async def _send_all(response: Any, choices: Choices, answer: Answer, count: int) -> None:
    await response.send(b"".join(answer.opening()))
    heard = [_Heard() for _ in range(count)]
    while choices.open:
        told = await choices.take(HEARTBEAT_S)
        events = [event for index, said in told for event in _events(answer, heard[index], index, said)]
        # Whatever has piled up leaves in one write.
        await response.send(b"".join(events) if told else b": still working\n\n")
    last = b"".join(answer.closing([one.choice for one in heard]))
    if last:  # an empty chunk would be the end of the body
        await response.send(last)


def _events(answer: Answer, heard: _Heard, index: int, said: Piece | Finished) -> list[bytes]:
    if isinstance(said, Piece):
        heard.pieces.append(said)
        return [answer.piece(index, said)]
    heard.end = said
    return answer.ended(index, heard.choice)


async def _break_off(request: Request, response: Any, last_event: bytes) -> None:
    """Abort the connection once the event is on its way; aborting at once would drop it."""
    transport: Any = request.transport
    try:
        async with asyncio.timeout(_FLUSH_S):
            await response.send(last_event)
            await asyncio.sleep(0)
            while transport.get_write_buffer_size():  # noqa: ASYNC110 - a transport has no event for "all sent"
                await asyncio.sleep(0.01)
    except TimeoutError:
        pass  # the client does not read; it learns from the abort alone
    finally:
        transport.abort()
