"""One request from its parsed body to its last byte: unary or streamed, with exactly one end."""

import asyncio
import time
from contextlib import suppress
from typing import Any, cast

from sanic import HTTPResponse, Request
from sanic import json as json_response

from engine.protocol import Accepted, Failed, Finished, Piece, Rejected, RequestEvent
from server.answers import answer_for, sse
from server.engine import Engine, Generation
from server.errors import Code, ServingError
from server.parse import Invocation
from server.settings import Settings

# SageMaker gives up after 60 s, or 8 min for a stream; ours come first so that the caller hears why.
UNARY_DEADLINE_S = 55.0
STREAM_DEADLINE_S = 470.0
_HEARTBEAT_S = 10.0
_FLUSH_S = 1.0


async def serve_unary(invocation: Invocation, engine: Engine, settings: Settings) -> HTTPResponse:
    """Raises ServingError; the engine has nothing left of the request when this returns, raises or is cancelled."""
    generation = engine.submit(invocation.submit)
    pieces: list[str] = []
    try:
        async with asyncio.timeout(UNARY_DEADLINE_S):
            while not isinstance(event := await generation.next(), Finished):
                _raise_if_bad(event)
                if isinstance(event, Piece):
                    pieces.append(event.text)
    except TimeoutError as error:
        raise _too_late(UNARY_DEADLINE_S, len(pieces)) from error
    finally:
        engine.abort(invocation.submit.request_id)
    return json_response(answer_for(invocation, settings).whole("".join(pieces), event))


async def serve_stream(request: Request, invocation: Invocation, engine: Engine, settings: Settings) -> None:
    """Raises ServingError before the first byte only.

    After it a failure is an error event and a broken connection, because a clean end would pass for a complete answer.
    """
    generation = engine.submit(invocation.submit)
    deadline = time.monotonic() + STREAM_DEADLINE_S
    try:
        _raise_if_bad(await generation.next())
        response = await request.respond(content_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        try:
            await _stream(response, invocation, generation, settings, deadline)
        except ServingError as error:
            await response.send(sse(error.body(settings.release_id, settings.rollout_id)))
            await _break_connection(request)
        else:
            await response.eof()
    finally:
        engine.abort(invocation.submit.request_id)


async def _stream(
    response: Any, invocation: Invocation, generation: Generation, settings: Settings, deadline: float
) -> None:
    answer = answer_for(invocation, settings)
    for event in answer.opening():
        await response.send(event)
    pieces: list[str] = []
    while True:
        said = await _next_or_heartbeat(generation, deadline, len(pieces))
        if said is None:
            await response.send(b": still working\n\n")
            continue
        _raise_if_bad(said)
        if isinstance(said, Piece):
            pieces.append(said.text)
            await response.send(answer.piece(said.text))
        if isinstance(said, Finished):
            for event in answer.closing("".join(pieces), said):
                await response.send(event)
            return


async def _next_or_heartbeat(generation: Generation, deadline: float, pieces: int) -> RequestEvent | None:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise _too_late(STREAM_DEADLINE_S, pieces)
    with suppress(TimeoutError):
        async with asyncio.timeout(min(left_s, _HEARTBEAT_S)):
            return await generation.next()
    return None


async def _break_connection(request: Request) -> None:
    """Abort the connection once the error event is on its way; aborting at once would drop it."""
    transport: Any = request.transport
    with suppress(TimeoutError):
        async with asyncio.timeout(_FLUSH_S):
            await asyncio.sleep(0)
            while transport.get_write_buffer_size():  # noqa: ASYNC110 - a transport has no event for "all sent"
                await asyncio.sleep(0.01)
    transport.abort()


def _raise_if_bad(event: RequestEvent) -> None:
    match event:
        case Rejected(_, code, message, param):
            raise ServingError(cast("Code", code), message, param=param)
        case Failed(_, message):
            raise ServingError("engine_failed", message)
        case Accepted() | Piece() | Finished():
            pass


def _too_late(limit_s: float, pieces: int) -> ServingError:
    return ServingError(
        "deadline_exceeded",
        f"no complete answer after {limit_s:.0f} s, only {pieces} pieces of text; ask for fewer tokens or for a stream",
        retry_after_s=1.0,
    )
