"""A rest for an endpoint that fails, and a plain word at once for who asks it meanwhile."""

import threading
import time
from collections.abc import Callable

FAILURES_IN_A_ROW = 5
REST_S = 15.0


class Breaker:
    """Open after FAILURES_IN_A_ROW, for REST_S seconds; then one question tries whether the endpoint has recovered.

    Safe to share between threads. A busy endpoint does not count as failing: it says itself when to come back.
    Source: M. T. Nygard, Release It!, second edition, chapter 5.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until = 0.0

    def rest_left_s(self) -> float:
        """Seconds of rest that are left; 0 when nothing keeps a question back."""
        with self._lock:
            return self._left()

    def admit(self) -> float:
        """As `rest_left_s`; after a rest, the caller that reads 0 is the one that tries, and others go on waiting."""
        with self._lock:
            left = self._left()
            if not left and self._failures >= FAILURES_IN_A_ROW:
                self._rests_until = self._clock() + REST_S
            return left

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._rests_until = 0, 0.0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES_IN_A_ROW:
                self._rests_until = self._clock() + REST_S

    def _left(self) -> float:
        return max(0.0, self._rests_until - self._clock())
