"""One request from its parsed body to its last byte: unary or streamed, with exactly one end."""

import asyncio
from typing import Any, cast

from sanic import HTTPResponse, Request
from sanic import json as json_response

from engine.protocol import Accepted, Failed, Finished, Piece, Rejected, RequestEvent
from server.answers import Answer, answer_for, sse
from server.engine import Engine, Generation
from server.errors import Code, ServingError
from server.parse import Invocation
from server.settings import Settings

# SageMaker gives up after 60 s, or 8 min for a stream; ours come first so that the caller hears why.
UNARY_DEADLINE_S = 55.0
STREAM_DEADLINE_S = 470.0
HEARTBEAT_S = 10.0
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
        raise _too_late(UNARY_DEADLINE_S) from error
    finally:
        engine.abort(invocation.submit.request_id)
    return json_response(answer_for(invocation, settings).whole("".join(pieces), event))


async def serve_stream(request: Request, invocation: Invocation, engine: Engine, settings: Settings) -> None:
    """Raises ServingError before the first byte only.

    After it a failure is an error event and a broken connection, because a clean end would pass for a complete answer.
    """
    generation = engine.submit(invocation.submit)
    try:
        await _accepted(generation)
        response = await request.respond(content_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        failure = await _stream(response, answer_for(invocation, settings), generation)
        if failure is None:
            await response.eof()
        else:
            await _break_off(request, response, sse(failure.body(settings.release_id, settings.rollout_id)))
    finally:
        engine.abort(invocation.submit.request_id)


async def _accepted(generation: Generation) -> None:
    try:
        async with asyncio.timeout(UNARY_DEADLINE_S):
            _raise_if_bad(await generation.next())
    except TimeoutError as error:
        raise _too_late(UNARY_DEADLINE_S) from error


async def _stream(response: Any, answer: Answer, generation: Generation) -> ServingError | None:
    """Everything but the end; why the answer is not complete, or None. A client that does not read is late, too."""
    try:
        async with asyncio.timeout(STREAM_DEADLINE_S):
            await _send_all(response, answer, generation)
    except TimeoutError:
        return _too_late(STREAM_DEADLINE_S)
    except ServingError as error:
        return error
    return None


async def _send_all(response: Any, answer: Answer, generation: Generation) -> None:
    for event in answer.opening():
        await response.send(event)
    pieces: list[str] = []
    while not isinstance(said := await _next_or_none(generation), Finished):
        if said is None:
            await response.send(b": still working\n\n")
            continue
        _raise_if_bad(said)
        if isinstance(said, Piece):
            pieces.append(said.text)
            await response.send(answer.piece(said.text))
    for event in answer.closing("".join(pieces), said):
        await response.send(event)


async def _next_or_none(generation: Generation) -> RequestEvent | None:
    """None when it is time for a sign of life, because proxies close what is silent."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            return await generation.next()
    except TimeoutError:
        return None


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


def _raise_if_bad(event: RequestEvent) -> None:
    match event:
        case Rejected(_, code, message, param):
            raise ServingError(cast("Code", code), message, param=param)
        case Failed(_, message, code):
            raise ServingError(cast("Code", code), message)
        case Accepted() | Piece() | Finished():
            pass


def _too_late(limit_s: float) -> ServingError:
    return ServingError(
        "deadline_exceeded",
        f"the answer was not complete after {limit_s:g} s, the limit; ask for fewer tokens, or for a stream",
    )
