"""The way in: nobody's request reaches the page before it is known who asks, nor from a page of another site."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.identity import GUEST, OPERATOR, AlbLogin, Person, TokenRefusedError
from ui.settings import Login, Settings

PERSON = "slipway.person"
"""Where a request's scope holds who asks."""
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""For load balancers and monitors, who log in nowhere and learn nothing of anybody here."""
DEVELOPMENT_PATHS = frozenset({"/login", "/own/page.css", "/own/releases.css", "/own/page.js"})
_COOKIE = "slipway-person"
_A_DAY_S = 86_400
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


class DevelopmentLogin:
    """Believes what people say of themselves, and signs it so that they say it once. Forgotten when the page ends."""

    def __init__(self) -> None:
        self._key = OctKey.import_key(secrets.token_bytes(32))

    def cookie(self, person: Person) -> str:
        """The header that keeps a person logged in for a day."""
        claims = {"sub": person.name, "roles": sorted(person.roles), "exp": int(time.time()) + _A_DAY_S}
        token = jwt.encode({"alg": "HS256"}, claims, self._key)
        return f"{_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={_A_DAY_S}"

    def person(self, cookies: str) -> Person | None:
        """None: not logged in, or not by this page."""
        try:
            token = SimpleCookie(cookies)[_COOKIE].value
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"]).claims
            jwt.JWTClaimsRegistry().validate(claims)
            return Person(str(claims["sub"]), frozenset(claims["roles"]) & {OPERATOR})
        except (CookieError, KeyError, JoseError, ValueError):
            return None


class Door:
    """Plain ASGI, as `ui.security.Guard`. Puts the person into the scope, or answers itself."""

    def __init__(
        self, app: ASGIApp, settings: Settings, alb: AlbLogin | None = None, development: DevelopmentLogin | None = None
    ) -> None:
        self._app, self._settings = app, settings
        self._alb = alb or AlbLogin(settings)
        self._development = development or DevelopmentLogin()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in _SAFE and not is_own(headers):
            refusal = PlainTextResponse("the request comes from another site's page; open this page itself", 403)
            await refusal(scope, receive, send)
            return
        try:
            person = await self._person(scope["path"], headers)
        except TokenRefusedError as refused:
            await PlainTextResponse(str(refused), 401)(scope, receive, send)
            return
        if person is None:
            target = "/login?to=" + quote(scope["path"])
            answer = RedirectResponse(target, 303) if scope["method"] in _SAFE else PlainTextResponse("log in", 401)
            await answer(scope, receive, send)
            return
        scope[PERSON] = person
        await self._app(scope, receive, send)

    async def _person(self, path: str, headers: Mapping[str, str]) -> Person | None:
        if self._settings.login is Login.ALB:
            # A key that is new has to be fetched, and nobody's stream shall wait for that.
            return await asyncio.to_thread(self._alb.person, headers.get("x-amzn-oidc-data", ""))
        if self._settings.login is Login.DEVELOPMENT:
            known = self._development.person(headers.get("cookie", ""))
            return GUEST if known is None and path in DEVELOPMENT_PATHS else known
        return GUEST


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something was made by this page, or by no page at all.

    Source: https://www.w3.org/TR/fetch-metadata/, and the Origin header of RFC 6454 for browsers without it.
    """
    if site := headers.get("sec-fetch-site"):
        return site in _OWN
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def person_of(scope: Mapping[str, Any]) -> Person:
    person = scope.get(PERSON)
    return person if isinstance(person, Person) else GUEST
