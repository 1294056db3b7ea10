"""The device thread's loop over a device of canned tokens."""

from collections import Counter
from collections.abc import Sequence

import pytest

from engine.loop import Job, Loop
from engine.policy import Budget
from engine.protocol import Abort, Beat, Event, Failed, Finished, Piece, Submit

EOS = 0
TERMINAL = (Finished, Failed)


class LetterText:
    """Token 1 is "a", 2 is "b" and so on."""

    def encode(self, request: Submit) -> list[int]:
        return [ord(letter) - 96 for letter in request.prompt or ""]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(96 + token) for token in ids)


class CannedDevice:
    """Answers each prompt with the same letters again, then with the end; prompts of "z" make it lose its numbers."""

    def __init__(self) -> None:
        self.open_slots: dict[int, list[int]] = {}
        self.closed: list[int] = []
        self.rows = 0

    def shape(self, rows: int, row_tokens: int) -> None:  # noqa: ARG002 - the protocol's signature
        self.rows = rows

    def open(self, slot: int, request: Submit) -> None:  # noqa: ARG002 - the protocol's signature
        assert slot < self.rows, "a slot was opened before its row was there"
        assert slot not in self.open_slots
        self.open_slots[slot] = []

    def close(self, slot: int) -> None:
        del self.open_slots[slot]
        self.closed.append(slot)

    def prefill(self, slot: int, ids: Sequence[int], *, last: bool) -> int | FloatingPointError | None:
        self.open_slots[slot] += ids
        return self._next(slot) if last else None

    def decode(self, slots: Sequence[int]) -> dict[int, int | FloatingPointError]:
        return {slot: self._next(slot) for slot in slots}

    def _next(self, slot: int) -> int | FloatingPointError:
        left = self.open_slots[slot]
        token = left.pop(0) if left else EOS
        return FloatingPointError("no numbers") if token == 26 else token


class Bench:
    def __init__(self, slots: int = 2) -> None:
        self.events: list[Event] = []
        self.device = CannedDevice()
        budget = Budget(slots=slots, kv_tokens=1000, prefill_tokens=3)
        self.loop = Loop(self.device, LetterText(), budget, frozenset({EOS}), self.events.extend)

    def ask(self, request_id: str, prompt: str, max_tokens: int = 50, stop: Sequence[str] = ()) -> None:
        request = Submit(request_id, prompt=prompt, stop=list(stop))
        self.loop.inbox.put(Job(request, LetterText().encode(request), max_tokens))

    def work(self, steps: int = 60) -> None:
        for _ in range(steps):
            self.loop.take(wait_s=0)
            self.loop.step()

    def of(self, request_id: str) -> list[Event]:
        return [event for event in self.events if getattr(event, "request_id", None) == request_id]

    def text(self, request_id: str) -> str:
        return "".join(event.text for event in self.of(request_id) if isinstance(event, Piece))


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "stop", "text", "end"),
    [
        pytest.param("hello", 50, [], "hello", ("stop", 6), id="the model ends it; its end token counts"),
        pytest.param("hello", 4, [], "hell", ("length", 4), id="max_tokens ends it"),
        pytest.param("hello", 5, [], "hello", ("length", 5), id="max_tokens comes just before the end token"),
        pytest.param("hello", 6, [], "hello", ("stop", 6), id="the end token is the last one allowed"),
        pytest.param("hello", 50, ["ll"], "he", ("stop", 4), id="a stop string ends it and is not shown"),
        pytest.param("hello", 50, ["low"], "hello", ("stop", 6), id="what only looked like a stop string is shown"),
        pytest.param("hello", 4, ["low"], "hell", ("length", 4), id="held text is shown when max_tokens ends it"),
    ],
)
def test_an_answer_ends_once_with_its_reason_and_its_length(
    prompt: str, max_tokens: int, stop: list[str], text: str, end: tuple[str, int]
) -> None:
    bench = Bench()
    bench.ask("r", prompt, max_tokens, stop)

    bench.work()

    assert bench.text("r") == text
    last = bench.of("r")[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.generated_tokens, last.prompt_tokens) == (*end, len(prompt))


def test_everyone_gets_exactly_one_terminal_event_and_every_slot_comes_back() -> None:
    bench = Bench(slots=3)
    for number in range(20):
        bench.ask(f"r{number}", "z" if number % 7 == 3 else "abcdefg"[: 1 + number % 5])

    bench.work(200)

    ends = Counter(event.request_id for event in bench.events if isinstance(event, TERMINAL))
    assert ends == Counter({f"r{number}": 1 for number in range(20)})
    assert bench.device.open_slots == {}
    assert bench.device.rows == 0, "an idle engine gives its memory back"


def test_one_request_without_numbers_fails_alone() -> None:
    bench = Bench()
    bench.ask("sick", "abz")
    bench.ask("well", "hello")

    bench.work()

    assert isinstance(bench.of("sick")[-1], Failed)
    assert bench.text("well") == "hello"


def test_an_aborted_request_falls_silent_and_frees_its_slot_for_the_next() -> None:
    bench = Bench(slots=1)
    bench.ask("gone", "abcdefghij")
    bench.ask("next", "hi")
    bench.work(5)
    said_before = len(bench.of("gone"))

    bench.loop.inbox.put(Abort("gone"))
    bench.work()

    assert said_before >= 1
    assert len(bench.of("gone")) == said_before
    assert bench.text("next") == "hi"


def test_aborting_a_waiting_or_unknown_request_disturbs_nobody() -> None:
    bench = Bench(slots=1)
    bench.ask("first", "hello")
    bench.ask("waits", "bye")
    bench.work(1)

    bench.loop.inbox.put(Abort("waits"))
    bench.loop.inbox.put(Abort("never heard of"))
    bench.work()

    assert bench.text("first") == "hello"
    assert bench.of("waits") == []


def test_every_step_is_heard_even_when_no_text_is_final() -> None:
    bench = Bench()
    bench.ask("r", "abcdefghi")  # its first two steps only read the prompt

    bench.work(1)

    assert bench.events == [Beat()]
