"""SageMaker's stateful sessions: the service routes every request of one to the instance that opened it.

What an instance keeps for a session is its computed prefixes, so a conversation that comes back is read from the cache.
Source: https://docs.aws.amazon.com/sagemaker/latest/dg/stateful-sessions.html and the runtime API's `NewSessionId`,
whose form is `<id>; Expires=YYYY-MM-DDThh:mm:ssZ`.
"""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from server.errors import ServingError

REQUEST_HEADER = "X-Amzn-SageMaker-Session-Id"
NEW_HEADER = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_HEADER = "X-Amzn-SageMaker-Closed-Session-Id"
NEW_SESSION = "NEW_SESSION"
_MOST = 10_000


class Sessions:
    """Args: life_s: seconds from opening to the end of a session; clock: seconds since 1970."""

    def __init__(self, life_s: float, clock: Callable[[], float] = time.time) -> None:
        self._life_s, self._clock = life_s, clock
        self._ends: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._ends)

    def open(self) -> str:
        """The value of the header that tells the new session.

        Raises:
            ServingError: queue_full, because as many sessions as an instance keeps are open.
        """
        self._sweep()
        if len(self._ends) >= _MOST:
            raise ServingError("queue_full", f"{len(self._ends)} sessions are open, limit {_MOST}; close one")
        session_id, ends = str(uuid.uuid4()), self._clock() + self._life_s
        self._ends[session_id] = ends
        return f"{session_id}; Expires={datetime.fromtimestamp(ends, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def require(self, session_id: str) -> None:
        """Raises ServingError: unknown_session."""
        if self._ends.get(session_id, 0.0) <= self._clock():
            self._ends.pop(session_id, None)
            raise ServingError(
                "unknown_session",
                f"session {session_id[:60]!r} is not open here; it was closed or is older than {self._life_s:g} s, so "
                f"open another with the session id {NEW_SESSION}",
                param=REQUEST_HEADER,
            )

    def close(self, session_id: str) -> None:
        """Raises ServingError: unknown_session."""
        self.require(session_id)
        del self._ends[session_id]

    def _sweep(self) -> None:
        now = self._clock()
        self._ends = {session_id: ends for session_id, ends in self._ends.items() if ends > now}
