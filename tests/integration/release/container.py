"""A container of SageMaker's contract in the standard library that says which release it is, as ours does.

The marker in the model's config.json decides its health: `sick` fails the health check, `rude` answers 500.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MARKER = json.loads(Path(os.environ["SLIPWAY_MODEL_DIR"], "config.json").read_text(encoding="utf-8"))["marker"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(503 if MARKER == "sick" else 200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(500 if MARKER == "rude" else 200)

    def _answer(self, status: int) -> None:
        who = f"release={os.environ['SLIPWAY_RELEASE_ID']};rollout={os.environ['SLIPWAY_ROLLOUT_ID']}"
        self.send_response(status)
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", who)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Quiet."""


ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
