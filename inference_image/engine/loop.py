"""One thread, one device: requests in, text out."""

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.detokenise import Detokeniser, StopFilter
from engine.policy import Budget, Plan, Schedule
from engine.protocol import Abort, Beat, Event, Failed, Finished, FinishReason, Piece, Submit
from engine.text import Text

_BEAT_S = 1.0


class Device(Protocol):
    """What the loop asks of the device; `runner.Runner` is the real one."""

    def shape(self, rows: int, row_tokens: int) -> None: ...
    def open(self, slot: int, request: Submit) -> None: ...
    def close(self, slot: int) -> None: ...
    def prefill(self, slot: int, ids: Sequence[int], *, last: bool) -> int | FloatingPointError | None: ...
    def decode(self, slots: Sequence[int]) -> dict[int, int | FloatingPointError]: ...


@dataclass(frozen=True)
class Job:
    """A request that fits."""

    request: Submit
    prompt: list[int]
    max_tokens: int


@dataclass
class _Answer:
    job: Job
    detokeniser: Detokeniser
    stops: StopFilter
    generated: int = 0


@dataclass
class Loop:
    """Runs the schedule's plans and turns tokens into events.

    Args:
        send: takes the events of one step; they travel in one message.
        eos: tokens that end an answer.
    """

    device: Device
    text: Text
    budget: Budget
    eos: frozenset[int]
    send: Callable[[list[Event]], None]
    inbox: queue.SimpleQueue[Job | Abort] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._schedule = Schedule(self.budget)
        self._answers: dict[str, _Answer] = {}
        self._slots: dict[int, str] = {}

    def run(self) -> None:
        """Until the process ends."""
        while True:
            if not self.take(wait_s=0.0 if self._answers else _BEAT_S) and not self._answers:
                self.send([Beat()])
            self.step()

    def take(self, wait_s: float) -> bool:
        """Move what has arrived into the schedule; wait for the first at most `wait_s`. False if nothing came."""
        came = False
        try:
            while True:
                one = self.inbox.get(timeout=wait_s) if wait_s and not came else self.inbox.get_nowait()
                came = True
                self._forget(one.request_id) if isinstance(one, Abort) else self._add(one)
        except queue.Empty:
            return came

    def step(self) -> None:
        """Read a part of one prompt, then one token for everybody who has read theirs."""
        if not self._answers:
            return
        plan = self._schedule.plan()
        tokens = self._run(plan)
        events = [event for slot, token in tokens.items() for event in self._said(self._slots[slot], token)]
        if not self._answers:
            self.device.shape(0, 0)
        # Sent even when no text became final: the server takes silence for a stuck engine.
        self.send(events or [Beat()])

    def _run(self, plan: Plan) -> dict[int, int | FloatingPointError]:
        self.device.shape(plan.rows, plan.row_tokens)
        for slot, request_id in plan.opened:
            self._slots[slot] = request_id
            self.device.open(slot, self._answers[request_id].job.request)
        tokens = self.device.decode(plan.decode) if plan.decode else {}
        chunk = plan.prefill
        if chunk is not None:
            ids = self._answers[self._slots[chunk.slot]].job.prompt[chunk.start : chunk.start + chunk.count]
            first = self.device.prefill(chunk.slot, ids, last=chunk.last)
            self._schedule.prefilled(chunk)
            if first is not None:
                tokens[chunk.slot] = first
        return tokens

    def _add(self, job: Job) -> None:
        request = job.request
        self._answers[request.request_id] = _Answer(job, Detokeniser(self.text.decode), StopFilter(request.stop))
        self._schedule.add(request.request_id, len(job.prompt), job.max_tokens)

    def _forget(self, request_id: str) -> None:
        if self._answers.pop(request_id, None) is None:
            return
        slot = self._schedule.remove(request_id)
        if slot is not None and self._slots.pop(slot, None) is not None:
            self.device.close(slot)

    def _said(self, request_id: str, token: int | FloatingPointError) -> list[Event]:
        if isinstance(token, FloatingPointError):
            self._forget(request_id)
            return [Failed(request_id, f"{token}; send the request again, and roll back if it happens again")]
        answer = self._answers[request_id]
        answer.generated += 1
        ended = token in self.eos
        text = "" if ended else answer.stops.add(answer.detokeniser.add(token))
        reason: FinishReason | None = None
        if ended or answer.stops.stopped:
            reason = "stop"
        elif answer.generated == answer.job.max_tokens:
            reason = "length"
        if reason is not None:
            text += answer.stops.add(answer.detokeniser.finish()) + answer.stops.finish()
            self._forget(request_id)
        return self._events(answer, text, "stop" if answer.stops.stopped else reason)

    def _events(self, answer: _Answer, text: str, reason: FinishReason | None) -> list[Event]:
        request_id = answer.job.request.request_id
        events: list[Event] = [Piece(request_id, text)] if text else []
        if reason is not None:
            events.append(Finished(request_id, reason, len(answer.job.prompt), answer.generated))
        return events
