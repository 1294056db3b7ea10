"""AWS as the page sees it: an HTTP server that answers invocations by a script, and other calls by a table."""

import json
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASE, ROLLOUT = "3f2a91c07d4e", "3f2a91c07d4e-1"


def event_message(payload: bytes, headers: dict[str, str]) -> bytes:
    """One message of AWS's event stream encoding (`application/vnd.amazon.eventstream`)."""
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack("!I", zlib.crc32(body))


def payload_part(content: bytes) -> bytes:
    return event_message(
        content,
        {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"},
    )


def stream_error(code: str, message: str) -> bytes:
    return event_message(
        json.dumps({"Message": message, "ErrorCode": "StreamBroken"}).encode(),
        {":exception-type": code, ":content-type": "application/json", ":message-type": "exception"},
    )


def sse(event: dict[str, Any] | str) -> bytes:
    return f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()


def chunk(content: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [] if content is None else [{"index": 0, "delta": {"content": content}, "finish_reason": None}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1774267200,
        "model": "chat",
        "system_fingerprint": RELEASE,
        "choices": choices,
        **fields,
    }


def usage(completion_tokens: int) -> dict[str, Any]:
    tokens = {"prompt_tokens": 5, "completion_tokens": completion_tokens, "total_tokens": 5 + completion_tokens}
    return chunk(usage=tokens)


@dataclass
class Script:
    """What the next request gets."""

    words: Sequence[str] = ()
    pause_s: float = 0.0
    ending: str = "done"
    """`done`; `cut` (no end mark); `error` (an exception of the event stream); `event` (the server's own error event,
    `body`); `refused` (ModelError before the stream, with `body` and `status`); `unknown` (no such endpoint)."""
    status: int = 500
    body: dict[str, Any] = field(default_factory=dict)


_CONFIG = f"slipway-chat-{ROLLOUT}"
IN_SERVICE: dict[str, dict[str, Any]] = {
    "SageMaker.DescribeEndpoint": {
        "EndpointName": "slipway-chat",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:000000000000:endpoint/slipway-chat",
        "EndpointConfigName": _CONFIG,
        "EndpointStatus": "InService",
        "CreationTime": 1774267200,
        "LastModifiedTime": 1774267200,
        "ProductionVariants": [{"VariantName": "main", "CurrentInstanceCount": 1}],
    },
    "SageMaker.DescribeEndpointConfig": {
        "EndpointConfigName": _CONFIG,
        "EndpointConfigArn": f"arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/{_CONFIG}",
        "CreationTime": 1774267200,
        "ProductionVariants": [{"VariantName": "main", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}],
    },
}
"""An endpoint that serves, as SageMaker tells of it."""


class FakeRuntime:
    def __init__(self) -> None:
        self.scripts: list[Script] = []
        """One per request, in order; the last one answers all that follow."""
        self.requests: list[dict[str, Any]] = []
        self.control: dict[str, dict[str, Any]] = dict(IN_SERVICE)
        """Answers by X-Amz-Target, for services that speak AWS's JSON protocol; what is missing is refused."""
        self.hung_up = threading.Event()
        """Set when a caller closed the connection in the middle of an answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self) -> Script:
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - the methods of one class, which are short
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if target := self.headers.get("X-Amz-Target"):
                    self._control(target)
                    return
                if not self.path.startswith("/endpoints/"):
                    self._refuse(400, "ValidationError", {"Message": f"nobody plays {self.path}"})
                    return
                request = json.loads(content)
                runtime.requests.append({"path": self.path, **request})
                script = runtime._next()
                if script.ending == "unknown":
                    self._refuse(400, "ValidationError", {"Message": "Endpoint slipway-chat of account 1 not found."})
                elif script.ending == "refused":
                    fields = {"OriginalStatusCode": script.status, "OriginalMessage": json.dumps(script.body)}
                    self._refuse(424, "ModelError", {"Message": "Received server error", **fields})
                else:
                    self._stream(script)

            def _control(self, target: str) -> None:
                if target not in runtime.control:
                    reason = {"__type": "ValidationException", "message": f"Could not find what {target} asks for"}
                    self._refuse(400, "ValidationException", reason)
                    return
                content = json.dumps(runtime.control[target]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _refuse(self, status: int, code: str, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("x-amzn-ErrorType", code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _stream(self, script: Script) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.amazon.eventstream")
                self.send_header("X-Amzn-SageMaker-Content-Type", "text/event-stream")
                self.send_header("X-Amzn-SageMaker-Custom-Attributes", f"release={RELEASE};rollout={ROLLOUT}")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for message in _messages(script):
                        self.wfile.write(f"{len(message):x}\r\n".encode() + message + b"\r\n")
                        self.wfile.flush()
                        time.sleep(script.pause_s)
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    runtime.hung_up.set()
                    self.close_connection = True

        return Handler


def _messages(script: Script) -> Iterator[bytes]:
    for word in script.words:
        yield payload_part(sse(chunk(word)))
    match script.ending:
        case "done":
            yield payload_part(sse(usage(len(script.words))) + sse("[DONE]"))
        case "error":
            yield stream_error("ModelStreamError", "the instance went away")
        case "event":
            yield payload_part(sse(script.body))


@contextmanager
def running() -> Iterator[FakeRuntime]:
    runtime = FakeRuntime()
    try:
        yield runtime
    finally:
        runtime.close()
