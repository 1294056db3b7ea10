"""What the routes do."""

import logging
import math
import time
import uuid
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, empty, raw
from sanic import json as json_response
from sanic.response import BaseHTTPResponse

from engine.protocol import Progress, Submit
from server.admission import Admission
from server.answers import answer_for
from server.attributes import HEADER, Attributes, read_attributes
from server.choices import Choices, Desk
from server.engine import Broken, Engine, Loading, Ready, Stalled, model_of
from server.errors import ServingError
from server.forecast import Forecast
from server.metrics import Metrics
from server.parse import Invocation, parse_body, parse_completion
from server.provenance import Provenance, provenance_of
from server.refusals import as_serving_error
from server.serving import serve_stream, serve_unary
from server.sessions import CLOSED_HEADER, NEW_HEADER, NEW_SESSION, REQUEST_HEADER, Sessions
from server.settings import Settings
from server.tokens import detokenize, tokenize

logger = logging.getLogger(__name__)

# SageMaker kills 30 s after SIGTERM. The rest is for the engine, which may take 3 s, its last words and the sockets.
DRAIN_S = 23.0
_OPENAPI = Path(__file__).with_name("openapi.json")
# The bodies of AWS's model-hosting-container-standards.
_SESSION_CALLS = {b'{"requestType":"NEW_SESSION"}': "open", b'{"requestType":"CLOSE"}': "close"}
_SESSION_CALL_BYTES_MAX = 100
_REFUSED_AT_THE_DOOR = frozenset({"draining", "queue_full", "deadline_unreachable"})
_ADAPTER_HEADERS = ("X-Amzn-SageMaker-Adapter-Identifier", "X-Amzn-SageMaker-Adapter-Alias")


