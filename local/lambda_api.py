"""The HTTP API that a function's process asks for work: next, response, error, init error.

Source: "Using the Lambda runtime API for custom runtimes", AWS Lambda Developer Guide; version 2018-06-01.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Invocation:
    """One event for the function."""

    payload: bytes
    request_id: str
    arn: str
    """As it was invoked, so with the version or alias that was asked for."""
    deadline_s: float
    """AWS time at which the function's time is over."""


@dataclass(frozen=True)
class Answer:
    payload: bytes
    failed: bool = False
    log_tail: bytes = b""
    """The last 4 KB that the invocation wrote."""
    request_id: str = ""
    duration_ms: float = 0.0
    """Real milliseconds that the function worked; loading its code is not counted."""


class RuntimeApi:
    """The API for one process.

    Args:
        take: waits for the next event; None ends the process.
        answer: what the process answered, or why its code could not be loaded.
    """

    def __init__(self, take: Callable[[], Invocation | None], answer: Callable[[Answer], None]) -> None:
        handler = type("Handler", (_Request,), {"take": staticmethod(take), "answer": staticmethod(answer)})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="lambda-api", daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with it every warm invocation waits 40 ms twice for a delayed ACK
    wbufsize = 65536
    take: Callable[[], Invocation | None]
    answer: Callable[[Answer], None]

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the worker was ended while it waited for its next event
            super().handle()

    def do_GET(self) -> None:
        if not self.path.endswith("/runtime/invocation/next"):
            self._reply(404)
            return
        invocation = self.take()
        if invocation is None:
            self._reply(410)
            return
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline_s * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
        }
        self._reply(200, invocation.payload, headers)

    def do_POST(self) -> None:
        body = self._body()
        self._reply(202, b'{"status":"OK"}')
        self.answer(Answer(body, failed=not self.path.endswith("/response")))

    def _body(self) -> bytes:
        if (length := self.headers.get("Content-Length")) is not None:
            return self.rfile.read(int(length))
        chunks = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(chunks)

    def _reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """One line per poll of every worker would drown the functions' own logs."""
