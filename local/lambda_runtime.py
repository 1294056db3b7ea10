"""AWS Lambda without Docker: real child processes, one per concurrent invocation, under the function's role."""

import contextlib
import io
import json
import logging
import threading
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from local.event_targets import Sender, SendError
from local.lambda_api import Answer
from local.lambda_worker import Function, Worker
from local.service_metrics import lambda_event_lost, lambda_invoked, lambda_throttled
from local.world import REGION, World

logger = logging.getLogger(__name__)

ASYNC_RETRY_DELAYS_S = (60.0, 120.0)
"""AWS seconds before the second and third attempt of an asynchronous invocation. Source for these and the next: "How
Lambda handles errors and retries with asynchronous invocation", AWS Lambda Developer Guide."""
_FIRST_THROTTLED_DELAY_S, _LONGEST_THROTTLED_DELAY_S = 1.0, 300.0
_IDLE_WORKERS_PER_VERSION = 4


Send = Callable[[str, str, Sender, dict[str, str]], None]


class Logs(Protocol):
    def write(self, group: str, stream: str, line: str) -> None: ...


@dataclass(frozen=True)
class AsyncPolicy:
    """What happens to an event that was invoked asynchronously."""

    retries: int = 2
    max_age_s: float = 6 * 3600.0
    """AWS seconds that Lambda keeps an event which it cannot hand over."""
    dead_letter_arn: str | None = None
    on_failure_arn: str | None = None
    on_success_arn: str | None = None


@dataclass(frozen=True)
class AsyncEvent:
    """One event that Lambda accepted and will hand over later."""

    function: Function
    code: bytes
    payload: bytes
    arn: str
    """As it was invoked."""
    policy: AsyncPolicy


class TooManyInvocationsError(Exception):
    """The function's reserved concurrency is in use."""


class StoppingError(Exception):
    """The embedded AWS is shutting down."""


