"""SageMaker on one machine: its control plane and its data plane behind one WSGI application."""

import base64
import binascii
import http.client
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.capacity import Capacity
from local.sagemaker.control.api import Api, Authorize
from local.sagemaker.control.quotas import Quotas
from local.sagemaker.control.rights import Context, Rights
from local.sagemaker.data_plane.metrics import Metrics
from local.sagemaker.data_plane.runtime import Inquiry, Response, Runtime
from local.sagemaker.deployments.announcer import Emit
from local.sagemaker.deployments.deployer import Deployer
from local.sagemaker.errors import AwsError, not_emulated
from local.sagemaker.fleets.instance import Limits
from local.sagemaker.fleets.launcher import ImageSource, Launcher
from local.sagemaker.kept import TwinState
from local.sagemaker.registry import Registry
from local.world import World

Environ = dict[str, Any]
StartResponse = Callable[..., object]

TARGET_PREFIX = "SageMaker."
READ_BYTES = 1 << 16
MAX_CALL_BYTES = 25 * 1024 * 1024

# HTTP statuses of a refusal by IAM. A public report of the control plane's prints "Service: AmazonSageMaker; Status
# Code: 400; Error Code: AccessDeniedException"; the runtime refuses with 403, see amazon-sagemaker-examples#290.
_DENIED_CALL, _DENIED_INVOCATION = 400, 403

_REFUSED = {"async-invocations": "InvokeEndpointAsync"}
_INVOKE_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/(?P<what>.+)")
_CREDENTIAL = re.compile(r"Credential=([^/%&]+)")

logger = logging.getLogger(__name__)


