"""Notices clients that go away while they wait for an answer, which nobody who only waits for a container sees."""

import select
import socket
import threading
from collections.abc import Callable

EVERY_REAL_S = 0.1


class ClientWatch:
    """Looks at the sockets of all clients that wait, in one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_until_stopped, name="client-watch", daemon=True)
        self._thread.start()

    def add(self, client: socket.socket, left: Callable[[], None]) -> int:
        """Call `left` once if the client's end of the connection is closed; returns what `remove` takes."""
        number = client.fileno()
        with self._lock:
            self._waiting[number] = left
        return number

    def remove(self, number: int) -> None:
        """Before the client's socket is closed or used for another request."""
        with self._lock:
            self._waiting.pop(number, None)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _look_until_stopped(self) -> None:
        while not self._stopping.wait(EVERY_REAL_S):
            poll = select.poll()
            with self._lock:
                for number in self._waiting:
                    poll.register(number, select.POLLRDHUP)
                # Inside the lock: a number belongs to its request as long as it is among those who wait.
                gone = [left for number, _ in poll.poll(0) if (left := self._waiting.pop(number, None))]
            for left in gone:
                left()
