"""A container of SageMaker's contract in the standard library, up in a tenth of a second.

Environment: NAME, what it answers with; PING_STATUS; START, `exit` to leave at once. A client that leaves in
mid-stream is noted in the file `disconnected` of the run's folder.
The request's body names a behaviour: echo, fail, hang, slow, stream <parts>, break <parts>, facts.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(int(os.environ.get("PING_STATUS", "200")), b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        word, _, rest = body.decode(errors="replace").partition(" ")
        if word == "fail":
            self._answer(500, b'{"error": "the model fell over"}')
        elif word == "hang":
            time.sleep(4)
        elif word == "slow":
            time.sleep(0.4)
            self._answer(200, os.environ["NAME"].encode())
        elif word in {"stream", "break"}:
            self._stream(word, int(rest or 3))
        elif word == "facts":
            self._answer(200, json.dumps(self._facts()).encode())
        else:
            self._answer(200, f"{os.environ.get('NAME', '')}: {len(body)} bytes".encode())

    def _facts(self) -> dict[str, object]:
        folder = Path(os.environ["SLIPWAY_MODEL_DIR"])
        files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
        modes = {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777) for path in folder.rglob("*")}
        return {"headers": dict(self.headers), "path": self.path, "files": files, "modes": modes, "pid": os.getpid()}

    def _stream(self, word: str, parts: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", f"name={os.environ.get('NAME', '')}")
        self.end_headers()
        for number in range(parts):
            part = f"data: {number}\n\n".encode()
            try:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()
            except OSError:
                Path(os.environ["HOME"], "..", "..", "disconnected").write_text(str(number))
                raise
            time.sleep(0.02)
            if word == "break" and number == 1:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", f"name={os.environ.get('NAME', '')}")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if os.environ.get("START") == "exit":
        sys.exit(3)
    server = ThreadingHTTPServer(
        (sys.argv[sys.argv.index("--host") + 1], int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler
    )
    server.daemon_threads = True
    server.serve_forever()
