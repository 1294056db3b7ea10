"""Calls that fail on purpose: before a request reaches its service, the board of faults is asked about it.

Where a service documents a code of its own for a failure, that code is sent; else the one that its protocol's common
errors name.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.exceptions import ServiceException
from moto.core.utils import get_service_model

from local import gateway
from local.faults import ApiFailure, ApiFault
from local.refusals import boto_names, operation_name
from local.wire_errors import AwsFailure, error_answer
from local.world import World

_ACCESS_KEY = re.compile(r"(?:Credential|AWSAccessKeyId)=([^/%,&\s]+)")

# Service, as its requests are signed → code and HTTP status of a call that came too often.
_THROTTLED = {
    # "Error responses" in the Amazon S3 API Reference: Slow Down.
    "s3": AwsFailure("SlowDown", "Please reduce your request rate.", 503),
    # "Error codes for the Amazon EC2 API".
    "ec2": AwsFailure("RequestLimitExceeded", "Request limit exceeded.", 503),
    # AWS re:Post, "sns-throttling-exception-errors": also for Publish, whose model names Throttled.
    "sns": AwsFailure("ThrottlingException", "Rate exceeded"),
    # "Error handling with DynamoDB" names this one for tables on demand, and for every control plane call.
    "dynamodb": AwsFailure("ThrottlingException", "Rate of requests exceeds the allowed throughput."),
}
# What operations list among their errors, the more specific first: Lambda, SQS, then the common one.
_THROTTLED_CODES = ("ProvisionedThroughputExceededException", "TooManyRequestsException", "RequestThrottled")
_BROKEN_CODE = re.compile(
    r"(KMS)?Internal(Error|Failure|Service|Server|Exception|Fault)\w*|Server(Exception|Error)|Service(Failure|Exception)"
)

logger = logging.getLogger(__name__)


class FaultyCalls:
    """WSGI in front of the services: passes requests on, but for those that a fault strikes.

    Args:
        caller_arn: the ARN of an access key's holder; raises `ServiceException` for nobody's.
    """

    def __init__(self, world: World, application: gateway.Application, caller_arn: Callable[[str], str]) -> None:
        self._world = world
        self._application = application
        self._caller_arn = caller_arn

    def __call__(self, environ: gateway.Environ, start_response: gateway.StartResponse) -> Iterable[bytes]:
        if not self._world.faults.is_set(ApiFault):
            return self._application(environ, start_response)
        service = "sagemaker" if gateway.is_sagemaker(environ) else gateway.signed_service(environ) or ""
        form = gateway.form_of(environ)
        operation = operation_name(service, environ, form) if service else ""
        caller = self._caller(environ)
        fault = self._world.faults.strike(ApiFault, service=service, operation=operation, caller=caller)
        if fault is None:
            return self._application(environ, start_response)
        logger.warning("a fault strikes %s.%s of %s: %s", service, operation, caller, fault.failure)
        if fault.failure in {ApiFailure.LOST_BEFORE, ApiFailure.LOST_AFTER, ApiFailure.LATE}:
            return self._interrupted(fault, environ, start_response)
        failure = failure_of(fault.failure, service, operation, caller)
        status, headers, body = error_answer(service, environ, form, failure)
        start_response(status, headers)
        return [body]

    def _interrupted(
        self, fault: ApiFault, environ: gateway.Environ, start_response: gateway.StartResponse
    ) -> Iterable[bytes]:
        if fault.failure is ApiFailure.LOST_BEFORE:
            raise ConnectionAbortedError("lost before the call, by a fault")
        said: list[Any] = []
        parts = self._application(environ, lambda *answer: said.append(answer))
        if fault.failure is ApiFailure.LATE:
            self._world.clock.sleep(fault.delay_s)
            start_response(*said[-1])
            return parts
        with contextlib.closing(_Closing(parts)):
            for _ in parts:
                pass  # the call runs to its end
        raise ConnectionAbortedError("lost after the call, by a fault")

    def _caller(self, environ: gateway.Environ) -> str:
        """Empty for a request without a signature and for one of nobody, which its service is to refuse."""
        signed = f"{environ.get('HTTP_AUTHORIZATION', '')} {environ.get('QUERY_STRING', '')}"
        found = _ACCESS_KEY.search(signed)
        try:
            return self._caller_arn(found[1]) if found else ""
        except ServiceException:
            return ""


class _Closing:
    """WSGI's parts may have a `close`, which must then be called."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    def close(self) -> None:
        if close := getattr(self._parts, "close", None):
            close()


def failure_of(failure: ApiFailure, service: str, operation: str, caller: str) -> AwsFailure:
    """The error that this service sends for a failure.

    Args:
        failure: THROTTLED, DENIED or INTERNAL_ERROR; the others have no words.
        service: the name in the request's signature.
    """
    if failure is ApiFailure.THROTTLED:
        return _throttled(service, operation)
    if failure is ApiFailure.DENIED:
        return _denied(service, operation, caller)
    return _broken(service, operation)


def _throttled(service: str, operation: str) -> AwsFailure:
    errors = _errors_of(service, operation)
    listed = next((code for code in _THROTTLED_CODES if code in errors), None)
    if listed is not None:
        return AwsFailure(listed, "Rate exceeded", errors[listed] or 400)
    if service in _THROTTLED:
        return _THROTTLED[service]
    # "Common error types" of each query service, and of each JSON service.
    query = _protocol(service, operation) == "query"
    return AwsFailure("Throttling" if query else "ThrottlingException", "Rate exceeded")


def _denied(service: str, operation: str, caller: str) -> AwsFailure:
    message = f"User: {caller} is not authorized to perform: {service}:{operation} because a fault denies it"
    protocol = _protocol(service, operation)
    if service == "sns":  # the error AuthorizationError of every operation in the Amazon SNS API Reference
        return AwsFailure("AuthorizationError", message, 403)
    if service in {"s3", "sqs", "monitoring"} or protocol == "query":
        return AwsFailure("AccessDenied", message, 403)
    if service == "ec2":
        return AwsFailure("UnauthorizedOperation", message, 403)
    return AwsFailure("AccessDeniedException", message, 403 if protocol == "rest-json" else 400)


def _broken(service: str, operation: str) -> AwsFailure:
    message = "We encountered an internal error, on purpose: a fault is set."
    if service in {"s3", "ec2"}:
        return AwsFailure("InternalError", message, 500)
    listed = next((code for code in _errors_of(service, operation) if _BROKEN_CODE.fullmatch(code)), None)
    return AwsFailure(listed or "InternalFailure", message, 500)


def _errors_of(service: str, operation: str) -> dict[str, int | None]:
    """The codes that the operation lists, with their HTTP status where the model gives one."""
    model = _model(service, operation)
    metadata = {shape.name: shape.metadata.get("error", {}) for shape in (model.error_shapes if model else [])}
    return {error.get("code", shape): error.get("httpStatusCode") for shape, error in metadata.items()}


def _protocol(service: str, operation: str) -> str:
    model = _model(service, operation)
    return str(model.service_model.protocol) if model else "json"


def _model(service: str, operation: str) -> Any:
    """botocore's model of the operation; None for one that it does not know."""
    for name in boto_names(service):
        with contextlib.suppress(OperationNotFoundError, UnknownServiceError):
            return get_service_model(name).operation_model(operation)
    return None
