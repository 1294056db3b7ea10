"""What every answer of the page tells the browser to refuse."""

import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY_BYTES = 4 * 1024 * 1024
"""A conversation and its history in the browser are text; what is larger is no conversation."""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    # Browsers heed it over TLS alone; the load balancer ends TLS in front of us.
    (b"strict-transport-security", b"max-age=31536000"),
)
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""No other host for anything, so that what a model writes can fetch nothing and send nothing away. Inline styles are
Gradio's; inline scripts run only with the number that each answer draws anew.
Source: https://www.w3.org/TR/CSP3/
"""
_TOO_LARGE = 413


class Guard:
    """Plain ASGI, because a middleware that wraps the response would hide from Gradio that a reader went away."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        if _announced_bytes(scope) > LARGEST_BODY_BYTES:
            await _refuse(answer.send)
            return
        await self._app(scope, receive, answer.send)


class _Answer:
    """One answer on its way: streams pass as they are, pages wait to be whole and get their number."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._nonce = secrets.token_urlsafe(16)
        self._start: Message | None = None
        self._page = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            policy = _POLICY.format(nonce=self._nonce).encode()
            message["headers"] = [*message["headers"], *_HEADERS, (b"content-security-policy", policy)]
            if _is_page(message):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._page += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_page(self._start)
            return
        await self._send(message)

    async def _send_page(self, start: Message) -> None:
        page = self._page.replace(b"<script", b'<script nonce="%s"' % self._nonce.encode())
        kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        start["headers"] = [*kept, (b"content-length", str(len(page)).encode())]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": page})


def _is_page(start: Message) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"])


def _announced_bytes(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


async def _refuse(send: Send) -> None:
    reason = f"the request is larger than {LARGEST_BODY_BYTES} bytes; begin a new conversation".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(reason)).encode())]
    await send({"type": "http.response.start", "status": _TOO_LARGE, "headers": headers})
    await send({"type": "http.response.body", "body": reason})
