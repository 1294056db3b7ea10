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
        self.current: Invocation | None = None
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

    def wait(self, seconds: float) -> None:
        """Let time pass for everybody."""
        until_s = self.now_s + seconds
        self.run(until_s)
        self.now_s = max(self.now_s, until_s)

    def spend(self, seconds: float) -> None:
        """Let time pass inside an invocation, and others work meanwhile."""
        until_s = self.now_s + seconds
        if self.current is None or not self._due or self._due[0][0] > until_s:
            self.now_s = until_s
            return
        self.after(seconds, self.current.go_on)
        self.current.give_way()


class Invocation:
    """One run of a function.

    Args:
        body: what it does; it must not raise.
        event: what the function was given.
    """

    def __init__(self, timeline: Timeline, body: Deed, *, function: str, event: Any) -> None:
        self.function, self.event, self.began_s = function, event, timeline.now_s
        self._timeline, self._greenlet, self._killed = timeline, greenlet(body), False

    def go_on(self) -> None:
        """Run until it gives way or ends."""
        if self._greenlet.dead or self._killed:
            return
        self._switch()

    def give_way(self) -> None:
        """Let the others work until somebody lets this one go on.

        Raises:
            CrashError: it was killed meanwhile.
        """
        self._greenlet.parent.switch()
        if self._killed:
            raise CrashError

    def hang(self) -> None:
        """Never come back. Raises CrashError when it is killed."""
        while True:
            self.give_way()

    def kill(self) -> None:
        if not self._greenlet.dead:
            self._killed = True
            self._switch()

    def _switch(self) -> None:
        self._greenlet.parent = getcurrent()
        before, self._timeline.current = self._timeline.current, self
        self._greenlet.switch()
        self._timeline.current = before
