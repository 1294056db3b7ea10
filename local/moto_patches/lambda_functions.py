"""Lambda: moto keeps the functions, our runtime runs them."""

import base64
import json
import random
import threading
import time
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from moto.awslambda import models
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.responses import LambdaResponse
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from local.lambda_api import Answer
from local.lambda_runtime import AsyncEvent, AsyncPolicy, LambdaRuntime, TooManyInvocationsError
from local.lambda_worker import Function, error_payload
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION

# "Lambda quotas", AWS Lambda Developer Guide: invocation payload.
_SYNC_LIMIT_BYTES, _ASYNC_LIMIT_BYTES = 6 * 1024 * 1024, 1024 * 1024
_ANSWER_LIMIT_BYTES = 6_291_556  # as Lambda's own message says it


def install(patches: Patches, functions: LambdaRuntime) -> None:
    _run_as_processes(patches, functions)
    _read_the_qualifier(patches)
    _keep_log_group_and_dead_letter_queue(patches)


class CloudWatchLogs:
    """Writes lines into moto's CloudWatch Logs."""

    def __init__(self) -> None:
        self._creating = threading.Lock()

    def write(self, group: str, stream: str, line: str) -> None:
        logs = logs_backends[ACCOUNT][REGION]
        entry = [{"timestamp": int(time.time() * 1000), "message": line}]
        try:
            logs.put_log_events(group, stream, entry)
        except ResourceNotFoundException:
            # A function's own lines and its START come from two threads, and each may be the first.
            with self._creating:
                logs.ensure_log_group(group)
                logs.ensure_log_stream(group, stream)
            logs.put_log_events(group, stream, entry)


def _run_as_processes(patches: Patches, functions: LambdaRuntime) -> None:
    """moto runs functions in Docker, or without Docker echoes their input; of a deleted one it knows no process."""

    def invoke(  # noqa: PLR0913, PLR0917 - moto's signature
        self: models.LambdaBackend,
        function_name: str,
        qualifier: str | None,
        body: Any,
        headers: Any,
        response_headers: dict[str, str],
    ) -> bytes:
        found = _routed(self, function_name, qualifier)
        function, arn = described(found), _as_invoked(self, function_name, qualifier)
        payload: bytes = (body.encode() if isinstance(body, str) else body) or b"{}"
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        _check_payload(payload, kind)
        if headers.get("X-Amz-Client-Context"):
            raise _refusal("InvalidParameterValueException", "local AWS does not emulate ClientContext of Invoke", 400)
        if kind == "Event":
            functions.invoke_async(AsyncEvent(function, found.code_bytes, payload, arn, async_policy(found)))
            return b""
        if kind == "DryRun":
            return b""
        answer = _answered(functions, function, found.code_bytes, payload, arn)
        if answer.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        response_headers["x-amz-executed-version"] = function.version
        response_headers["x-amz-log-result"] = base64.b64encode(answer.log_tail).decode()
        return answer.payload

    def delete(self: models.LambdaBackend, function_name: str, qualifier: str | None = None) -> None:
        delete_original(self, function_name, qualifier)
        name, named = _parts(function_name)
        functions.forget(name, qualifier or named)

    patches.replace(models.LambdaBackend, "invoke", invoke)
    delete_original = patches.replace(models.LambdaBackend, "delete_function", delete)


def _read_the_qualifier(patches: Patches) -> None:
    """moto looks for `qualifier` where clients write `Qualifier`, and then for one in the payload, so every call runs
    $LATEST or what its event happens to name."""

    def invoke(self: LambdaResponse) -> Any:
        self.querystring["qualifier"] = self.querystring.get("Qualifier", [None])
        return original(self)

    original = patches.replace(LambdaResponse, "invoke", invoke)


def invoke_function(functions: LambdaRuntime, arn: str, payload: bytes) -> Answer:
    """Run the function that an ARN names, for a service that calls functions itself.

    Raises:
        TooManyInvocationsError: it is throttled.
    """
    backend = models.lambda_backends[ACCOUNT][REGION]
    found = _routed(backend, arn, None)
    return functions.invoke(described(found), found.code_bytes, payload, arn)


def _answered(functions: LambdaRuntime, function: Function, code: bytes, payload: bytes, arn: str) -> Answer:
    try:
        answer = functions.invoke(function, code, payload, arn)
    except TooManyInvocationsError as error:
        raise _refusal("TooManyRequestsException", str(error), 429) from error
    except ClientError as error:
        message = f"The role defined for the function cannot be assumed by Lambda. {error}"
        raise _refusal("AccessDeniedException", message, 403) from error
    if len(answer.payload) > _ANSWER_LIMIT_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({_ANSWER_LIMIT_BYTES} bytes)."
        return replace(answer, payload=error_payload("Function.ResponseSizeTooLarge", message), failed=True)
    return answer


def _routed(backend: models.LambdaBackend, name: str, qualifier: str | None) -> models.LambdaFunction:
    """The version that a call runs: an alias with AdditionalVersionWeights sends a part of its calls elsewhere."""
    found: models.LambdaFunction = backend.get_function(name, qualifier)
    alias = _alias(backend, name, qualifier)
    weights = (alias.routing_config or {}).get("AdditionalVersionWeights", {}) if alias else {}
    drawn = random.random()  # noqa: S311 - a share of traffic, no secret
    for version, weight in weights.items():
        drawn -= float(weight)
        if drawn < 0:
            other: models.LambdaFunction = backend.get_function(found.function_name, version)
            return other
    return found


def _alias(backend: models.LambdaBackend, name: str, qualifier: str | None) -> Any:
    function, named = _parts(name)
    wanted = named or qualifier
    return next((alias for alias in backend.list_aliases(function) if alias.name == wanted), None) if wanted else None


def _as_invoked(backend: models.LambdaBackend, name: str, qualifier: str | None) -> str:
    """`invoked_function_arn` of the context: with the version or alias that was asked for, without one if none was."""
    function, named = _parts(name)
    wanted = named or qualifier
    arn = f"arn:aws:lambda:{backend.region_name}:{ACCOUNT}:function:{function}"
    return f"{arn}:{wanted}" if wanted else arn


def _parts(name: str) -> tuple[str, str | None]:
    """A function's name and qualifier, of its name, partial ARN or ARN."""
    function, _, qualifier = name.rpartition("function:")[2].partition(":")
    return function, qualifier or None


def _check_payload(payload: bytes, kind: str) -> None:
    limit = _ASYNC_LIMIT_BYTES if kind == "Event" else _SYNC_LIMIT_BYTES
    if len(payload) > limit:
        message = f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        raise _refusal("RequestTooLargeException", message, 413)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise _refusal("InvalidRequestContentException", message, 400) from error


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
        arn=_unqualified(found.function_arn),
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


def _unqualified(arn: str) -> str:
    return ":".join(arn.split(":")[:7])


def async_policy(found: models.LambdaFunction) -> AsyncPolicy:
    config = found.event_invoke_config[-1].config if found.event_invoke_config else {}
    destinations = config.get("DestinationConfig") or {}
    return AsyncPolicy(
        retries=int(config.get("MaximumRetryAttempts", 2)),
        max_age_s=float(config.get("MaximumEventAgeInSeconds", AsyncPolicy.max_age_s)),
        dead_letter_arn=getattr(found, "dead_letter_arn", None),
        on_failure_arn=destinations.get("OnFailure", {}).get("Destination"),
        on_success_arn=destinations.get("OnSuccess", {}).get("Destination"),
    )
