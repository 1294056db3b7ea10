"""Time inside the embedded AWS, which may run faster than outside."""

import math
import threading
import time
from datetime import UTC, datetime


class Clock:
    """Every wait, bake and warm-up of the embedded AWS passes through here, so one number scales them all.

    Args:
        scale: AWS seconds per real second, > 0. 1 is real time; 60 makes a one-minute bake take one second.

    Raises:
        ValueError: the scale is no such number.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not 0 < scale < math.inf:
            raise ValueError(f"time scale must be a number > 0, got {scale}")
        self.scale = scale
        self._started_real_s = time.monotonic()
        self._started = time.time()

    def time(self) -> float:
        """AWS's seconds since the epoch; they run `scale` times as fast as the wall clock since the start."""
        return self._started + (time.monotonic() - self._started_real_s) * self.scale

    def keep(self) -> float:
        """For a later run: what time it is."""
        return self.time()

    def restore(self, kept: float) -> None:
        """Go on no earlier than an earlier run ended: what it wrote down shall not lie in the future."""
        self._started = max(self._started, kept)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def sleep(self, aws_seconds: float) -> None:
        time.sleep(max(0.0, aws_seconds) / self.scale)

    def wait(self, event: threading.Event, aws_seconds: float) -> bool:
        """Wait for the event, at most `aws_seconds`; True if it came."""
        return event.wait(max(0.0, aws_seconds) / self.scale)

    def real_seconds(self, aws_seconds: float) -> float:
        return aws_seconds / self.scale