class LambdaRuntime:
    """Invokes functions.

    Args:
        logs: where the functions' lines go besides `<state_dir>/logs/lambda/<function>.log`.
        send: delivers a body to a queue, topic, function or bus by its ARN, with message attributes.
    """

    def __init__(self, world: World, logs: Logs, send: Send) -> None:
        self._world = world
        self._logs = logs
        self._send = send
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._idle: dict[str, list[Worker]] = {}
        self._busy: set[Worker] = set()
        self._running: Counter[str] = Counter()
        self._unpacking = threading.Lock()
        self._code_dir = world.state_dir / "functions"
        self._log_dir = world.state_dir / "logs" / "lambda"
        self._log_dir.mkdir(parents=True, exist_ok=True)

    def invoke(self, function: Function, code: bytes, payload: bytes, arn: str | None = None) -> Answer:
        """Run the function once and wait for it.

        Args:
            code: the zip of the function's code, unpacked once per digest.
            arn: as it was invoked, with the version or alias that was asked for; the function's own if absent.

        Raises:
            TooManyInvocationsError: as many invocations run as the function may have at once.
            ClientError: Lambda may not take the function's role.
        """
        meter = self._world.meter
        try:
            with self._slot(function) as running:
                answer = self._run(function, code, payload, arn)
        except TooManyInvocationsError:
            lambda_throttled(meter, function)
            raise
        lambda_invoked(meter, function, failed=answer.failed, duration_ms=answer.duration_ms, running=running)
        return answer

    def _run(self, function: Function, code: bytes, payload: bytes, arn: str | None) -> Answer:
        worker = self._take(function) or self._start(function, code)
        with self._lock:
            self._busy.add(worker)
        try:
            return worker.invoke(payload, arn)
        finally:
            self._give_back(worker)

    def invoke_async(self, event: "AsyncEvent") -> None:
        """Accept the event and return; a failed attempt is repeated, and a lost event goes where the policy says."""
        name = f"async-{event.function.name}"
        threading.Thread(target=self._invoke_async, args=(event,), name=name, daemon=True).start()

    def _invoke_async(self, event: "AsyncEvent") -> None:
        try:
            self._invoke_until_done(event)
        except StoppingError:
            logger.warning("an asynchronous event of %s was given up: the embedded AWS ends", event.function.name)
        except Exception:  # a thread's end: without this line a lost event would leave no word
            logger.exception("an asynchronous event of %s was lost", event.function.name)

    def _invoke_until_done(self, event: "AsyncEvent") -> None:
        until_s = self._world.clock.time() + event.policy.max_age_s
        answer, attempts, condition = None, 0, "RetriesExhausted"
        for delay_s in (0.0, *ASYNC_RETRY_DELAYS_S[: event.policy.retries]):
            if self._world.clock.time() + delay_s > until_s:
                condition = "EventAgeExceeded"
                break
            self._wait(delay_s)
            later = self._invoke_when_free(event, until_s)
            if later is None:
                condition = "EventAgeExceeded"
                break
            answer, attempts = later, attempts + 1
            if not answer.failed:
                self._settle(event, answer, attempts, "Success")
                return
            said = answer.payload.decode(errors="replace")
            logger.warning("%s failed an event, attempt %d: %s", event.function.name, attempts, said)
        lost = "%s lost an event after %d attempts (%s): %s"
        logger.error(lost, event.function.name, attempts, condition, event.payload.decode(errors="replace"))
        self._settle(event, answer, attempts, condition)

    def _invoke_when_free(self, event: "AsyncEvent", until_s: float) -> Answer | None:
        """An asynchronous event waits in Lambda's queue while the function is throttled or its role cannot be taken;
        that is no attempt. None when it grew too old there."""
        delay_s = _FIRST_THROTTLED_DELAY_S
        while True:
            try:
                return self.invoke(event.function, event.code, event.payload, event.arn)
            except (TooManyInvocationsError, ClientError) as error:
                logger.warning("%s waits with an event: %s", event.function.name, error)
            if self._world.clock.time() + delay_s > until_s:
                return None
            self._wait(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_THROTTLED_DELAY_S)

    def _wait(self, aws_seconds: float) -> None:
        if self._world.clock.wait(self._stopping, aws_seconds):
            raise StoppingError

    def _settle(self, event: "AsyncEvent", answer: Answer | None, attempts: int, condition: str) -> None:
        policy, failed = event.policy, condition != "Success"
        if destination := policy.on_failure_arn if failed else policy.on_success_arn:
            record = destination_record(event, answer, attempts, condition, self._world.clock.now())
            self._bring(event.function, destination, json.dumps(record), {})
        if failed and policy.dead_letter_arn:
            why = json.loads(answer.payload).get("errorMessage", "") if answer else condition
            attributes = {
                "ErrorCode": "200" if answer else "429",
                "ErrorMessage": why[:1024],
                "RequestID": answer.request_id if answer else str(uuid.uuid4()),
            }
            self._bring(event.function, policy.dead_letter_arn, event.payload.decode(), attributes)

    def _bring(self, function: Function, arn: str, body: str, attributes: dict[str, str]) -> None:
        """As the function's own role, which must be allowed to send there."""
        try:
            self._send(arn, body, Sender("lambda.amazonaws.com", function.arn, function.role_arn), attributes)
        except SendError as error:
            logger.error("%s did not take an event of %s (%s): %s", arn, function.name, error.code, error)  # noqa: TRY400
            lambda_event_lost(
                self._world.meter, function, "DeadLetterErrors" if attributes else "DestinationDeliveryFailures"
            )

    def stop(self) -> None:
        """End every worker; what waits for its next attempt is given up."""
        self._stopping.set()
        with self._lock:
            workers = [*self._busy, *(worker for idle in self._idle.values() for worker in idle)]
            self._idle.clear()
        _stop_all(workers)

    def forget(self, name: str, version: str | None) -> None:
        """A function was deleted, or one version of it: end the workers that wait for its next event."""
        with self._lock:
            gone = [
                worker
                for idle in self._idle.values()
                for worker in idle
                if worker.function.name == name and version in {None, worker.function.version}
            ]
            for worker in gone:
                self._idle[worker.function.slot].remove(worker)
        _stop_all(gone)

    @contextlib.contextmanager
    def _slot(self, function: Function) -> Iterator[int]:
        """How many invocations of the function run with this one."""
        limit = function.reserved_concurrency
        with self._lock:
            running = self._running[function.name]
            if limit is not None and running >= limit:
                raise TooManyInvocationsError(
                    f"Rate Exceeded: {running} of {limit} reserved invocations of {function.name} run"
                )
            self._running[function.name] += 1
        try:
            yield running + 1
        finally:
            with self._lock:
                self._running[function.name] -= 1

    def _take(self, function: Function) -> Worker | None:
        """An idle worker of exactly this code and environment; workers of an older shape are ended."""
        with self._lock:
            idle = self._idle.pop(function.slot, [])
            fit = [worker for worker in idle if worker.function == function and worker.alive]
            unfit = [worker for worker in idle if worker not in fit]
            taken = fit.pop() if fit else None
            self._idle[function.slot] = fit
        for worker in unfit:
            worker.stop()
        return taken

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            idle = self._idle.setdefault(worker.function.slot, [])
            keep = worker.alive and len(idle) < _IDLE_WORKERS_PER_VERSION
            if keep:
                idle.append(worker)
        if not keep:
            worker.stop()

    def _start(self, function: Function, code: bytes) -> Worker:
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        log_file = self._log_dir / f"{function.name}.log"

        def log(line: str) -> None:
            with log_file.open("a") as file:
                file.write(line + "\n")
            self._logs.write(function.log_group, stream, line)

        return Worker(
            function,
            processes=self._world.processes,
            code=self._unpack(function.code_sha256, code),
            environment=self._environment(function, stream),
            log=log,
            now=self._function_time,
        )

    def _function_time(self) -> float:
        """The time that a function reads when it takes an event."""
        return self._world.clock.time() + self._world.faults.skew_s("lambda")

    def _environment(self, function: Function, stream: str) -> dict[str, str]:
        credentials = self._world.role_credentials(function.role_arn, function.name, "lambda.amazonaws.com")
        return {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._world.url,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            **dict(function.environment),
        }

    def _unpack(self, sha256: str, code: bytes) -> Path:
        folder = self._code_dir / "".join(c for c in sha256 if c.isalnum())
        with self._unpacking:
            if not folder.is_dir():
                scratch = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
                with zipfile.ZipFile(io.BytesIO(code)) as archive:
                    archive.extractall(scratch)
                scratch.rename(folder)
        return folder


def _stop_all(workers: list[Worker]) -> None:
    with ThreadPoolExecutor(max(1, len(workers))) as pool:
        list(pool.map(Worker.stop, workers))


def destination_record(
    event: AsyncEvent, answer: Answer | None, attempts: int, condition: str, at: datetime
) -> dict[str, Any]:
    """The record that Lambda sends to a destination, `version` 1.0.

    Args:
        answer: the last attempt's; None if there was none.
    """
    function = event.function
    responded = {
        "responseContext": {
            "statusCode": 200,
            "executedVersion": function.version,
            **({"functionError": "Unhandled"} if answer and answer.failed else {}),
        },
        "responsePayload": json.loads(answer.payload or b"null") if answer else None,
    }
    return {
        "version": "1.0",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": answer.request_id if answer else str(uuid.uuid4()),
            "functionArn": event.arn,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(event.payload or b"null"),
        **(responded if answer else {}),
    }
