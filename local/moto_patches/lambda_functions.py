"""Lambda: moto keeps the functions, our runtime runs them."""

import base64
import time
from typing import Any

from botocore.exceptions import ClientError
from moto.awslambda import models
from moto.awslambda.exceptions import LambdaClientError
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from local.lambda_runtime import AsyncPolicy, LambdaRuntime, TooManyInvocationsError
from local.lambda_worker import Function
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION

_SYNC_LIMIT_BYTES, _ASYNC_LIMIT_BYTES = 6 * 1024 * 1024, 1024 * 1024


def install(patches: Patches, functions: LambdaRuntime) -> None:
    _run_as_processes(patches, functions)
    _keep_log_group_and_dead_letter_queue(patches)


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

    def invoke(  # noqa: PLR0913, PLR0917 - moto's signature
        self: models.LambdaBackend,
        function_name: str,
        qualifier: str | None,
        body: Any,
        headers: Any,
        response_headers: dict[str, str],
    ) -> bytes:
        found = self.get_function(function_name, qualifier)
        function = described(found)
        payload: bytes = (body.encode() if isinstance(body, str) else body) or b"{}"
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        _check_size(payload, kind)
        if kind == "Event":
            functions.invoke_async(function, found.code_bytes, payload, async_policy(found))
            return b""
        if kind == "DryRun":
            return b""
        try:
            answer = functions.invoke(function, found.code_bytes, payload)
        except TooManyInvocationsError as error:
            raise _refusal("TooManyRequestsException", str(error), 429) from error
        except ClientError as error:
            message = f"The role defined for the function cannot be assumed by Lambda. {error}"
            raise _refusal("AccessDeniedException", message, 403) from error
        if answer.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        response_headers["x-amz-executed-version"] = function.version
        response_headers["x-amz-log-result"] = base64.b64encode(answer.log_tail).decode()
        return answer.payload

    patches.replace(models.LambdaBackend, "invoke", invoke)


def _check_size(payload: bytes, kind: str) -> None:
    limit = _ASYNC_LIMIT_BYTES if kind == "Event" else _SYNC_LIMIT_BYTES
    if len(payload) > limit:
        message = f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        raise _refusal("RequestTooLargeException", message, 413)


def _refusal(name: str, message: str, status: int) -> LambdaClientError:
    error = LambdaClientError(name, message)
    error.code = status
    return error


def _keep_log_group_and_dead_letter_queue(patches: Patches) -> None:
    """moto drops a function's LoggingConfig and DeadLetterConfig, from calls and from templates."""
    function = models.LambdaFunction

    def create(self: models.LambdaFunction, account_id: str, spec: Any, *rest: Any, **named: Any) -> None:
        init_original(self, account_id, spec, *rest, **named)
        _configure(self, spec)

    def create_from_template(_cls: Any, resource_name: str, cloudformation_json: Any, *rest: Any, **named: Any) -> Any:
        return _configure(
            template_original(resource_name, cloudformation_json, *rest, **named), cloudformation_json["Properties"]
        )

    def update(self: models.LambdaFunction, config_updates: Any) -> Any:
        _configure(self, config_updates)
        return update_original(self, config_updates)

    init_original = patches.replace(function, "__init__", create)
    template_original = patches.replace(function, "create_from_cloudformation_json", classmethod(create_from_template))
    update_original = patches.replace(function, "update_configuration", update)


def _configure(function: Any, properties: Any) -> Any:
    if group := properties.get("LoggingConfig", {}).get("LogGroup"):
        function.logs_group_name = group
    if "DeadLetterConfig" in properties:
        function.dead_letter_arn = properties["DeadLetterConfig"].get("TargetArn")
    return function


def described(found: models.LambdaFunction) -> Function:
    """What the runtime must know of a function that moto keeps."""
    if found.package_type != "Zip":
        message = f"local AWS does not emulate Lambda functions from {found.package_type} packages"
        raise _refusal("InvalidRequestContentException", message, 400)
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
        reserved_concurrency=None if found.reserved_concurrency is None else int(found.reserved_concurrency),
        environment=tuple(sorted((found.environment_vars or {}).items())),
    )


def async_policy(found: models.LambdaFunction) -> AsyncPolicy:
    config = found.event_invoke_config[-1].config if found.event_invoke_config else {}
    destinations = config.get("DestinationConfig") or {}
    return AsyncPolicy(
        retries=int(config.get("MaximumRetryAttempts", 2)),
        dead_letter_arn=getattr(found, "dead_letter_arn", None),
        on_failure_arn=destinations.get("OnFailure", {}).get("Destination"),
        on_success_arn=destinations.get("OnSuccess", {}).get("Destination"),
    )