class Service:
    """What the routes share."""

    def __init__(self, settings: Settings, engine: Engine, admission: Admission | None = None) -> None:
        self.settings, self.engine = settings, engine
        limit = settings.max_concurrency + settings.max_queue
        self.admission = admission or Admission(limit, Forecast(settings.max_concurrency))
        self.metrics = Metrics(settings.model_name)
        self.sessions = Sessions(settings.session_s)
        self.started_at = int(time.time())

    @property
    def provenance(self) -> Provenance:
        return provenance_of(self.settings, model_of(self.engine))

    def note(self, step: Progress) -> None:
        model = model_of(self.engine)
        if model is not None:
            self.metrics.kv_tokens = self.admission.forecast.kv_tokens = model.kv_tokens
            self.admission.forecast.context = model.max_model_len
        self.metrics.step(step)
        self.admission.forecast.note_step(step)

    def require_ready(self) -> None:
        """Raises ServingError: loading, engine_stalled or engine_failed."""
        match self.engine.state:
            case Loading():
                raise ServingError("loading", "the model is still loading; ask again soon")
            case Stalled(reason):
                raise ServingError("engine_stalled", f"{reason}; ask another instance")
            case Broken(reason):
                raise ServingError("engine_failed", reason)
            case Ready():
                pass

    async def ping(self, _request: Request) -> HTTPResponse:
        state = self.engine.state
        if isinstance(state, Broken) and not state.never_ready:
            # Dead is this instance's fault, so it is as unavailable as a hung one; 500 is left for a bad release.
            raise ServingError("engine_failed", state.reason, status=503)
        self.require_ready()
        self.admission.require_open()
        return empty(200)

    async def invoke(self, request: Request) -> HTTPResponse | None:
        session_id = request.headers.get(REQUEST_HEADER)
        call = _SESSION_CALLS.get(b"".join(request.body[:_SESSION_CALL_BYTES_MAX].split()))
        if session_id is None and call is None:
            return await self._serve(request, parse_body(request.body, uuid.uuid4().hex, chat_only=False), {})
        return await self._in_session(request, session_id or NEW_SESSION, call)

    async def _in_session(self, request: Request, session_id: str, call: str | None) -> HTTPResponse | None:
        if not self.settings.stateful_sessions:
            raise ServingError(
                "not_supported",
                "stateful sessions are off; set SAGEMAKER_ENABLE_STATEFUL_SESSIONS to true, or send no session id",
                param=REQUEST_HEADER,
            )
        if call == "close":
            self.sessions.close(session_id)
            return empty(200, headers={CLOSED_HEADER: session_id})
        opened = {NEW_HEADER: self.sessions.open()} if session_id == NEW_SESSION else {}
        if not opened:
            self.sessions.require(session_id)
        if call == "open":
            return empty(200, headers=opened)
        return await self._serve(request, parse_body(request.body, uuid.uuid4().hex, chat_only=False), opened)

    async def chat(self, request: Request) -> HTTPResponse | None:
        return await self._serve(request, parse_body(request.body, uuid.uuid4().hex, chat_only=True), {})

    async def complete(self, request: Request) -> HTTPResponse | None:
        return await self._serve(request, parse_completion(request.body, uuid.uuid4().hex), {})

    async def tokenize(self, request: Request) -> HTTPResponse:
        self.require_ready()
        return json_response(await tokenize(self.engine, request.body))

    async def detokenize(self, request: Request) -> HTTPResponse:
        self.require_ready()
        return json_response(await detokenize(self.engine, request.body))

    async def models(self, _request: Request) -> HTTPResponse:
        model, known = model_of(self.engine), self.provenance
        listed = {
            "id": self.settings.model_name,
            "object": "model",
            "created": self.started_at,
            "owned_by": "slipway",
            "max_model_len": model.max_model_len if model else None,
            "provenance": {**vars(known), "fingerprint": known.fingerprint if known.artifact else None},
        }
        return json_response({"object": "list", "data": [listed]})

    async def openapi(self, _request: Request) -> HTTPResponse:
        return raw(_OPENAPI.read_bytes(), content_type="application/json")

    async def scrape(self, _request: Request) -> HTTPResponse:
        ready = isinstance(self.engine.state, Ready) and not self.admission.draining
        text = self.metrics.text(inside=self.admission.inside, ready=ready, sessions=len(self.sessions))
        return raw(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    async def adapters(self, _request: Request, adapter: str = "") -> HTTPResponse:
        raise _no_adapters(adapter[:60] or None)

    async def _serve(self, request: Request, invocation: Invocation, headers: dict[str, str]) -> HTTPResponse | None:
        """Raises ServingError. Args: headers: for the answer."""
        attributes = request.ctx.attributes = read_attributes(request.headers.get(HEADER, ""))
        request.ctx.headers = headers
        arrived_at = time.monotonic()
        operation = "chat" if invocation.form == "chat" else "text_completion"
        code = "cancelled"  # which it stays when the client goes away
        try:
            code, response = await self._answer(request, invocation, attributes, operation, arrived_at)
        except ServingError as error:
            code = error.code
            raise
        finally:
            self.metrics.ended(operation, time.monotonic() - arrived_at, code)
        return response

    async def _answer(
        self, request: Request, invocation: Invocation, attributes: Attributes, operation: str, arrived_at: float
    ) -> tuple[str, HTTPResponse | None]:
        """The code of what ended it early, or nothing; and the response, if it is not streamed."""
        self._refuse_adapters(request)
        self.require_ready()
        limits = attributes.limits(stream=invocation.stream)
        submits = [attributes.apply(submit, limits) for submit in invocation.submits]
        characters = [_characters(submit) for submit in submits]
        longest = invocation.submit.max_tokens or self.settings.max_new_tokens
        with self.admission.enter(characters, longest, limits) as tickets:
            desk = Desk(self.engine, self.admission, self.metrics)
            choices = Choices(desk, submits, tickets, limits, operation=operation, arrived_at=arrived_at)
            provenance = self.provenance
            answer = answer_for(invocation, submits[0].request_id, self.settings, provenance)
            if not invocation.stream:
                return "", await serve_unary(choices, answer, len(submits))
            failure = await serve_stream(request, choices, answer, len(submits), provenance)
            return failure.code if failure else "", None

    def _refuse_adapters(self, request: Request) -> None:
        """An answer of the plain weights would pass for one of the adapter's."""
        for name in _ADAPTER_HEADERS:
            if name in request.headers:
                raise _no_adapters(name)

    async def refuse(self, _request: Request, error: Exception) -> HTTPResponse:
        known = as_serving_error(error)
        if known.code == "engine_failed":
            logger.error("request failed: %s", known.message)
        if known.code in _REFUSED_AT_THE_DOOR:
            self.metrics.refused(known.code)
        headers = {} if known.retry_after_s is None else {"Retry-After": f"{math.ceil(known.retry_after_s)}"}
        body = known.body(self.settings.release_id, self.settings.rollout_id)
        return json_response(body, status=known.status, headers=headers)

    async def name_release(self, request: Request, response: BaseHTTPResponse) -> None:
        attributes: Attributes | None = getattr(request.ctx, "attributes", None)
        trace = f";trace={attributes.trace}" if attributes and attributes.trace else ""
        response.headers[HEADER] = self.provenance.custom_attributes + trace
        response.headers.update(getattr(request.ctx, "headers", {}))

    async def start(self, _app: Any) -> None:
        await self.engine.start(self.note)

    async def drain(self, _app: Any) -> None:
        """The listener is still open here: running answers end, new ones are refused in words."""
        self.admission.draining = True
        if not await self.admission.empty(DRAIN_S):
            logger.warning("shutting down with %d requests unfinished after %.0f s", self.admission.inside, DRAIN_S)
        await self.engine.stop()
        await self.admission.empty(1.0)


def _characters(submit: Submit) -> int:
    if submit.messages is None:
        return len(submit.prompt or "")
    return sum(len(message["content"]) for message in submit.messages)


def _no_adapters(param: str | None) -> ServingError:
    return ServingError(
        "not_supported",
        "LoRA adapters are not served; merge the adapter into the weights and drop them as an artifact",
        param=param,
    )
