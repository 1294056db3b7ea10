"""Stateful sessions: every request of a session goes to the instance that opened it.

Source: InvokeEndpoint's SessionId in SageMaker's API reference: the model makes the id and sets the expiration time,
SageMaker routes what names the id to the same instance.
"""

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import Instance

NEW_SESSION = "NEW_SESSION"

_OPENED = re.compile(r"(?P<id>[a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\s*Expires=(?P<expires>[\d-]{10}T[\d:]{8})Z")


@dataclass(frozen=True)
class Session:
    fleet: Fleet
    instance: Instance
    expires: datetime
    """By the wall clock, because the container that set it knows no other."""

    def is_over(self) -> bool:
        return datetime.now(UTC) >= self.expires or not self.fleet.has(self.instance)


class Sessions:
    """The open sessions of all endpoints. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], Session] = {}

    def open(self, endpoint: str, header: str, fleet: Fleet, instance: Instance) -> None:
        """Keep a new session.

        Args:
            header: what the container said: the id, `; Expires=` and a time in UTC.
        """
        if (said := _OPENED.fullmatch(header)) is None:
            return
        expires = datetime.fromisoformat(said["expires"]).replace(tzinfo=UTC)
        with self._lock:
            over = [key for key, session in self._open.items() if session.is_over()]
            for key in over:
                del self._open[key]
            self._open[endpoint, said["id"]] = Session(fleet, instance, expires)

    def find(self, endpoint: str, session_id: str) -> Session | None:
        """The session, if it is neither closed nor expired and its instance still belongs to its fleet."""
        with self._lock:
            session = self._open.get((endpoint, session_id))
            if session and session.is_over():
                del self._open[endpoint, session_id]
                return None
            return session

    def close(self, endpoint: str, session_id: str) -> None:
        with self._lock:
            self._open.pop((endpoint, session_id), None)
