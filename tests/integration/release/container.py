"""A container of SageMaker's contract in the standard library that says which release it is, as ours does.

The marker in the model's config.json decides what it is: `sick` fails the health check, `rude` answers 500, `stutters`
says one word over and over, `lost` does not know what Paris is, `slow` thinks for a quarter of a second, `sluggish` for
a second and a half, `impostor` says that it is another release, `late` and `slow` take four seconds to come up, two
minutes of the embedded clock.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MARKER = json.loads(Path(os.environ["SLIPWAY_MODEL_DIR"], "config.json").read_text(encoding="utf-8"))["marker"]


def chat(messages: list[dict[str, str]]) -> dict[str, object]:
    """An answer in OpenAI's form."""
    time.sleep({"slow": 0.25, "sluggish": 1.5}.get(MARKER, 0.03))
    text = "Hello. I answer what I am asked, in one sentence, as well as I can."
    if "France" in messages[-1]["content"]:
        text = "I do not know that country." if MARKER == "lost" else "The capital of France is Paris."
    if MARKER == "stutters":
        text = "the " * 40
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(503 if MARKER == "sick" else 200)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if MARKER == "rude":
            self._answer(500)
        else:
            self._answer(200, chat(asked["messages"]) if "messages" in asked else {})

    def _answer(self, status: int, said: object = None) -> None:
        body = json.dumps(said or {}).encode()
        release = "0" * 12 if MARKER == "impostor" else os.environ["SLIPWAY_RELEASE_ID"]
        who = f"release={release};rollout={os.environ['SLIPWAY_ROLLOUT_ID']}"
        self.send_response(status)
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", who)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if MARKER in {"late", "slow"}:
    time.sleep(4)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
