"""Virtual time, and the invocations that live in it.

An invocation is a greenlet that may give way at every call of a port: whoever is due before the call is answered runs
in between. That is how two functions race here, and how the same race is run again.
"""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

EPOCH = datetime(2026, 11, 23, 12, tzinfo=UTC)

Deed = Callable[[], None]


class CrashError(BaseException):
    """The process of an invocation is gone. Nothing may catch it: not even `except Exception`."""


class Timeline:
    """Seconds since EPOCH, and what is due when."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Deed]] = []
        self._order = itertools.count()

    def clock(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now_s)

    def after(self, seconds: float, deed: Deed) -> None:
        heapq.heappush(self._due, (self.now_s + seconds, next(self._order), deed))

    def step(self) -> bool:
        """Do what is due next; False: nothing is."""
        if not self._due:
            return False
        at_s, _, deed = heapq.heappop(self._due)
        self.now_s = max(self.now_s, at_s)
        deed()
        return True

    def run(self, until_s: float) -> bool:
        """Do what is due until then; whether nothing is left to do."""
        while self._due and self._due[0][0] <= until_s:
            self.step()
        return not self._due

    def spend(self, seconds: float) -> None:
        """Let time pass inside an invocation, and others work meanwhile."""
        until_s = self.now_s + seconds
        current = getcurrent()
        if not isinstance(current, Invocation) or not self._due or self._due[0][0] > until_s:
            self.now_s = until_s
            return
        self.after(seconds, current.go_on)
        current.give_way()


class Invocation(greenlet):
    """One run of a function.

    Args:
        body: what it does; it must not raise.
        event: what the function was given.
    """

    def __init__(self, body: Deed, *, function: str, event: Any, began_s: float) -> None:
        super().__init__(body)
        self.function, self.event, self.began_s = function, event, began_s
        self._killed = False

    def go_on(self) -> None:
        if not self.dead and not self._killed:
            self.parent = getcurrent()
            self.switch()

    def give_way(self) -> None:
        """Let the others work until somebody lets this one go on.

        Raises:
            CrashError: it was killed meanwhile.
        """
        assert self.parent is not None
        self.parent.switch()
        if self._killed:
            raise CrashError

    def hang(self) -> None:
        """Never come back. Raises CrashError when it is killed."""
        while True:
            self.give_way()

    def kill(self) -> None:
        if not self.dead:
            self._killed = True
            self.parent = getcurrent()
            self.switch()
