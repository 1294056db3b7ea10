"""One thread, one device: requests in, text out."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.blocks import first_link, links, next_link
from engine.detokenise import Detokeniser, StopFilter
from engine.device import Device, Drawn, OutOfDeviceMemoryError
from engine.policy import Ask, Budget, Plan, Schedule
from engine.protocol import Abort, Beat, Event, Failed, Finished, FinishReason, Piece, Progress, Submit
from engine.text import Text

_BEAT_S = 1.0


@dataclass(frozen=True)
class Job:
    """A request that fits."""

    request: Submit
    prompt: list[int]
    max_tokens: int
    arrived_at: float = field(default_factory=time.monotonic)


@dataclass
class _Answer:
    job: Job
    detokeniser: Detokeniser
    stops: StopFilter
    digests: list[bytes]
    """Of the full blocks of prompt and answer; the schedule reads them."""
    tail: list[int]
    """Tokens behind the last full block."""
    generated: int = 0
    cached: int = 0
    logprobs: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Loop:
    """Runs the schedule's plans and turns tokens into events.

    Args:
        send: takes the events of one step; they travel in one message.
        eos: tokens that end an answer.
        clock: seconds; deadlines are measured on it.
    """

    device: Device
    text: Text
    budget: Budget
    eos: frozenset[int]
    send: Callable[[list[Event]], None]
    clock: Callable[[], float] = time.monotonic
    inbox: queue.SimpleQueue[Job | Abort] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.budget)
        self._answers: dict[str, _Answer] = {}
        self._slots: dict[int, str] = {}
        self._busy = False

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
        """A part of the unread prompts and one token for everybody who has read theirs."""
        if not self._answers:
            if self._busy:
                # The last one was given up between two steps.
                self._rest()
            return
        self._busy = True
        began = self.clock()
        events = self._expire()
        plan = self.schedule.plan()
        if not plan.idle:
            events += self._run(plan)
        if not self._answers:
            self.schedule.check()
        # Sent even when no text became final: the server takes silence for a stuck engine.
        self.send([*events, self._progress(plan, self.clock() - began)])

    def _rest(self) -> None:
        self._busy = False
        self.schedule.check()
        self.send([self._progress(Plan(), 0.0)])

    def _progress(self, plan: Plan, step_s: float) -> Progress:
        read = sum(chunk.count for chunk in plan.chunks)
        drawn = len(plan.decode) + sum(chunk.last for chunk in plan.chunks)
        now = self.schedule
        return Progress(now.running, now.waiting, now.reserved_tokens, read, drawn, step_s)

    def _expire(self) -> list[Event]:
        events: list[Event] = []
        for request_id in self.schedule.expired(self.clock()):
            limit = self._answers[request_id].job.request.deadline_s
            self._forget(request_id)
            said = f"the answer was not complete {limit:g} s after the request, its deadline; ask for fewer tokens"
            events.append(Failed(request_id, said, "deadline_exceeded"))
        return events

    def _run(self, plan: Plan) -> list[Event]:
        for opened in plan.opened:
            answer = self._answers[opened.request_id]
            answer.cached = opened.cached_tokens
            self._slots[opened.slot] = opened.request_id
            self.device.open(opened, answer.job.request, answer.job.prompt)
        try:
            tokens = self.device.step(plan)
        except OutOfDeviceMemoryError as error:
            return self._shed(plan, error)
        self.schedule.done(plan)
        return [event for slot, token in tokens.items() for event in self._said(self._slots[slot], token)]

    def _shed(self, plan: Plan, error: OutOfDeviceMemoryError) -> list[Event]:
        """Who took part in the step that did not fit is told so; who waits may still fit."""
        slots = [*plan.decode, *(chunk.slot for chunk in plan.chunks)]
        said = f"{len(slots)} requests together ran out of the device's memory ({error}); send the request again"
        events: list[Event] = []
        for request_id in [self._slots[slot] for slot in slots]:
            self._forget(request_id, spoilt=True)
            events.append(Failed(request_id, said, "out_of_memory"))
        return events

    def _add(self, job: Job) -> None:
        request, size = job.request, self.budget.block_tokens
        digests = links(request.cache_salt, job.prompt, size)
        tail = job.prompt[len(digests) * size :]
        answer = _Answer(job, Detokeniser(self.text.decode), StopFilter(request.stop), digests, tail)
        self._answers[request.request_id] = answer
        deadline = None if request.deadline_s is None else job.arrived_at + request.deadline_s
        self.schedule.add(
            Ask(request.request_id, len(job.prompt), job.max_tokens, answer.digests, request.priority, deadline)
        )

    def _forget(self, request_id: str, *, spoilt: bool = False) -> None:
        if self._answers.pop(request_id, None) is None:
            return
        slot = self.schedule.remove(request_id, forget=spoilt)
        if slot is not None and self._slots.pop(slot, None) is not None:
            self.device.close(slot)

    def _said(self, request_id: str, drawn: Drawn | FloatingPointError) -> list[Event]:
        if isinstance(drawn, FloatingPointError):
            self._forget(request_id, spoilt=True)
            return [Failed(request_id, f"{drawn}; send the request again, and roll back if it happens again")]
        answer = self._answers[request_id]
        answer.generated += 1
        self._extend(answer, drawn.token)
        self._note_logprobs(answer, drawn)
        request = answer.job.request
        ended = drawn.token in request.stop_token_ids or (drawn.token in self.eos and not request.ignore_eos)
        text = "" if ended else answer.stops.add(answer.detokeniser.add(drawn.token))
        reason: FinishReason | None = None
        if ended or answer.stops.stopped:
            reason = "stop"
        elif answer.generated == answer.job.max_tokens:
            reason = "length"
        if reason is not None:
            text += answer.stops.add(answer.detokeniser.finish()) + answer.stops.finish()
            self._forget(request_id)
        return self._events(answer, text, "stop" if answer.stops.stopped else reason)

    def _extend(self, answer: _Answer, token: int) -> None:
        answer.tail.append(token)
        if len(answer.tail) == self.budget.block_tokens:
            link = answer.digests[-1] if answer.digests else first_link(answer.job.request.cache_salt)
            answer.digests.append(next_link(link, answer.tail))
            answer.tail.clear()

    def _note_logprobs(self, answer: _Answer, drawn: Drawn) -> None:
        if drawn.logprob is not None:
            likeliest = [self._named(token, logprob) for token, logprob in drawn.likeliest]
            answer.logprobs.append({**self._named(drawn.token, drawn.logprob), "top_logprobs": likeliest})

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.text.token(token)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode("utf-8", "replace"))}

    def _events(self, answer: _Answer, text: str, reason: FinishReason | None) -> list[Event]:
        request_id = answer.job.request.request_id
        events: list[Event] = []
        if text or (reason and answer.logprobs):
            events.append(Piece(request_id, text, answer.logprobs))
            answer.logprobs = []
        if reason is not None:
            events.append(Finished(request_id, reason, len(answer.job.prompt), answer.generated, answer.cached))
        return events
