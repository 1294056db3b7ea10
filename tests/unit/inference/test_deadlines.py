"""What a caller hears when the engine says nothing."""

import asyncio
import time
from typing import Any

import pytest

from engine.protocol import Accepted, Ask, Finished, Loaded, Piece, Submit
from server import serving
from server.admission import Admission
from server.answers import answer_for
from server.attributes import Limits, read_attributes
from server.choices import Choices, Desk
from server.engine import Listener, Loading, Ready, Stalled, State
from server.engine_process import EngineProcess
from server.errors import ServingError
from server.forecast import Forecast
from server.health import Watch
from server.metrics import Metrics
from server.parse import Invocation
from server.provenance import provenance_of
from server.settings import Settings

SETTINGS = Settings("3f2a91c07d4e", "3f2a91c07d4e-1")
TEXT = Invocation("text", (Submit("r", prompt="hi"),), stream=True)
SOON = Limits(0.2, 0.2)


class SlowEngine:
    """Says what it is given, then nothing."""

    def __init__(self, *said: Any) -> None:
        self.said = said
        self.aborted: list[str] = []
        self.state: State = Ready(Loaded(8192))

    async def start(self, on_progress: Any) -> None: ...

    async def stop(self) -> None: ...

    def submit(self, request: Ask, listener: Listener) -> None:
        assert request.request_id == "r"
        for event in self.said:
            listener(event)

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
    monkeypatch.setattr(serving, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(serving, "_FLUSH_S", 0.1)


async def serve(engine: SlowEngine, wire: Any, limits: Limits) -> Any:
    admission = Admission(9, Forecast(1))
    answer = answer_for(TEXT, "r", SETTINGS, provenance_of(SETTINGS, None))
    with admission.enter([2], 5, limits) as tickets:
        desk = Desk(engine, admission, Metrics("m"))
        choices = Choices(desk, TEXT.submits, tickets, limits, operation="chat", arrived_at=time.monotonic())
        if wire is None:
            return await serving.serve_unary(choices, answer, 1)
        return await serving.serve_stream(wire, choices, answer, 1, provenance_of(SETTINGS, None))


def stream(engine: SlowEngine, wire: Any, limits: Limits = SOON) -> None:
    asyncio.run(serve(engine, wire, limits))


def test_the_servers_deadlines_come_before_sagemakers() -> None:
    # 60 s and 8 min: https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html
    said = read_attributes("deadline=9999;first-token=9999")

    assert said.limits(stream=False).answer_s < 60
    assert said.limits(stream=True).answer_s < 480
    assert said.limits(stream=True).first_token_s < 60


def test_the_first_token_has_a_deadline_of_its_own() -> None:
    engine, wire = SlowEngine(Accepted("r", 1)), Wire()

    stream(engine, wire, Limits(answer_s=60, first_token_s=0.2))

    assert b"no token came within 0.2 s" in wire.sent[-1]
    assert wire.aborted
    assert engine.aborted == ["r"]


def test_a_unary_answer_that_is_late_is_an_error_and_is_aborted() -> None:
    engine = SlowEngine(Accepted("r", 1), Piece("r", "hi"))

    with pytest.raises(ServingError) as late:
        asyncio.run(serve(engine, None, SOON))

    assert (late.value.code, late.value.status) == ("deadline_exceeded", 504)
    assert engine.aborted == ["r"]


def test_a_stream_that_is_never_accepted_is_refused_before_its_first_byte() -> None:
    engine, wire = SlowEngine(), Wire()

    with pytest.raises(ServingError, match=r"no token came within 0\.2 s"):
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


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_silence_of_eight_seconds_is_a_hang_and_a_sign_of_life_ends_it() -> None:
    engine, clock = EngineProcess(SETTINGS), Clock()
    engine._watch = Watch(clock)
    engine._hear(Loaded(8192))

    clock.now = 8.0
    working = engine.state
    clock.now = 8.1
    silent = engine.state
    engine._watch.heard()

    assert working == engine.state == Ready(Loaded(8192))
    assert silent == Stalled("the engine has not moved for 8 s, limit 8 s", Loaded(8192))


@pytest.mark.parametrize(
    ("step_s", "limit_s"),
    [
        pytest.param(0.05, 8.0, id="a quick device is judged by the least silence"),
        pytest.param(5.0, 20.0, id="a slow one by its own pace"),
        pytest.param(30.0, 60.0, id="nobody is silent for more than a minute"),
    ],
)
def test_a_slow_device_is_not_taken_for_a_dead_one(step_s: float, limit_s: float) -> None:
    clock = Clock()
    watch = Watch(clock)
    watch.heard(step_s)

    clock.now = limit_s
    before = watch.hung
    clock.now = limit_s + 0.1

    assert before is None
    assert watch.hung


def test_one_slow_step_is_forgotten() -> None:
    watch = Watch(Clock())
    watch.heard(10.0)
    for _ in range(500):
        watch.heard(0.01)

    assert watch.limit_s == 8.0


def test_an_event_for_a_request_that_nobody_waits_for_is_dropped() -> None:
    engine = EngineProcess(SETTINGS)

    engine._hear(Piece("gone", "text"))

    assert engine.state == Loading()
