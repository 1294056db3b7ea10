"""One HTTP request to a container, bounded as a whole in time."""

import http.client
import time
from collections.abc import Iterator, Mapping

READ_BYTES = 64 * 1024


class ContainerTimeoutError(Exception):
    """The container took longer than the service allows for the whole answer."""


class ContainerBrokenError(Exception):
    """The container refused or closed the connection, or spoke no HTTP."""


class ContainerCall:
    """A request in progress. `close` it in every case: that is how the container learns that nobody listens.

    Args:
        limit_s: real seconds for everything from connecting to the last byte.
    """

    def __init__(self, port: int, limit_s: float) -> None:
        self._deadline = time.monotonic() + limit_s
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit_s)
        self._response: http.client.HTTPResponse | None = None

    def connect(self) -> None:
        """
        Raises:
            ContainerBrokenError: refused; no byte of the request has left, so another instance may be tried.
        """
        try:
            self._connection.connect()
        except OSError as error:
            raise ContainerBrokenError(f"no connection to the container: {error}") from error

    def send(self, path: str, headers: Mapping[str, str], body: bytes) -> http.client.HTTPResponse:
        """Send the request and wait for the head of the answer.

        Raises:
            ContainerTimeoutError, ContainerBrokenError
        """
        try:
            self._set_timeout()
            self._connection.request("POST", path, body, dict(headers))
            self._set_timeout()
            self._response = self._connection.getresponse()
        except TimeoutError as error:
            raise ContainerTimeoutError(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise ContainerBrokenError(f"{type(error).__name__}: {error}") from error
        return self._response

    def chunks(self) -> Iterator[bytes]:
        """The answer's body as it arrives.

        Raises:
            ContainerTimeoutError, ContainerBrokenError: also when the connection ends before the body does.
        """
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

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _set_timeout(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)