class SageMakerTwin:
    """The embedded SageMaker.

    Args:
        images: turns an image's name into a process; raises `ImageError` for one that it does not have.
        emit: sends an event: source, detail type, detail, resources.
        authorize: raises unless the access key may do the action on the resource under these condition keys; an error
            that has a `code` is answered with it.
        quotas: the account's; as many as AWS has and generous ones, if absent.
    """

    def __init__(  # noqa: PLR0913 - its surroundings, each named
        self,
        world: World,
        images: ImageSource,
        emit: Emit,
        authorize: Authorize,
        *,
        limits: Limits | None = None,
        behaviour: Behaviour | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        limits, behaviour = limits or Limits(), behaviour or Behaviour()
        registry = Registry()
        self.capacity = Capacity(world.faults)
        self._registry = registry
        self._behaviour = behaviour
        self._launcher = Launcher(world, images, self.capacity, limits, behaviour)
        self._state = world.parts["sagemaker"] = TwinState(registry, self._launcher)
        self._metrics = Metrics(world, registry)
        self._deployer = Deployer(world, registry, self._launcher, emit, behaviour)
        self._authorize = _in_aws_words(authorize, _DENIED_INVOCATION)
        asked = _in_aws_words(authorize, _DENIED_CALL)
        self._api = Api(world, registry, self._deployer, asked, behaviour=behaviour, quotas=quotas)
        self._runtime = Runtime(world, registry, self._metrics, limits, behaviour)

    def resume(self) -> None:
        """Start again what served when an earlier run stopped; return when it serves."""
        self._state.resume()

    def stop(self) -> None:
        """End every deployment and every instance. Nothing of the twin runs afterwards."""
        self._deployer.stop()
        self._launcher.stop()
        self._runtime.stop()
        self._metrics.stop()

    def wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = self._answer(environ)
        except AwsError as error:
            response = _error_response(error)
        except Exception:
            # A request's end is the boundary: the client gets AWS's word for it, the log the traceback.
            logger.exception("request %s %s broke", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            response = _error_response(AwsError("InternalFailure", "The embedded SageMaker broke; see its log.", 500))
        headers = [*response.headers, ("x-amzn-RequestId", str(uuid.uuid4()))]
        if isinstance(response.body, list):
            headers.append(("Content-Length", str(sum(map(len, response.body)))))
        start_response(f"{response.status} {http.client.responses.get(response.status, 'Answer')}", headers)
        return response.body

    def _answer(self, environ: Environ) -> Response:
        arrived = time.monotonic()
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target.startswith(TARGET_PREFIX):
            return self._call(target.removeprefix(TARGET_PREFIX), environ)
        if path := _INVOKE_PATH.fullmatch(environ.get("PATH_INFO", "")):
            return self._invoke(path["name"], path["what"], environ, arrived)
        raise not_emulated(f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}")

    def _call(self, operation: str, environ: Environ) -> Response:
        try:
            request = json.loads(_body(environ, MAX_CALL_BYTES) or b"{}")
        except ValueError as error:
            raise AwsError("SerializationException", f"The request's body is not JSON: {error}") from error
        answer = self._api.call(operation, _access_key(environ), request)
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        return Response(200, headers, [json.dumps(answer).encode()])

    def _invoke(self, name: str, what: str, environ: Environ, arrived: float) -> Response:
        invoke = {
            "invocations": self._runtime.invoke,
            "invocations-response-stream": self._runtime.invoke_with_response_stream,
            "openai/v1/chat/completions": self._runtime.chat_completions,
        }.get(what)
        if invoke is None:
            raise not_emulated(_REFUSED.get(what, f"/endpoints/{{EndpointName}}/{what}"))
        # The streaming operation is allowed by the same action, says its reference.
        rights = Rights(self._authorize, self._registry, _access_key(environ))
        rights.need("InvokeEndpoint", self._registry.endpoints.arn(name))
        body = _body(environ, self._behaviour.payload_limit_bytes)
        client = environ.get("werkzeug.socket")
        return invoke(Inquiry(name, lambda header: _header(environ, header), body, client, arrived))


def _in_aws_words(authorize: Authorize, status: int) -> Authorize:
    def judge(access_key: str, action: str, resource: str, context: Context) -> None:
        try:
            authorize(access_key, action, resource, context)
        except AwsError:
            raise
        except Exception as error:
            # Another service's judgement: its errors are not ours to know by class, but they name their AWS code.
            code = getattr(error, "code", None)
            if not isinstance(code, str):
                raise
            raise AwsError(code, str(getattr(error, "message", error)), status) from error

    return judge


def _error_response(error: AwsError) -> Response:
    status, headers, body = error.answer()
    return Response(status, headers, [body])


def _header(environ: Environ, name: str) -> str | None:
    key = name.upper().replace("-", "_")
    value = environ.get(key if key == "CONTENT_TYPE" else f"HTTP_{key}")
    return str(value) if value else None


def _body(environ: Environ, limit: int) -> bytes:
    """The request's body, whole.

    Args:
        limit: bytes.

    Raises:
        AwsError: RequestEntityTooLarge.
    """
    announced = int(environ.get("CONTENT_LENGTH") or 0)
    chunked = bool(environ.get("wsgi.input_terminated"))
    body = b""
    while len(body) <= limit and (chunked or len(body) < announced <= limit):
        part = environ["wsgi.input"].read(READ_BYTES if chunked else announced - len(body))
        if not part:
            break
        body += part
    if max(len(body), announced) > limit:
        message = f"The request's body has {max(len(body), announced)} bytes or more; the limit is {limit}."
        raise AwsError("RequestEntityTooLarge", message, 413)
    return body


def _access_key(environ: Environ) -> str:
    """Who signed: from the Authorization header, the presigned query, or a bearer token that holds a presigned URL.

    Raises:
        AwsError: MissingAuthenticationTokenException.
    """
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if authorization.startswith("Bearer "):
        authorization = _presigned_url(authorization.removeprefix("Bearer "))
    signed = f"{authorization} {environ.get('QUERY_STRING', '')}"
    if (found := _CREDENTIAL.search(signed)) is None:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    return found[1]


def _presigned_url(token: str) -> str:
    encoded = token.rpartition("-")[2] + "=="
    try:
        return base64.urlsafe_b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
