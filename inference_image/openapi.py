"""Write `server/openapi.json`: `python inference_image/openapi.py`. A test keeps it current; the image serves the file.

sanic-ext reads routes, methods and path parameters off the application; bodies are the schemas of `events/serving`.
It runs here and not in the server, because importing it costs a start a third of a second.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sanic import Sanic
from sanic_ext import Extend

from engine.protocol import Ask, Progress
from server.app import create_app
from server.engine import Listener, Loading, State
from server.settings import Settings

HERE = Path(__file__).parent
DOCUMENT = HERE / "server" / "openapi.json"
_SCHEMAS = HERE.parent / "events" / "serving"
# Path: what is sent and what is answered, unary; no name where there is no JSON body of ours.
_BODIES = {
    "/invocations": ("invocation-request", "chat-response"),
    "/v1/chat/completions": ("invocation-request", "chat-response"),
    "/v1/completions": ("completion-request", "completion-response"),
    "/tokenize": ("tokenize-request", "tokenize-response"),
    "/detokenize": ("detokenize-request", "detokenize-response"),
}


class _NoEngine:
    state: State = Loading()

    async def start(self, on_progress: Callable[[Progress], None]) -> None: ...

    async def stop(self) -> None: ...

    def submit(self, request: Ask, listener: Listener) -> None: ...

    def abort(self, request_id: str) -> None: ...


def document() -> dict[str, Any]:
    Sanic.test_mode = True  # so that one process may make several applications
    app = create_app(Settings("0" * 12, f"{'0' * 12}-1"), _NoEngine())
    app.config.update(OAS_AUTODOC=False, CORS=False, HTTP_AUTO_HEAD=False)
    Extend(app)
    app.config.update(API_TITLE="Slipway inference server", API_VERSION="1")
    _, answer = app.test_client.get("/docs/openapi.json")
    built: dict[str, Any] = answer.json
    built.pop("servers", None)  # the port of this very run
    for path, operations in built["paths"].items():
        for method, operation in operations.items():
            operation["operationId"] = f"{method}~{path}"  # sanic-ext gives both methods of /ping the same at random
    for path, (sent, answered) in _BODIES.items():
        operation = built["paths"][path]["post"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(sent)}}}
        operation["responses"] = {
            "200": {"description": "The answer", "content": {"application/json": {"schema": _schema(answered)}}},
            "default": {"description": "Why not", "content": {"application/json": {"schema": _schema("error")}}},
        }
    return built


def _schema(name: str) -> Any:
    schema = json.loads((_SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return {key: value for key, value in schema.items() if key != "$schema"}


def main() -> int:
    """Write it, or with `--check` only say whether it is current: exit code 1 if not."""
    written = json.dumps(document(), indent=1, sort_keys=True) + "\n"
    if sys.argv[1:] == ["--check"]:
        return int(DOCUMENT.read_text(encoding="utf-8") != written)
    DOCUMENT.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
