"""One HTTP request to a container, bounded as a whole in time."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Protocol

from local.sagemaker.fleets.container_faults import kill
from local.sagemaker.fleets.instance import Instance

READ_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 0.25
"""Real seconds. Source: SageMaker's guide, "Your container must accept socket connection requests within 250 ms"."""


class ContainerTimeoutError(Exception):
    """The container took longer than the service allows for the whole answer."""


class ContainerBrokenError(Exception):
    """The container refused or closed the connection, or spoke no HTTP."""


@dataclass(frozen=True)
class Head:
    status: int
    headers: Message


class Call(Protocol):
    """A request in progress. `close` it in every case: that is how the container learns that nobody listens."""

    def connect(self) -> None:
        """
        Raises:
            ContainerBrokenError: refused; no byte of the request has left, so another instance may be tried.
        """

    def send(self, path: str, headers: Mapping[str, str], body: bytes) -> Head:
        """Send the request and wait for the head of the answer.

        Raises:
            ContainerTimeoutError, ContainerBrokenError
        """

    def chunks(self) -> Iterator[bytes]:
        """The answer's body as it arrives.

        Raises:
            ContainerTimeoutError, ContainerBrokenError: also when the connection ends before the body does.
        """

    def abandon(self) -> None:
        """From another thread: nobody waits for the answer any more, so waiting ends as if the connection broke."""

    def close(self) -> None: ...


class ContainerCall:
    """A `Call` of a real container.

    Args:
        limit_s: real seconds for everything from connecting to the last byte.
        late_s: real seconds by which the answer begins late.
        crashes: whether the container dies as soon as it has the request.
    """

    def __init__(self, instance: Instance, limit_s: float, *, late_s: float = 0.0, crashes: bool = False) -> None:
        self._instance = instance
        self._deadline = time.monotonic() + limit_s
        self._late_s = late_s
        self._crashes = crashes
        self._abandoned = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=CONNECT_TIMEOUT_S)
        self._response: http.client.HTTPResponse | None = None

    def connect(self) -> None:
        try:
            self._connection.connect()
        except OSError as error:
            raise ContainerBrokenError(f"no connection to the container: {error}") from error

    def send(self, path: str, headers: Mapping[str, str], body: bytes) -> Head:
        try:
            self._set_timeout()
            self._connection.request("POST", path, body, dict(headers))
            self._suffer()
            self._set_timeout()
            self._response = self._connection.getresponse()
        except TimeoutError as error:
            raise ContainerTimeoutError(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise ContainerBrokenError(f"{type(error).__name__}: {error}") from error
        return Head(self._response.status, self._response.headers)

    def chunks(self) -> Iterator[bytes]:
        if self._response is None:
            raise ContainerBrokenError("nothing was sent")
        try:
            while True:
                self._set_timeout()
                chunk = self._response.read1(READ_BYTES)
                if not chunk:
                    break
                yield chunk
        except TimeoutError as error:
            raise ContainerTimeoutError(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise ContainerBrokenError(f"{type(error).__name__}: {error}") from error
        if self._response.length:
            raise ContainerBrokenError(f"{self._response.length} bytes of the announced body are missing")

    def abandon(self) -> None:
        self._abandoned.set()
        if (open_socket := self._connection.sock) is not None:
            with contextlib.suppress(OSError):  # it is closed already
                open_socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _suffer(self) -> None:
        if self._crashes:
            kill(self._instance)
            # A quick container may have answered before the signal came.
            raise ConnectionResetError("the container died with the request")
        if self._late_s:
            self._abandoned.wait(min(self._late_s, max(0.0, self._deadline - time.monotonic())))

    def _set_timeout(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)


class FalseAnswer:
    """A `Call` that is answered wrongly; the request reaches no container."""

    def __init__(self, status: int, content_type: str, body: bytes) -> None:
        self._status = status
        self._content_type = content_type
        self._body = body

    def connect(self) -> None:
        """Nobody refuses."""

    def send(self, path: str, headers: Mapping[str, str], body: bytes) -> Head:  # noqa: ARG002 - `Call`'s signature
        answer = Message()
        answer["Content-Type"] = self._content_type
        return Head(self._status, answer)

    def chunks(self) -> Iterator[bytes]:
        yield self._body

    def abandon(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing is open."""
