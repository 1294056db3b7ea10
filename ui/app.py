"""The page inside an application of our own, so that it has a health check and headers of its own."""

from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.conversation import Client
from ui.look import CSS, theme
from ui.page import build_page
from ui.settings import Settings

_NO_DOCS: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class _Headers:
    """Plain ASGI, because a middleware that wraps the response would hide from Gradio that a reader went away."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def build_app(client: Client, settings: Settings) -> FastAPI:
    app = FastAPI(**_NO_DOCS)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The page is up; whether the endpoint is, the page says to whoever asks."""
        return {"status": "ok"}

    app.add_middleware(_Headers)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_page(client, settings),
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        app_kwargs=dict(_NO_DOCS),
        theme=theme(),
        css=CSS,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        max_file_size="1kb",
        blocked_paths=["/"],
        show_error=False,
    )
    return mounted
