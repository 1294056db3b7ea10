"""A container of SageMaker's contract in the standard library, up in a tenth of a second.

Environment: NAME, what it answers with; PING_STATUS; START, `exit` to leave at once, `stubborn` to ignore SIGTERM;
ERROR_EVERY, the number of requests of which one is answered with 500. What it notices it writes into files of the
run's folder: `disconnected`, a client that left before its answer; `terminated`, SIGTERM.
The request's body names a behaviour: echo, fail, hang, slow, stream <parts>, break <parts>, facts, watch,
big <bytes>, attributes <characters>, session-open <seconds>, session-close.
"""

import itertools
import json
import os
import select
import signal
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
COUNT = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self) -> None:
        self._answer(int(os.environ.get("PING_STATUS", "200")), b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        word, _, rest = body.decode(errors="replace").partition(" ")
        known = {
            "fail": lambda: self._answer(500, b'{"error": "the model fell over"}'),
            "hang": lambda: time.sleep(4),
            "slow": self._slow,
            "stream": lambda: self._stream(word, int(rest or 3)),
            "break": lambda: self._stream(word, int(rest or 3)),
            "facts": lambda: self._answer(200, json.dumps(self._facts()).encode()),
            "watch": self._watch,
            "big": lambda: self._answer(200, b"x" * int(rest)),
            "attributes": lambda: self._answer(200, b"", {ATTRIBUTES: "a" * int(rest)}),
            "session-open": lambda: self._open_session(float(rest)),
            "session-close": self._close_session,
        }
        every = int(os.environ.get("ERROR_EVERY", "0"))
        if every and next(COUNT) % every == 0:
            self._answer(500, b'{"error": "one of many"}')
        elif word in known:
            known[word]()
        else:
            self._answer(200, f"{os.environ.get('NAME', '')}: {len(body)} bytes".encode())

    def _slow(self) -> None:
        time.sleep(0.4)
        self._answer(200, os.environ["NAME"].encode())

    def _facts(self) -> dict[str, object]:
        folder = Path(os.environ["SLIPWAY_MODEL_DIR"])
        files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
        modes = {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777) for path in folder.rglob("*")}
        return {"headers": dict(self.headers), "path": self.path, "files": files, "modes": modes, "pid": os.getpid()}

    def _watch(self) -> None:
        """Answer after a second, or say that the client has left."""
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        if poll.poll(1000):
            _note("disconnected", "watch")
        self._answer(200, b"watched")

    def _open_session(self, seconds: float) -> None:
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        said = f"{uuid.uuid4()}; Expires={expires:%Y-%m-%dT%H:%M:%SZ}"
        self._answer(200, str(os.getpid()).encode(), {"X-Amzn-SageMaker-New-Session-Id": said})

    def _close_session(self) -> None:
        closed = self.headers["X-Amzn-SageMaker-Session-Id"]
        self._answer(200, b"", {"X-Amzn-SageMaker-Closed-Session-Id": closed})

    def _stream(self, word: str, parts: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header(ATTRIBUTES, f"name={os.environ.get('NAME', '')}")
        self.end_headers()
        for number in range(parts):
            part = f"data: {number}\n\n".encode()
            try:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()
            except OSError:
                _note("disconnected", str(number))
                raise
            time.sleep(0.02)
            if word == "break" and number == 1:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if word == "stream":
            _note("streamed", str(parts))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Unmodelled", "secret")
        for name, value in {ATTRIBUTES: f"name={os.environ.get('NAME', '')}", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, *_: object) -> None:
        """Thousands of requests would fill the log."""


def _note(name: str, text: str) -> None:
    Path(os.environ["HOME"], "..", "..", name).write_text(text)


def _ignore_sigterm(*_: object) -> None:
    _note("terminated", str(os.getpid()))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    if os.environ.get("START") == "exit":
        sys.exit(3)
    if os.environ.get("START") == "stubborn":
        signal.signal(signal.SIGTERM, _ignore_sigterm)
    sys.stdout.write(f"{os.environ.get('NAME', '')} begins\n")
    sys.stdout.flush()
    host = sys.argv[sys.argv.index("--host") + 1]
    Server((host, int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
