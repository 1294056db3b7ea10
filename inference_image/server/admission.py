"""Who may come in: as many as slots and queue hold, and only who can still be answered in time."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from server.attributes import Limits
from server.errors import ServingError
from server.forecast import Forecast, Prediction, Ticket

_RETRY_S_MIN, _RETRY_S_MAX = 0.1, 60.0


class Admission:
    """Args: limit: choices of answers inside at once, running or waiting for a slot; clock: seconds."""

    def __init__(self, limit: int, forecast: Forecast, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self.forecast = forecast
        self.draining = False
        self._tickets: dict[int, Ticket] = {}
        self._empty = asyncio.Event()

    @property
    def inside(self) -> int:
        return len(self._tickets)

    def require_open(self) -> None:
        """Raises ServingError: draining."""
        if self.draining:
            raise ServingError(
                "draining",
                "this instance is shutting down and takes no new request; send it again",
            )

    @contextmanager
    def enter(self, characters: Sequence[int], new_tokens: int, limits: Limits) -> Iterator[list[Ticket]]:
        """Tickets for the choices of one request; they are given back at the end.

        Args:
            characters: of each choice's prompt.
            new_tokens: most tokens of each answer.

        Raises:
            ServingError: draining, queue_full or deadline_unreachable.
        """
        self.require_open()
        self._require_room(len(characters))
        now = self._clock()
        tickets = [Ticket(length, new_tokens, now) for length in characters]
        self._require_time(tickets, limits)
        self._tickets.update((id(ticket), ticket) for ticket in tickets)
        self._empty.clear()
        try:
            yield tickets
        finally:
            for ticket in tickets:
                self._tickets.pop(id(ticket), None)
            if not self._tickets:
                self._empty.set()

    def leave(self, ticket: Ticket) -> None:
        """Before the request as a whole ends: this choice's slot is free again."""
        self._tickets.pop(id(ticket), None)

    async def empty(self, limit_s: float) -> bool:
        """Wait until nobody is inside; False if somebody still is after `limit_s`."""
        if self._tickets:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), limit_s)
        return not self._tickets

    def _require_room(self, count: int) -> None:
        if self.inside + count > self._limit:
            wait_s = self.forecast.predict(list(self._tickets.values()), Ticket(0, 1, 0.0)).first_token_s
            raise ServingError(
                "queue_full",
                f"{self.inside} requests are running or waiting, limit {self._limit}; send it again in a moment",
                retry_after_s=_bounded(max(1.0, wait_s)),
            )

    def _require_time(self, tickets: list[Ticket], limits: Limits) -> None:
        inside = list(self._tickets.values())
        for ticket in tickets:
            predicted = self.forecast.predict(inside, ticket)
            ticket.forecast_s = predicted.first_token_s
            inside.append(ticket)
            if not self.forecast.fits(ticket):
                continue
            if predicted.first_token_s > limits.first_token_s:
                raise _too_late("first token", predicted.first_token_s, limits.first_token_s, self._wait(inside))
            if predicted.answer_s > limits.answer_s:
                raise _too_late("whole answer", predicted.answer_s, limits.answer_s, self._wait(inside))

    def _wait(self, inside: Sequence[Ticket]) -> Prediction:
        return self.forecast.predict(inside[:-1], Ticket(0, 1, 0.0))


def _too_late(what: str, predicted_s: float, limit_s: float, queue: Prediction) -> ServingError:
    return ServingError(
        "deadline_unreachable",
        f"the {what} is predicted after {predicted_s:.2f} s, limit {limit_s:g} s, behind a queue of "
        f"{queue.first_token_s:.2f} s; send it again later, with a later deadline or for fewer tokens",
        retry_after_s=_bounded(predicted_s - limit_s),
    )


def _bounded(seconds: float) -> float:
    return round(min(max(seconds, _RETRY_S_MIN), _RETRY_S_MAX), 3)
