"""The Sanic application: its routes, its limits and its life."""

from typing import Any

from sanic import Sanic

from server.admission import Admission
from server.body import BODY_BYTES_MAX
from server.engine import Engine
from server.refusals import HEADER_BYTES_MAX
from server.service import Service
from server.settings import Settings


def create_app(settings: Settings, engine: Engine, admission: Admission | None = None) -> Sanic[Any, Any]:
    """The server over an engine that is not started yet; the port opens at once and /ping tells how far it is."""
    service = Service(settings, engine, admission)
    app: Sanic[Any, Any] = Sanic("slipway", configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=BODY_BYTES_MAX,
        REQUEST_MAX_HEADER_SIZE=HEADER_BYTES_MAX,
        # Idle time, not a deadline: a queued request sends nothing for a while. The deadlines are ours.
        RESPONSE_TIMEOUT=600,
        KEEP_ALIVE_TIMEOUT=120,
        GRACEFUL_SHUTDOWN_TIMEOUT=2,
        ACCESS_LOG=False,
        # sanic-ext only writes the OpenAPI document; importing it would cost every start a third of a second.
        AUTO_EXTEND=False,
    )
    _add_routes(app, service)
    app.error_handler.add(Exception, service.refuse)
    app.register_middleware(service.name_release, "response")
    app.register_listener(service.start, "after_server_start")
    app.register_listener(service.drain, "before_server_stop")
    return app


def _add_routes(app: Sanic[Any, Any], service: Service) -> None:
    app.add_route(service.ping, "/ping", methods=["GET", "POST"])
    app.add_route(service.invoke, "/invocations", methods=["POST"])
    app.add_route(service.chat, "/v1/chat/completions", methods=["POST"])
    app.add_route(service.complete, "/v1/completions", methods=["POST"])
    app.add_route(service.models, "/v1/models", methods=["GET"])
    app.add_route(service.tokenize, "/tokenize", methods=["POST"])
    app.add_route(service.detokenize, "/detokenize", methods=["POST"])
    app.add_route(service.openapi, "/openapi.json", methods=["GET"])
    app.add_route(service.scrape, "/metrics", methods=["GET"])
    app.add_route(service.adapters, "/adapters", methods=["GET", "POST"], name="adapters")
    app.add_route(service.adapters, "/adapters/<adapter:str>", methods=["POST", "DELETE"], name="adapter")
