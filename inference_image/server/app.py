"""Routes and lifecycle of the inference server."""

import logging
import time
import uuid
from typing import Any

from sanic import HTTPResponse, Request, Sanic, empty, text
from sanic import json as json_response
from sanic.exceptions import MethodNotAllowed, NotFound, PayloadTooLarge, SanicException
from sanic.response import BaseHTTPResponse

from server.admission import Admission
from server.engine import Broken, Engine, Loading
from server.errors import ServingError
from server.parse import parse_body
from server.serving import serve_stream, serve_unary
from server.settings import Settings

logger = logging.getLogger(__name__)

BODY_BYTES_MAX = 25 << 20
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_HEADER_BYTES_MAX = 8 << 10
# SageMaker kills 30 s after SIGTERM. The rest is for the engine, which may take 3 s, its last words and the sockets.
DRAIN_S = 23.0


class _Service:
    """What the routes share."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.admission = Admission(settings.max_concurrency + settings.max_queue)
        self.started_at = int(time.time())

    def require_ready(self) -> None:
        """Raises ServingError: loading or engine_failed."""
        state = self.engine.state
        if isinstance(state, Loading):
            raise ServingError("loading", "the model is still loading; ask again soon")
        if isinstance(state, Broken):
            raise ServingError("engine_failed", state.reason)

    async def ping(self, _request: Request) -> HTTPResponse:
        self.require_ready()
        self.admission.require_open()
        return empty(200)

    async def invoke(self, request: Request) -> HTTPResponse | None:
        return await self._serve(request, chat_only=False)

    async def chat(self, request: Request) -> HTTPResponse | None:
        return await self._serve(request, chat_only=True)

    async def models(self, _request: Request) -> HTTPResponse:
        name, created = self.settings.model_name, self.started_at
        model = {"id": name, "object": "model", "created": created, "owned_by": "slipway"}
        return json_response({"object": "list", "data": [model]})

    async def metrics(self, _request: Request) -> HTTPResponse:
        """Prometheus text; SageMaker scrapes this path of the container."""
        ready = not isinstance(self.engine.state, Loading | Broken)
        lines = [
            "# TYPE slipway_requests_inside gauge",
            f"slipway_requests_inside {self.admission.inside}",
            "# TYPE slipway_engine_ready gauge",
            f"slipway_engine_ready {int(ready)}",
        ]
        return text("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")

    async def _serve(self, request: Request, *, chat_only: bool) -> HTTPResponse | None:
        invocation = parse_body(request.body, uuid.uuid4().hex, chat_only=chat_only)
        self.require_ready()
        with self.admission.enter():
            if invocation.stream:
                await serve_stream(request, invocation, self.engine, self.settings)
                return None
            return await serve_unary(invocation, self.engine, self.settings)

    async def refuse(self, _request: Request, error: Exception) -> HTTPResponse:
        known = _as_serving_error(error)
        if known.code == "engine_failed":
            logger.error("request failed: %s", known.message)
        headers = {} if known.retry_after_s is None else {"Retry-After": f"{known.retry_after_s:.0f}"}
        body = known.body(self.settings.release_id, self.settings.rollout_id)
        return json_response(body, status=known.status, headers=headers)

    async def name_release(self, _request: Request, response: BaseHTTPResponse) -> None:
        response.headers[CUSTOM_ATTRIBUTES] = self.settings.custom_attributes

    async def start(self, _app: Any) -> None:
        await self.engine.start()

    async def drain(self, _app: Any) -> None:
        """The listener is still open here: running answers end, new ones are refused in words."""
        self.admission.draining = True
        if not await self.admission.empty(DRAIN_S):
            logger.warning("shutting down with %d requests unfinished after %.0f s", self.admission.inside, DRAIN_S)
        await self.engine.stop()
        await self.admission.empty(1.0)


def create_app(settings: Settings, engine: Engine) -> Sanic[Any, Any]:
    """The server over an engine that is not started yet; the port opens at once and /ping tells how far it is."""
    service = _Service(settings, engine)
    app: Sanic[Any, Any] = Sanic("slipway", configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=BODY_BYTES_MAX,
        REQUEST_MAX_HEADER_SIZE=_HEADER_BYTES_MAX,
        # Idle time, not a deadline: a queued request sends nothing for a while. The deadlines are ours.
        RESPONSE_TIMEOUT=600,
        KEEP_ALIVE_TIMEOUT=120,
        GRACEFUL_SHUTDOWN_TIMEOUT=2,
        ACCESS_LOG=False,
    )
    app.add_route(service.ping, "/ping", methods=["GET", "POST"])
    app.add_route(service.invoke, "/invocations", methods=["POST"])
    app.add_route(service.chat, "/v1/chat/completions", methods=["POST"])
    app.add_route(service.models, "/v1/models", methods=["GET"])
    app.add_route(service.metrics, "/metrics", methods=["GET"])
    app.error_handler.add(Exception, service.refuse)
    app.register_middleware(service.name_release, "response")
    app.register_listener(service.start, "after_server_start")
    app.register_listener(service.drain, "before_server_stop")
    return app


def _as_serving_error(error: Exception) -> ServingError:
    match error:
        case ServingError():
            return error
        case NotFound():
            return ServingError("not_found", "no such path; POST /invocations answers, GET /ping tells the state")
        case MethodNotAllowed():
            return ServingError("method_not_allowed", f"{error}; POST /invocations answers, GET /ping tells the state")
        case PayloadTooLarge():
            limit = _HEADER_BYTES_MAX if "header" in str(error) else BODY_BYTES_MAX
            return ServingError("body_too_large", f"{error}; the limit is {limit} bytes, so send less")
        case SanicException() if error.status_code < 500:  # noqa: PLR2004 - HTTP's own border
            return ServingError("invalid_request", f"{error}; send a well-formed HTTP request")
        case _:
            logger.error("unforeseen error in a request", exc_info=error)
            return ServingError("engine_failed", f"unforeseen {type(error).__name__}; the server's log has the cause")
