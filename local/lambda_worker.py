"""One execution environment of a Lambda function: a child under AWS's runtime client, its limits and its log."""

import contextlib
import fcntl
import json
import math
import os
import queue
import select
import signal
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from local.lambda_api import Answer, Invocation, RuntimeApi
from local.processes import Processes

INIT_LIMIT_S = 60.0
"""Real seconds a function may take to import itself. AWS allows 10; a laptop that starts five at once needs more."""
_LOG_TAIL_BYTES = 4096
_MEMORY_LOOK_S = 0.1  # real seconds between two looks at what a running function holds
_BOOTSTRAP = Path(__file__).with_name("lambda_bootstrap.py")
_TIMED_OUT, _EXITED = "Sandbox.Timedout", "Runtime.ExitError"


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

    @property
    def slot(self) -> str:
        """Versions live side by side; a newer shape of one version replaces the older."""
        return f"{self.name}:{self.version}"


def error_payload(error_type: str, message: str) -> bytes:
    """A failed invocation's payload in Lambda's spelling: `errorType` is what a state machine's Catch compares."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


class Worker:
    """Runs one invocation at a time.

    Args:
        code: the unpacked function code; it is the child's working directory, as `/var/task` is on AWS.
        environment: the whole environment of the child, but for what the runtime client needs.
        log: called with every line that the function writes.
        now: the AWS time that functions read, seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913 - its surroundings, each named
        self,
        function: Function,
        *,
        processes: Processes,
        code: Path,
        environment: Mapping[str, str],
        log: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self.function = function
        self._processes = processes
        self._log = log
        self._now = now
        self._tail: deque[str] = deque(maxlen=200)
        self._inbox: queue.Queue[tuple[bytes, str, str] | None] = queue.Queue()
        # What the child says, in order: None when it takes an event, then the event's answer.
        self._said: queue.Queue[Answer | None] = queue.Queue()
        self._broken = self._out_of_memory = False
        self._reading = threading.Lock()
        self._began = time.monotonic()
        self._init_ms: float | None = None
        self._api = RuntimeApi(self._take, self._said.put)
        self._child = processes.start(
            [sys.executable, "-P", str(_BOOTSTRAP), function.handler],
            env=_child_environment(function, code, environment, self._api.address),
            cwd=code,
            log=subprocess.PIPE,
        )
        threading.Thread(target=self._read_output, name=f"lambda-{function.name}", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._broken and self._child.poll() is None

    def invoke(self, payload: bytes, arn: str | None = None) -> Answer:
        """Hand one event to the function and wait for its answer, at most its own time-out in real seconds.

        Args:
            arn: as it was invoked; the function's own if absent.
        """
        request_id = str(uuid.uuid4())
        self._tail.clear()
        cold = self._init_ms is None
        self._inbox.put((payload, request_id, arn or self.function.arn))
        answer, spent_s, status = self._wait(request_id)
        self._read_to_the_end()
        self._write(f"END RequestId: {request_id}")
        self._write(self._report(request_id, spent_s, status, cold=cold))
        tail = "\n".join(self._tail).encode()[-_LOG_TAIL_BYTES:]
        return replace(answer, log_tail=tail, request_id=request_id, duration_ms=spent_s * 1000)

    def stop(self) -> None:
        self._inbox.put(None)
        self._processes.stop(self._child, grace_s=0.5)
        self._api.close()

    def _wait(self, request_id: str) -> tuple[Answer, float, str]:
        """The answer, the real seconds that the function worked, and the report's word for how it ended.

        The function's clock starts when it asks for the event; loading its code is not counted, as on AWS.
        """
        said = self._next_word(INIT_LIMIT_S)
        began = time.monotonic()
        if said is None:
            said = self._next_word(self.function.timeout_s)
        else:
            self._broken = True  # the code could not be loaded
            self._write_start(request_id)
        spent_s = time.monotonic() - began
        if isinstance(said, Answer):
            said, status = self._of_exit(said, request_id)
            return said, spent_s, status
        limit_s = INIT_LIMIT_S if self._init_ms is None else self.function.timeout_s
        message = f"RequestId: {request_id} Error: Task timed out after {limit_s:.2f} seconds"
        self.stop()
        self._write(message)
        return Answer(error_payload(_TIMED_OUT, message), failed=True), limit_s, "timeout"

    def _next_word(self, limit_s: float) -> "Answer | str | None":
        """What the child says next; an empty string when it said nothing in time."""
        end = time.monotonic() + limit_s
        while (left_s := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                return self._said.get(timeout=min(left_s, _MEMORY_LOOK_S))
            if _held_mb(self._child.pid) > self.function.memory_mb:
                self._out_of_memory = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._child.pid, signal.SIGKILL)  # as AWS does; the output's end then says so
        return ""

    def _of_exit(self, said: Answer, request_id: str) -> tuple[Answer, str]:
        """A child that ended by itself, in Lambda's words; every other answer as it is."""
        if said.payload or not said.failed:
            return said, ""
        code = self._child.wait()
        how = f"signal: {(signal.strsignal(-code) or '').lower()}" if code < 0 else f"exit status {code}"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        self._write(message)
        reported = "Runtime.OutOfMemory" if self._out_of_memory else _EXITED
        return Answer(error_payload(_EXITED, message), failed=True), f"error\tError Type: {reported}"

    def _report(self, request_id: str, spent_s: float, status: str, *, cold: bool) -> str:
        """Source: "Sending Lambda function logs to CloudWatch Logs": the fields of the REPORT line."""
        init_ms = self._init_ms if cold and self._init_ms is not None else None
        billed_ms = math.ceil(spent_s * 1000 + (init_ms or 0))
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {spent_s * 1000:.2f} ms",
            f"Billed Duration: {billed_ms} ms",
            f"Memory Size: {self.function.memory_mb} MB",
            f"Max Memory Used: {self._peak_mb()} MB",
        ]
        fields += [f"Init Duration: {init_ms:.2f} ms"] if init_ms is not None else []
        fields += [f"Status: {status}"] if status else []
        return "\t".join(fields)

    def _peak_mb(self) -> int:
        return max(1, _status_mb(self._child.pid, "VmHWM"))

    def _take(self) -> Invocation | None:
        if self._init_ms is None:
            self._init_ms = (time.monotonic() - self._began) * 1000
        event = self._inbox.get()
        if event is None:
            return None
        payload, request_id, arn = event
        self._write_start(request_id)
        self._said.put(None)
        return Invocation(payload, request_id, arn, self._now() + self.function.timeout_s)

    def _read_output(self) -> None:
        stream = self._child.stdout
        assert stream is not None, "the child is started with a pipe"  # noqa: S101 - narrows the type
        pipe, rest = stream.fileno(), b""
        while True:
            select.select([pipe], [], [])
            with self._reading:
                data = os.read(pipe, 65536)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._write(line.decode(errors="replace").rstrip())
            if not data:
                break
        with self._reading:
            stream.close()
        if rest:
            self._write(rest.decode(errors="replace").rstrip())
        self._child.wait()
        self._said.put(Answer(b"", failed=True))

    def _read_to_the_end(self) -> None:
        """What the function wrote before it answered stands before the END line."""
        stream = self._child.stdout
        waiting = bytearray(4)
        while self.alive and stream is not None:
            with self._reading:  # the reader is between two reads
                if stream.closed:
                    return
                fcntl.ioctl(stream.fileno(), termios.FIONREAD, waiting)
            if not int.from_bytes(waiting, sys.byteorder):
                return
            time.sleep(0.001)

    def _write_start(self, request_id: str) -> None:
        self._write(f"START RequestId: {request_id} Version: {self.function.version}")

    def _write(self, line: str) -> None:
        self._tail.append(line)
        self._log(line)


def _held_mb(pid: int) -> int:
    """What the process holds for itself: files that it maps, as its libraries, could be dropped at any time."""
    return _status_mb(pid, "RssAnon")


def _status_mb(pid: int, field: str) -> int:
    """A field of Linux's `/proc/<pid>/status`; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{field}:")), 0)


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
        "LOCAL_AWS_FUNCTION_TIMEOUT_S": str(function.timeout_s),
        **environment,
    }
