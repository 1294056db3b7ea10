"""The device thread's loop over a device of canned tokens."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from engine.device import Drawn, OutOfDeviceMemoryError
from engine.loop import Job, Loop
from engine.policy import Budget, Opened, Plan
from engine.protocol import Abort, Event, Failed, Finished, Piece, Progress, Submit

EOS = 0
TERMINAL = (Finished, Failed)


class LetterText:
    """Token 1 is "a", 2 is "b" and so on."""

    def encode(self, request: Submit) -> list[int]:
        return [ord(letter) - 96 for letter in request.prompt or ""]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(96 + token) for token in ids)

    def token(self, token: int) -> str:
        return self.decode([token])


class CannedDevice:
    """Answers each prompt with the same letters again, then with the end.

    Prompts of "z" make it lose its numbers. A prompt with a "y" makes a step of more than one request too large.
    """

    def __init__(self) -> None:
        self.open_slots: dict[int, list[int]] = {}
        self.prompts: dict[int, list[int]] = {}
        self.closed: list[int] = []

    def open(self, opened: Opened, request: Submit, prompt: Sequence[int]) -> None:  # noqa: ARG002 - the protocol's
        assert opened.slot not in self.open_slots
        self.open_slots[opened.slot], self.prompts[opened.slot] = list(prompt), list(prompt)

    def close(self, slot: int) -> None:
        del self.open_slots[slot]
        self.closed.append(slot)

    def step(self, plan: Plan) -> dict[int, Drawn | FloatingPointError]:
        slots = [*plan.decode, *(chunk.slot for chunk in plan.chunks)]
        if len(slots) > 1 and any(25 in self.prompts[slot] for slot in slots):
            raise OutOfDeviceMemoryError("no room for 7 bytes")
        speakers = [*plan.decode, *(chunk.slot for chunk in plan.chunks if chunk.last)]
        return {slot: self._next(slot) for slot in speakers}

    def _next(self, slot: int) -> Drawn | FloatingPointError:
        left = self.open_slots[slot]
        token = left.pop(0) if left else EOS
        return FloatingPointError("no numbers") if token == 26 else Drawn(token, -0.5, ((token, -0.5),))


class Bench:
    def __init__(self, slots: int = 2) -> None:
        self.events: list[Event] = []
        self.device = CannedDevice()
        self.now = 0.0
        budget = Budget(slots=slots, blocks=250, step_tokens=slots + 3, block_tokens=4)
        self.loop = Loop(self.device, LetterText(), budget, frozenset({EOS}), self.events.extend, lambda: self.now)

    def ask(self, request_id: str, prompt: str, max_tokens: int = 50, stop: Sequence[str] = (), **fields: Any) -> None:
        request = Submit(request_id, prompt=prompt, stop=list(stop), **fields)
        self.loop.inbox.put(Job(request, LetterText().encode(request), max_tokens, self.now))

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
    bench.loop.schedule.check()


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
    bench.ask("r", "abcdefghijk")  # its first two steps only read the prompt

    bench.work(1)

    (said,) = bench.events
    assert isinstance(said, Progress)
    # 5 tokens of room in a step; 11 + 50 tokens take 16 blocks of 4.
    assert (said.running, said.waiting, said.read_tokens, said.drawn_tokens, said.kv_tokens) == (1, 0, 5, 0, 64)


def test_a_step_too_large_for_the_memory_fails_its_own_requests_and_no_later_one() -> None:
    bench = Bench(slots=2)
    for name, prompt in {"a": "abc", "b": "y", "waits": "hello"}.items():
        bench.ask(name, prompt)

    bench.work()

    assert [event.message for event in bench.events if isinstance(event, Failed)] == [
        "2 requests together ran out of the device's memory (no room for 7 bytes); send the request again"
    ] * 2
    assert bench.text("waits") == "hello"
    assert bench.device.open_slots == {}


def test_a_deadline_ends_the_running_and_the_waiting_with_its_number() -> None:
    bench = Bench(slots=1)
    bench.ask("runs", "abcdefghij", deadline_s=5.0)
    bench.ask("waits", "hi", deadline_s=5.0)
    bench.ask("has time", "ok")
    bench.work(3)

    bench.now = 5.0
    bench.work()

    ends = {name: bench.of(name)[-1] for name in ("runs", "waits", "has time")}
    assert isinstance(ends["has time"], Finished)
    for name in ("runs", "waits"):
        end = ends[name]
        assert isinstance(end, Failed)
        assert end.code == "deadline_exceeded"
        assert "5 s after the request" in end.message
    assert bench.device.open_slots == {}


def test_stop_tokens_end_an_answer_and_are_not_shown_and_eos_can_be_ignored() -> None:
    bench = Bench()
    bench.ask("stops", "hello", stop_token_ids=[ord("l") - 96])
    bench.ask("goes on", "hi", max_tokens=5, ignore_eos=True)

    bench.work()

    assert bench.text("stops") == "he"
    end = bench.of("goes on")[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.generated_tokens) == ("length", 5)


def test_log_probabilities_come_with_the_text_of_their_tokens_and_none_is_lost() -> None:
    bench = Bench()
    bench.ask("r", "help", stop=["lp!"], logprobs=1)

    bench.work()

    noted = [one for event in bench.of("r") if isinstance(event, Piece) for one in event.logprobs]
    assert [one["token"] for one in noted] == ["h", "e", "l", "p", "`"]  # "`" is how LetterText shows the end token
    assert noted[0] == {
        "token": "h",
        "logprob": -0.5,
        "bytes": [104],
        "top_logprobs": [{"token": "h", "logprob": -0.5, "bytes": [104]}],
    }


def test_a_second_request_with_the_same_beginning_says_how_much_it_found() -> None:
    bench = Bench(slots=1)
    bench.ask("first", "abcdefghij")
    bench.ask("second", "abcdefghxx")

    bench.work()

    first, second = bench.of("first")[-1], bench.of("second")[-1]
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert (first.cached_tokens, second.cached_tokens) == (0, 8)  # two whole blocks of four


def test_the_engine_says_that_it_holds_nothing_when_the_last_request_is_given_up() -> None:
    bench = Bench()
    bench.ask("r", "abcdefghijk")
    bench.work(1)

    bench.loop.inbox.put(Abort("r"))
    bench.work(2)

    last = bench.events[-1]
    assert isinstance(last, Progress)
    assert (last.running, last.waiting, last.kv_tokens) == (0, 0, 0)
    assert len([event for event in bench.events if isinstance(event, Progress)]) == 2, "said once, then it is quiet"
