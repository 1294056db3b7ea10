"""The page inside an application of our own, so that it has health checks, headers and a door of its own."""

import asyncio
from pathlib import Path
from typing import Any, Protocol

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from slipway.errors import SlipwayError
from ui.arena import build_arena
from ui.asking import Asker
from ui.asking import Client as AskingClient
from ui.ballot import Ballot
from ui.ballot import Client as BallotClient
from ui.door import DevelopmentLogin, Door
from ui.login_page import login_routes
from ui.page import build_page
from ui.picture import Client as ReleasesClient
from ui.releases import Releases, routes
from ui.security import Guard
from ui.settings import Login, Settings
from ui.theme import theme


class Client(AskingClient, BallotClient, ReleasesClient, Protocol):
    """What the pages need of `slipway.client.Slipway`."""


STATIC = Path(__file__).parent / "static"
HEAD = '<link rel="stylesheet" href="/own/page.css"><script src="/own/page.js" defer></script>'
_NO_DOCS: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
_SERVES = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})
_UNAVAILABLE = 503


def build_app(client: Client, settings: Settings) -> FastAPI:
    app, asker = FastAPI(**_NO_DOCS), Asker(client, settings)
    _add_health(app, client, asker, settings)
    development = DevelopmentLogin()
    if settings.login is Login.DEVELOPMENT:
        app.include_router(login_routes(development))
    app.include_router(routes(Releases(client, settings)))
    app.mount("/own", StaticFiles(directory=STATIC))
    ballot = Ballot(client, settings.endpoint)
    _mount(
        app, build_arena(asker, ballot, settings), "/arena", settings
    )  # before the chat, which takes every other path
    _mount(app, build_page(asker, ballot, settings), "/", settings)
    app.add_middleware(Door, settings=settings, development=development)
    app.add_middleware(Guard)
    return app


def _mount(app: FastAPI, page: gr.Blocks, path: str, settings: Settings) -> None:
    gr.mount_gradio_app(
        app,
        page,
        path=path,
        server_name=settings.host,
        server_port=settings.port,
        app_kwargs=dict(_NO_DOCS),
        theme=theme(),
        head=HEAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        max_file_size="1kb",
        blocked_paths=["/"],
        show_error=False,
    )


def _add_health(app: FastAPI, client: Client, asker: Asker, settings: Settings) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The page is up. A task must not be replaced because the model is away, so this asks nobody else."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether a question would be asked of anybody; with the reason if not."""
        status, reason = await asyncio.to_thread(endpoint_status, client, settings.endpoint)
        if not reason and (rest_s := asker.rest_left_s(settings.endpoint)):
            reason = f"{settings.endpoint} failed several times in a row and is asked nothing for {rest_s:.0f} s"
        body = {"status": "ok" if not reason else "unavailable", "endpoint": status, "reason": reason}
        return JSONResponse(body, 200 if not reason else _UNAVAILABLE)

    @app.get("/status/{endpoint}")
    async def status(endpoint: str) -> dict[str, str]:
        """What the masthead of every page says of an endpoint."""
        found, reason = await asyncio.to_thread(endpoint_status, client, endpoint)
        if reason:
            return {"health": "away", "words": f"{endpoint} · {found or 'not there'}"}
        return {"health": "ok" if found == "InService" else "moving", "words": f"{endpoint} · {found}"}


def endpoint_status(client: Client, endpoint: str) -> tuple[str, str]:
    """SageMaker's EndpointStatus, and why no question would be answered; the reason is empty if one would."""
    try:
        fleets = client.fleets(endpoint)
    except SlipwayError as error:
        return "", str(error)
    if fleets is None:
        return "", f"{endpoint} does not exist yet; push an artifact, or wait for the first release"
    if fleets.status not in _SERVES:
        return fleets.status, f"{endpoint} is {fleets.status}"
    return fleets.status, ""
