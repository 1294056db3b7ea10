"""A thread that looks after something again and again for as long as the embedded AWS runs."""

import logging
import threading
from collections.abc import Callable

from local.clock import Clock

logger = logging.getLogger(__name__)

_EVERY_S = 1.0  # AWS seconds
_AT_LEAST_S, _AT_MOST_S = 0.1, 1.0  # real seconds: the clock may run a thousand times as fast


def pause_s(clock: Clock) -> float:
    """Real seconds between two looks at what changes by the second of AWS."""
    return min(_AT_MOST_S, max(_AT_LEAST_S, clock.real_seconds(_EVERY_S)))


class Looking:
    """Args:
    name: the thread's.
    pause_s: real seconds before each look.
    look: one that breaks is logged, and the next one comes all the same: one strange thing among those that are
        looked after must not stop the others for good.
    """

    def __init__(self, name: str, pause_s: float, look: Callable[[], None]) -> None:
        self._pause_s = pause_s
        self._look_once = look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when the last look has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look_on(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                self._look_once()
            except Exception:
                logger.exception("%s: a look broke", self._thread.name)
