"""The choices of one request on their way from the engine: each with one end, all under the request's deadlines."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from engine.protocol import Accepted, Failed, Finished, Piece, Rejected, RequestEvent, Submit
from server.admission import Admission
from server.attributes import Limits
from server.engine import Engine
from server.errors import Code, ServingError
from server.forecast import Ticket
from server.metrics import Metrics

Said = tuple[int, Piece | Finished]
"""Number of the choice, and what it said."""


@dataclass(frozen=True)
class Desk:
    """What all requests share."""

    engine: Engine
    admission: Admission
    metrics: Metrics


class Choices:
    """Args: operation: `chat` or `text_completion`, as OpenTelemetry names it; arrived_at: monotonic seconds."""

    def __init__(  # noqa: PLR0913 - one request has this many sides
        self,
        desk: Desk,
        submits: Sequence[Submit],
        tickets: Sequence[Ticket],
        limits: Limits,
        *,
        operation: str,
        arrived_at: float,
    ) -> None:
        self._desk, self._submits, self._tickets, self._limits = desk, submits, tickets, limits
        self._operation, self._arrived_at = operation, arrived_at
        self._queue: asyncio.Queue[tuple[int, RequestEvent]] = asyncio.Queue()
        self._spoke_at: dict[int, float] = {}
        self._began_at: float | None = None
        self.open = len(submits)
        """Choices without an end."""

    @property
    def limit_s(self) -> float:
        return self._limits.answer_s

    @property
    def ends_at(self) -> float:
        return self._arrived_at + self.limit_s

    def submit(self) -> None:
        for index, submit in enumerate(self._submits):
            self._desk.engine.submit(submit, partial(self._hear, index))

    def _hear(self, index: int, event: RequestEvent) -> None:
        self._queue.put_nowait((index, event))

    def abort(self) -> None:
        """The engine has nothing left of the request after this."""
        for submit in self._submits:
            self._desk.engine.abort(submit.request_id)

    async def accepted(self) -> None:
        """Wait until the engine has taken every choice.

        Raises:
            ServingError: it refused or failed, or the deadline passed.
        """
        for _ in self._submits:
            self._note(*await self._next(None))

    async def take(self, patience_s: float | None = None) -> list[Said]:
        """What was said since, at least one thing; nothing if nobody spoke for `patience_s`.

        Raises:
            ServingError: a choice was refused or failed, or a deadline passed.
        """
        said: list[Said] = []
        while not said:
            try:
                heard = [await self._next(patience_s)]
            except TimeoutError:
                return []
            while not self._queue.empty():
                heard.append(self._queue.get_nowait())
            for index, event in heard:
                noted = self._note(index, event)
                if noted is not None:
                    said.append((index, noted))
        return said

    async def _next(self, patience_s: float | None) -> tuple[int, RequestEvent]:
        """Raises TimeoutError after `patience_s`, ServingError after the deadline."""
        limit_s = self._limits.answer_s if self._began_at is not None else self._limits.first_token_s
        left_s = self._arrived_at + limit_s - time.monotonic()
        is_last_wait = patience_s is None or left_s <= patience_s
        try:
            async with asyncio.timeout(left_s if patience_s is None else min(left_s, patience_s)):
                return await self._queue.get()
        except TimeoutError:
            if is_last_wait:
                for ticket in self._tickets:
                    self._desk.admission.forecast.note_late(ticket)
                raise late(limit_s, first=self._began_at is None) from None
            raise

    def _note(self, index: int, event: RequestEvent) -> Piece | Finished | None:
        """Measure it; None if it is not for the caller."""
        ticket, forecast = self._tickets[index], self._desk.admission.forecast
        match event:
            case Accepted():
                forecast.note_prompt(ticket, event.prompt_tokens)
            case Piece():
                self._note_piece(index, ticket)
                return event
            case Finished():
                self._note_end(ticket, event)
                return event
            case Rejected(_, code, message, param):
                raise ServingError(cast("Code", code), message, param=param)
            case Failed(_, message, code):
                raise ServingError(cast("Code", code), message)
            case _:
                raise TypeError(f"the engine answered a request for text with {type(event).__name__}")
        return None

    def _note_piece(self, index: int, ticket: Ticket) -> None:
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
            self._desk.metrics.first_token(self._operation, now - self._arrived_at)
        if index in self._spoke_at:
            self._desk.metrics.next_piece(now - self._spoke_at[index])
        self._spoke_at[index] = now
        self._desk.admission.forecast.note_piece(ticket)

    def _note_end(self, ticket: Ticket, end: Finished) -> None:
        now = time.monotonic()
        self._began_at = now if self._began_at is None else self._began_at
        self._desk.metrics.finished(self._operation, end, now - self._began_at)
        self._desk.admission.forecast.note_end(ticket, end.generated_tokens)
        self._desk.admission.leave(ticket)
        self.open -= 1


def late(limit_s: float, *, first: bool = False) -> ServingError:
    said = "no token came within" if first else "the answer was not complete after"
    return ServingError("deadline_exceeded", f"{said} {limit_s:g} s, the limit; ask for fewer tokens, or for a stream")
