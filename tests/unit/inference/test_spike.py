"""Ten times the load, in virtual time: the real admission, the real loop and policy, a device that only takes time.

What is good is set by the caller: the first token within 0.5 s.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.device import Drawn
from engine.loop import Job, Loop
from engine.policy import Budget, Opened, Plan
from engine.protocol import Abort, Event, Finished, Piece, Progress, Submit
from server.admission import Admission
from server.attributes import Limits
from server.errors import ServingError
from server.forecast import Forecast, Ticket

SLOTS, STEP_S, READ_S = 8, 0.01, 0.0001
FIRST_S = 0.5
PROMPT, LONGEST = 20, 120
# 8 slots, and an answer takes 70 steps of 10 ms on average.
CAPACITY = SLOTS / (70 * STEP_S)


class Device:
    def __init__(self, bench: "Bench") -> None:
        self._bench = bench

    def open(self, opened: Opened, request: Submit, prompt: Sequence[int]) -> None: ...

    def close(self, slot: int) -> None: ...

    def step(self, plan: Plan) -> dict[int, Drawn | FloatingPointError]:
        self._bench.now += STEP_S + READ_S * sum(chunk.count for chunk in plan.chunks)
        return {slot: Drawn(4) for slot in [*plan.decode, *(chunk.slot for chunk in plan.chunks if chunk.last)]}


class Words:
    def encode(self, request: Submit) -> list[int]:
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        return "w" * len(ids)

    def token(self, token: int) -> str:
        return self.decode([token])


@dataclass
class Caller:
    ticket: Ticket
    entry: Any
    arrived_at: float
    first_at: float | None = None


@dataclass
class Bench:
    bounded: bool
    now: float = 0.0
    callers: dict[str, Caller] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.forecast = Forecast(SLOTS, kv_tokens=16 * 1000, clock=lambda: self.now)
        self.admission = Admission(10**9 if not self.bounded else SLOTS + 64, self.forecast, clock=lambda: self.now)
        budget = Budget(SLOTS, 1000, 512, 16)
        self.loop = Loop(Device(self), Words(), budget, frozenset(), self._hear, clock=lambda: self.now)

    def arrive(self, name: str, tokens: int) -> None:
        limits = Limits(60.0, FIRST_S) if self.bounded else Limits(1e9, 1e9)
        entry = self.admission.enter([PROMPT * 5], tokens, limits)
        try:
            (ticket,) = entry.__enter__()
        except ServingError as refused:
            self.ends[refused.code] += 1
            return
        self.callers[name] = Caller(ticket, entry, self.now)
        self.loop.inbox.put(Job(Submit(name, prompt="x"), [1] * PROMPT, tokens, self.now))
        self.forecast.note_prompt(ticket, PROMPT)

    def expire(self) -> None:
        """What `server.choices` does when a first token is late."""
        late = [name for name, one in self.callers.items() if one.first_at is None and self._waited(one) > FIRST_S]
        for name in late if self.bounded else ():
            self.forecast.note_late(self.callers[name].ticket)
            self.loop.inbox.put(Abort(name))
            self._leave(name, "late")

    def step(self) -> None:
        self.loop.take(wait_s=0)
        if len(self.loop.schedule):
            self.loop.step()
        else:
            self.now += STEP_S

    def _waited(self, one: Caller) -> float:
        return self.now - one.arrived_at

    def _leave(self, name: str, end: str) -> None:
        self.callers.pop(name).entry.__exit__(None, None, None)
        self.ends[end] += 1

    def _hear(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Progress):
                self.forecast.note_step(event)
            elif isinstance(event, Piece) and event.request_id in self.callers:
                one = self.callers[event.request_id]
                one.first_at = self.now if one.first_at is None else one.first_at
                self.forecast.note_piece(one.ticket)
            elif isinstance(event, Finished) and event.request_id in self.callers:
                one = self.callers[event.request_id]
                self.forecast.note_end(one.ticket, event.generated_tokens)
                in_time = one.first_at is not None and one.first_at - one.arrived_at <= FIRST_S
                self._leave(event.request_id, "good" if in_time else "slow")


def run(rate: float, seconds: float, *, bounded: bool, seed: int = 1) -> Counter[str]:
    """The ends of all requests that ended within the seconds."""
    chosen, bench, at, number = random.Random(seed), Bench(bounded), 0.0, 0  # noqa: S311 - a load, not a secret
    while bench.now < seconds:
        while at <= bench.now:
            bench.arrive(str(number), chosen.randint(20, LONGEST))
            number, at = number + 1, at + chosen.expovariate(rate)
        bench.expire()
        bench.step()
    return bench.ends


@pytest.fixture(scope="module")
def peak() -> float:
    return max(run(share * CAPACITY, 30, bounded=True)["good"] for share in (1.0, 1.2)) / 30


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.prove), pytest.param(3, marks=pytest.mark.prove)]
)
def test_ten_times_the_load_leaves_nine_tenths_of_the_peak(peak: float, seed: int) -> None:
    ends = run(10 * CAPACITY, 30, bounded=True, seed=seed)

    assert ends["good"] / 30 >= 0.9 * peak, ends
    # Who is let in is nearly always answered in time, so a refusal is the usual way to hear no.
    assert ends["late"] <= 0.1 * ends["good"], ends
    assert ends["deadline_unreachable"] > 5 * ends["good"]


def test_first_come_first_served_without_a_bound_collapses(peak: float) -> None:
    ends = run(10 * CAPACITY, 15, bounded=False)

    assert ends["good"] / 15 < 0.1 * peak, ends


def test_below_the_capacity_nobody_is_refused() -> None:
    ends = run(0.5 * CAPACITY, 60, bounded=True)

    assert ends["good"] == sum(ends.values()), ends
