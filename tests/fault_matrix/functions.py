"""The real handlers, run in this process under their own roles instead of in processes of their own.

A case of the matrix would cost a second of CPU for every cold start. What a function's process changes, its
environment, its clients and its clock, is given to the handlers here; Lambda's words for a process that died or ran
out of time are those of `local.lambda_worker`.
"""

import importlib
import json
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any

from local.lambda_api import Answer
from local.lambda_runtime import LambdaRuntime
from local.lambda_worker import Function, error_payload
from tests.fault_matrix.boundary import Boundary, CrashedError, Invocation
from tests.fault_matrix.faults import InvocationFault

_EXITED, _TIMED_OUT = "Runtime.ExitError", "Sandbox.Timedout"


class InProcessFunctions(LambdaRuntime):
    """Lambda as the embedded AWS has it, but for the child processes."""

    boundary: Boundary

    def invoke(
        self,
        function: Function,
        code: bytes,  # noqa: ARG002 - it is the code that this process has imported
        payload: bytes,
        arn: str | None = None,  # noqa: ARG002 - no handler reads how it was called
    ) -> Answer:
        event = json.loads(payload)
        invocation = self.boundary.begin(function, endpoint_of(event))
        if "executionArn" in event:
            self.boundary.executions.setdefault(invocation.endpoint, set()).add(event["executionArn"])
        if invocation.function == "receive_artifact":
            self.boundary.seals[invocation.endpoint] = event
        began, error = time.monotonic(), ""
        try:
            answer = self._answer(function, event, invocation)
            error = json.loads(answer.payload)["errorType"] if answer.failed else ""
        finally:
            self.boundary.end(invocation, error)
        return Answer(answer.payload, answer.failed, duration_ms=(time.monotonic() - began) * 1000)

    def _answer(self, function: Function, event: Any, invocation: Invocation) -> Answer:
        if invocation.fault is InvocationFault.TIMED_OUT_AT_ONCE:
            return _failed(_TIMED_OUT, "Task timed out before it did anything")
        try:
            said = importlib.import_module(function.handler.rpartition(".")[0]).handler(event, _context(function))
        except CrashedError:
            return _failed(_EXITED, "Runtime exited with error: signal: killed")
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is what Lambda answers
            self.boundary.failed(invocation, traceback.format_exc())
            return _failed(type(error).__name__, str(error))
        if invocation.fault is InvocationFault.TIMED_OUT_AT_THE_END:
            return _failed(_TIMED_OUT, "Task timed out after all was done")
        return Answer(json.dumps(said).encode())


def _failed(kind: str, message: str) -> Answer:
    return Answer(error_payload(kind, message), failed=True)


def _context(function: Function) -> Any:
    return SimpleNamespace(
        function_name=function.name,
        memory_limit_in_mb=function.memory_mb,
        invoked_function_arn=function.arn,
        aws_request_id=threading.current_thread().name,
        get_remaining_time_in_millis=lambda: int(function.timeout_s * 1000),
    )


def endpoint_of(event: Any) -> str:
    """The endpoint that an event is about; empty for one that is about all of them, as the push of an image."""
    asked = event.get("input", event)
    if isinstance(asked, dict) and "endpoint" in asked:
        return str(asked["endpoint"])
    if results := event.get("results"):
        return str(results[0]["endpoint"]) if len(results) == 1 else ""
    key = str(event.get("detail", {}).get("object", {}).get("key", ""))
    return key.split("/")[1] if key.startswith("models/") else ""
