"""What a caller hears when the engine says nothing."""

import asyncio
import time
from typing import Any

import pytest

from engine.protocol import Accepted, Finished, Loaded, Piece, Submit
from server import serving
from server.engine import Broken, Generation, Loading, Ready, State
from server.engine_process import EngineProcess
from server.errors import ServingError
from server.parse import Invocation
from server.settings import Settings

SETTINGS = Settings("3f2a91c07d4e", "3f2a91c07d4e-1")
TEXT = Invocation("text", Submit("r", prompt="hi"), stream=True)


class SlowEngine:
    """Says what it is given, then nothing."""

    def __init__(self, *said: Any) -> None:
        self.said = said
        self.aborted: list[str] = []
        self.state: State = Ready()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def submit(self, request: Submit) -> Generation:
        assert request.request_id == "r"
        generation = Generation()
        for event in self.said:
            generation.put(event)
        return generation

    def abort(self, request_id: str) -> None:
        self.aborted.append(request_id)


class Wire:
    """A request, its response and its transport."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[bytes] = []
        self.aborted = self.ended = False
        self.transport = self
        self._reads = reads

    async def respond(self, **_options: Any) -> "Wire":
        return self

    async def send(self, data: bytes) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        self.sent.append(data)

    async def eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "UNARY_DEADLINE_S", 0.2)
    monkeypatch.setattr(serving, "STREAM_DEADLINE_S", 0.2)
    monkeypatch.setattr(serving, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(serving, "_FLUSH_S", 0.1)


def stream(engine: SlowEngine, wire: Any) -> None:
    asyncio.run(serving.serve_stream(wire, TEXT, engine, SETTINGS))


def test_the_published_deadlines_come_before_sagemakers() -> None:
    assert (serving.UNARY_DEADLINE_S, serving.STREAM_DEADLINE_S) < (60, 480)


def test_a_unary_answer_that_is_late_is_an_error_and_is_aborted() -> None:
    engine = SlowEngine(Accepted("r", 1), Piece("r", "hi"))

    with pytest.raises(ServingError) as late:
        asyncio.run(serving.serve_unary(TEXT, engine, SETTINGS))

    assert (late.value.code, late.value.status) == ("deadline_exceeded", 504)
    assert engine.aborted == ["r"]


def test_a_stream_that_is_never_accepted_is_refused_before_its_first_byte() -> None:
    engine, wire = SlowEngine(), Wire()

    with pytest.raises(ServingError, match=r"not complete after 0\.2 s"):
        stream(engine, wire)

    assert wire.sent == []
    assert engine.aborted == ["r"]


def test_a_late_stream_shows_signs_of_life_then_an_error_then_a_torn_connection() -> None:
    engine, wire = SlowEngine(Accepted("r", 1), Piece("r", "hi")), Wire()

    stream(engine, wire)

    assert b": still working\n\n" in wire.sent
    assert b"deadline_exceeded" in wire.sent[-1]
    assert (wire.aborted, wire.ended) == (True, False)
    assert engine.aborted == ["r"]


def test_a_client_that_does_not_read_holds_nothing_beyond_the_deadline() -> None:
    engine, wire = SlowEngine(Accepted("r", 1), Piece("r", "hi"), Finished("r", "stop", 1, 1)), Wire(reads=False)

    stream(engine, wire)

    assert wire.aborted
    assert engine.aborted == ["r"]


def test_a_stream_in_time_ends_cleanly() -> None:
    engine, wire = SlowEngine(Accepted("r", 1), Piece("r", "hi"), Finished("r", "stop", 1, 1)), Wire()

    stream(engine, wire)

    assert (wire.aborted, wire.ended) == (False, True)
    assert b'"generated_text":"hi"' in wire.sent[-1]


def test_a_ready_engine_that_falls_silent_for_a_minute_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineProcess(SETTINGS)
    engine._hear(Loaded(8192))
    ready = engine.state

    monkeypatch.setattr(engine, "_heard_at", time.monotonic() - 61)
    silent = engine.state
    engine._heard_at = time.monotonic()  # it moves again

    assert ready == Ready()
    assert silent == Broken("the engine has not moved for 61 s, limit 60 s")
    assert engine.state == Ready()


def test_an_event_for_a_request_that_nobody_waits_for_is_dropped() -> None:
    engine = EngineProcess(SETTINGS)

    engine._hear(Piece("gone", "text"))

    assert engine.state == Loading()
