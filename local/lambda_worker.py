"""One execution environment of a Lambda function: a child under AWS's runtime client, and the API it asks for work."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.processes import Processes

INIT_LIMIT_S = 60.0
"""Real seconds a function may take to import itself. AWS allows 10; a laptop that starts five at once needs more."""
_LOG_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Function:
    """One published shape of a function: what decides whether an idle worker may be used again."""

    name: str
    arn: str
    version: str
    handler: str
    role_arn: str
    code_sha256: str
    timeout_s: float
    memory_mb: int
    log_group: str
    reserved_concurrency: int | None
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    payload: bytes
    failed: bool = False
    log_tail: bytes = b""
    """The last 4 KB that the invocation wrote."""
    duration_ms: float = 0.0
    """Real milliseconds that it took, loading the code included."""


@dataclass(frozen=True)
class Invocation:
    payload: bytes
    timeout_s: float
    arn: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def error_payload(error_type: str, message: str) -> bytes:
    """A failed invocation's payload in Lambda's spelling: `errorType` is what a state machine's Catch compares."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


class Worker:
    """Runs one invocation at a time.

    Args:
        code: the unpacked function code; it is the child's working directory, as `/var/task` is on AWS.
        environment: the whole environment of the child, but for what the runtime client needs.
        log: called with every line that the function writes.
    """

    def __init__(
        self,
        function: Function,
        *,
        processes: Processes,
        code: Path,
        environment: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        self.function = function
        self._processes = processes
        self._log = log
        self._tail: deque[str] = deque(maxlen=200)
        self._inbox: queue.Queue[Invocation | None] = queue.Queue()
        # What the child says, in order: None when it takes an event, then the event's answer.
        self._said: queue.Queue[Answer | None] = queue.Queue()
        self._broken = False
        self._api = _RuntimeApi(self._next, self._said.put)
        self._child = processes.start(
            [sys.executable, "-m", "awslambdaric", function.handler],
            env=_child_environment(function, code, environment, self._api.address),
            cwd=code,
            log=subprocess.PIPE,
        )
        threading.Thread(target=self._read_output, name=f"lambda-{function.name}", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._broken and self._child.poll() is None

    def invoke(self, payload: bytes) -> Answer:
        """Hand one event to the function and wait for its answer, at most its own time-out in real seconds."""
        invocation = Invocation(payload, self.function.timeout_s, self.function.arn)
        self._tail.clear()
        self._write(f"START RequestId: {invocation.request_id} Version: {self.function.version}")
        self._inbox.put(invocation)
        started = time.monotonic()
        answer = self._wait(invocation)
        spent_ms = (time.monotonic() - started) * 1000
        self._write(f"END RequestId: {invocation.request_id}")
        self._write(
            f"REPORT RequestId: {invocation.request_id}\tDuration: {spent_ms:.2f} ms\t"
            f"Memory Size: {self.function.memory_mb} MB"
        )
        return Answer(answer.payload, answer.failed, "\n".join(self._tail).encode()[-_LOG_TAIL_BYTES:], spent_ms)

    def stop(self) -> None:
        self._inbox.put(None)
        self._processes.stop(self._child, grace_s=0.5)
        self._api.close()

    def _wait(self, invocation: Invocation) -> Answer:
        """The function's clock starts when it asks for the event; loading its code is not counted, as on AWS."""
        limit_s = INIT_LIMIT_S
        try:
            said = self._said.get(timeout=limit_s)
            if said is not None:  # the code could not be loaded
                self._broken = True
                return said
            limit_s = self.function.timeout_s
            answer = self._said.get(timeout=limit_s)
        except queue.Empty:
            return self._timed_out(invocation, limit_s)
        assert answer is not None, "a worker asks for its next event only after it has answered the last"  # noqa: S101
        return answer

    def _timed_out(self, invocation: Invocation, limit_s: float) -> Answer:
        self.stop()
        message = f"RequestId: {invocation.request_id} Error: Task timed out after {limit_s:.2f} seconds"
        self._write(message)
        return Answer(error_payload("Sandbox.Timedout", message), failed=True)

    def _next(self) -> Invocation | None:
        invocation = self._inbox.get()
        if invocation is not None:
            self._said.put(None)
        return invocation

    def _read_output(self) -> None:
        stream = self._child.stdout
        assert stream is not None, "the child is started with a pipe"  # noqa: S101 - narrows the type
        with stream:
            for line in stream:
                self._write(line.decode(errors="replace").rstrip())
        code = self._child.wait()
        self._said.put(
            Answer(
                error_payload("Runtime.ExitError", f"Error: Runtime exited with error: exit status {code}"), failed=True
            )
        )

    def _write(self, line: str) -> None:
        self._tail.append(line)
        self._log(line)


def _child_environment(function: Function, code: Path, environment: Mapping[str, str], api: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **inherited,
        "TZ": ":UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(code),
        "LAMBDA_TASK_ROOT": str(code),
        "_HANDLER": function.handler,
        "AWS_LAMBDA_RUNTIME_API": api,
        **environment,
    }


class _RuntimeApi:
    """The HTTP API of AWS's custom runtimes, `2018-06-01`, for one worker: next, response, error, init error."""

    def __init__(self, next_invocation: Callable[[], Invocation | None], answer: Callable[[Answer], None]) -> None:
        handler = type(
            "Handler",
            (_RuntimeRequest,),
            {"next_invocation": staticmethod(next_invocation), "answer": staticmethod(answer)},
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="lambda-api", daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _RuntimeRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with it every warm invocation waits 40 ms twice for a delayed ACK
    wbufsize = 65536
    next_invocation: Callable[[], Invocation | None]
    answer: Callable[[Answer], None]

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the worker was ended while it waited for its next event
            super().handle()

    def do_GET(self) -> None:
        if not self.path.endswith("/runtime/invocation/next"):
            self._reply(404)
            return
        invocation = self.next_invocation()
        if invocation is None:
            self._reply(410)
            return
        deadline_ms = int((time.time() + invocation.timeout_s) * 1000)
        self._reply(
            200,
            invocation.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            },
        )

    def do_POST(self) -> None:
        body = self._body()
        self._reply(202, b'{"status":"OK"}')
        if self.path.endswith("/response"):
            self.answer(Answer(body))
        else:
            self.answer(Answer(body, failed=True))

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

    def log_message(self, *_: Any) -> None:
        """One line per poll of every worker would drown the functions' own logs."""
