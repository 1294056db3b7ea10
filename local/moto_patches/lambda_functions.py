"""Lambda: moto keeps the functions, our runtime runs them."""

import base64
import time
from typing import Any

from moto.awslambda import models
from moto.core.exceptions import JsonRESTError
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from local.lambda_runtime import AsyncPolicy, LambdaRuntime
from local.lambda_worker import Function
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION


def install(patches: Patches, functions: LambdaRuntime) -> None:
    _run_as_processes(patches, functions)


class CloudWatchLogs:
    """Writes lines into moto's CloudWatch Logs."""

    def write(self, group: str, stream: str, line: str) -> None:
        logs = logs_backends[ACCOUNT][REGION]
        entry = [{"timestamp": int(time.time() * 1000), "message": line}]
        try:
            logs.put_log_events(group, stream, entry)
        except ResourceNotFoundException:
            logs.ensure_log_group(group)
            logs.create_log_stream(group, stream)
            logs.put_log_events(group, stream, entry)


def _run_as_processes(patches: Patches, functions: LambdaRuntime) -> None:
    """moto runs functions in Docker, or without Docker echoes their input."""

    def invoke(
        self: models.LambdaBackend,
        function_name: str,
        qualifier: str | None,
        body: Any,
        *of_http: Any,
    ) -> bytes:
        headers, response_headers = of_http
        found = self.get_function(function_name, qualifier)
        function = described(found)
        payload = (body.encode() if isinstance(body, str) else body) or b"{}"
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "Event":
            functions.invoke_async(function, found.code_bytes, payload, async_policy(found))
            return b""
        if kind == "DryRun":
            return b""
        answer = functions.invoke(function, found.code_bytes, payload)
        if answer.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        response_headers["x-amz-executed-version"] = function.version
        response_headers["x-amz-log-result"] = base64.b64encode(answer.log_tail).decode()
        return answer.payload

    patches.replace(models.LambdaBackend, "invoke", invoke)


def described(found: models.LambdaFunction) -> Function:
    """What the runtime must know of a function that moto keeps."""
    if found.package_type != "Zip":
        raise JsonRESTError(
            "InvalidRequestContentException",
            f"local AWS does not emulate Lambda functions from {found.package_type} packages",
        )
    return Function(
        name=found.function_name,
        arn=found.function_arn,
        version=str(found.version),
        handler=str(found.handler),
        role_arn=found.role,
        code_sha256=found.code_sha_256,
        timeout_s=float(found.timeout or 3),
        memory_mb=int(found.memory_size),
        log_group=found.logs_group_name,
        environment=tuple(sorted((found.environment_vars or {}).items())),
    )


def async_policy(found: models.LambdaFunction) -> AsyncPolicy:
    config = found.event_invoke_config[-1].config if found.event_invoke_config else {}
    destinations = config.get("DestinationConfig") or {}
    return AsyncPolicy(
        retries=config.get("MaximumRetryAttempts", 2),
        on_failure_arn=destinations.get("OnFailure", {}).get("Destination"),
        on_success_arn=destinations.get("OnSuccess", {}).get("Destination"),
    )
