"""Whether the engine moves, judged by its own pace: hung and busy look alike to anyone who only asks whether it is up.

The engine says something after every step, and every second when it has nothing to do. Silence is allowed to last four
times its slowest recent step, at least 8 s. So a device whose steps take less than 2 s is known to hang within 10 s,
and a slow device is not taken for a dead one.
"""

import time
from collections.abc import Callable

SILENCE_S_MIN, SILENCE_S_MAX = 8.0, 60.0
_STEPS_OF_SILENCE = 4
# A step counts half as much after about 70 further steps.
_FORGET = 0.99


class Watch:
    """Args: clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard_at = clock()
        self._slowest_s = 0.0

    def heard(self, step_s: float = 0.0) -> None:
        """The engine said something. Args: step_s: how long its step took; 0 if it did not step."""
        self._heard_at = self._clock()
        self._slowest_s = max(step_s, self._slowest_s * _FORGET)

    @property
    def silent_s(self) -> float:
        return self._clock() - self._heard_at

    @property
    def limit_s(self) -> float:
        return min(max(_STEPS_OF_SILENCE * self._slowest_s, SILENCE_S_MIN), SILENCE_S_MAX)

    @property
    def hung(self) -> str | None:
        """The reason, or None while the engine moves."""
        silent_s, limit_s = self.silent_s, self.limit_s
        if silent_s <= limit_s:
            return None
        return f"the engine has not moved for {silent_s:.0f} s, limit {limit_s:.0f} s"
