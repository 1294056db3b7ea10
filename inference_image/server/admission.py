"""How many requests are inside, and whether more may come."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from server.errors import ServingError


class Admission:
    """Args: limit: requests inside at once, running or waiting for a slot."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.inside = 0
        self.draining = False
        self._empty = asyncio.Event()

    def require_open(self) -> None:
        """Raises ServingError: draining."""
        if self.draining:
            raise ServingError(
                "draining",
                "this instance is shutting down and takes no new request; send it again",
            )

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises ServingError: draining or queue_full."""
        self.require_open()
        if self.inside >= self._limit:
            raise ServingError(
                "queue_full",
                f"{self.inside} requests are running or waiting, limit {self._limit}; send it again in a moment",
            )
        self.inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.inside -= 1
            if not self.inside:
                self._empty.set()

    async def empty(self, limit_s: float) -> bool:
        """Wait until nobody is inside; False if somebody still is after `limit_s`."""
        if self.inside:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), limit_s)
        return not self.inside
