"""A container of SageMaker's contract in the standard library; the body's first word says how it shall behave.

Words: echo, name, facts, fail <status> [<characters>], stream <parts>, break, session-open, session-close.
Environment: NAME, what `name` answers; START, `exit` to leave before it was ever healthy,
`late` to be healthy after two seconds.
On AWS model files lie in /opt/ml/model and the port is 8080; elsewhere the environment says.
"""

import json
import os
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SESSION = "X-Amzn-SageMaker-Session-Id"
FOLDER = Path(os.environ.get("SLIPWAY_MODEL_DIR", "/opt/ml/model"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        word, *rest = self.body[:64].decode(errors="replace").split() or ["echo"]
        known: dict[str, Callable[[], None]] = {
            "name": lambda: self._answer(200, os.environ.get("NAME", "").encode()),
            "facts": lambda: self._answer(200, json.dumps(self._facts()).encode()),
            "fail": lambda: self._answer(int(rest[0]), b"!" * int(rest[1]) if rest[1:] else b"the model fell over"),
            "stream": lambda: self._stream(int(rest[0])),
            "break": lambda: self._stream(2, whole=False),
            "session-open": self._open_session,
            "session-close": lambda: self._answer(
                200, b"", {"X-Amzn-SageMaker-Closed-Session-Id": self.headers[SESSION]}
            ),
        }
        known.get(word, lambda: self._answer(200, self.body))()

    def _facts(self) -> dict[str, object]:
        files = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*") if path.is_file()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        return {"headers": headers, "path": self.path, "files": files, "env": dict(os.environ), "pid": os.getpid()}

    def _open_session(self) -> None:
        self._answer(
            200,
            str(os.getpid()).encode(),
            {"X-Amzn-SageMaker-New-Session-Id": f"{uuid.uuid4()}; Expires=2099-01-01T00:00:00Z"},
        )

    def _stream(self, parts: int, *, whole: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(parts):
            part = f"part {number};".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()
            time.sleep(0.02)
        if whole:
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept") or "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Of-The-Container", "not for clients")
        for name, value in {ATTRIBUTES: self.headers.get(ATTRIBUTES) or "", **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, *_: object) -> None:
        """A line for each request would fill the log."""


if __name__ == "__main__":
    if os.environ.get("START") == "exit":
        sys.exit(3)
    if os.environ.get("START") == "late":
        time.sleep(2)
    sys.stdout.write(f"{os.environ.get('NAME', '')} begins\n")
    sys.stdout.flush()
    address = sys.argv[sys.argv.index("--host") + 1]
    ThreadingHTTPServer((address, int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))), Handler).serve_forever()
