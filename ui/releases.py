"""Pages for the person on call: what each endpoint does, where a release comes from, and the levers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slipway.errors import SlipwayError
from ui.door import person_of
from ui.picture import Client, Picture, bill_text, fleet_text, picture, rate_text, time_left_text
from ui.settings import Settings
from ui.trouble import sentence
from ui.widgets import PAGES

_HOLDS_S = 1.5
"""All who look share one reading for so long; each is some ten calls of AWS."""
_FORBIDDEN, _REFUSED, _DONE = 403, 409, 200
_WORDS = {
    "approve": "Lets a rollout move traffic that waits for a person's word.",
    "pause": "Holds the rollout before it moves traffic.",
    "resume": "Lets the paused rollout go on.",
    "abort": "Ends the rollout; what served before goes on serving.",
    "rollback": "Brings the last good release back, with its own gates.",
    "freeze": "Takes no release but a rollback until somebody unfreezes the endpoint.",
    "unfreeze": "Ends the freeze.",
}
_REASONLESS = frozenset({"rollback"})
"""Verbs whose machine takes no reason."""


@dataclass(frozen=True)
class _Kept:
    picture: Picture
    at: float


class Releases:
    """Handlers of the releases pages."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._kept: dict[str, _Kept] = {}
        self._reading = asyncio.Lock()
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
        )
        self._templates.globals.update(
            bill_text=bill_text,
            fleet_text=fleet_text,
            rate_text=rate_text,
            time_left_text=time_left_text,
            pages=PAGES,
            words=_WORDS,
            reasonless=_REASONLESS,
            settings=settings,
        )

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(name for name in (self._settings.endpoint, self._settings.rival) if name)

    async def overview(self, request: Request) -> Response:
        pictures = [await self._picture(endpoint) for endpoint in self.endpoints]
        return self._page("releases.html", request, here="Releases", pictures=pictures)

    async def live(self, request: Request, endpoint: str) -> Response:
        """The part of the page that changes, for `page.js`."""
        if endpoint not in self.endpoints:
            return self._sorry(request, f"this page shows {', '.join(self.endpoints)} and no endpoint {endpoint}", 404)
        return self._page("picture.html", request, here="", picture=await self._picture(endpoint))

    async def release(self, request: Request, endpoint: str, release_id: str) -> Response:
        """Where a release comes from, as the stack's own function finds it: the page may read no bucket."""
        if endpoint not in self.endpoints:
            return self._sorry(request, f"this page shows {', '.join(self.endpoints)} and no endpoint {endpoint}", 404)
        try:
            found = await asyncio.to_thread(self._provenance, endpoint, release_id)
        except SlipwayError as error:
            return self._sorry(request, sentence(str(error)), 404)
        return self._page("release.html", request, here="Releases", **found)

    async def why(self, request: Request, endpoint: str) -> Response:
        return await self._done(request, endpoint, "why", lambda: self._client.why(endpoint).sentence)

    async def act(self, request: Request, endpoint: str, verb: str) -> Response:
        form = await request.form()
        reason = str(form.get("reason", "")).strip()
        actor = person_of(request.scope).name
        if verb not in _WORDS or form.get("confirm") != verb:
            return self._sorry(request, f"{verb} was not confirmed; go back, and tick what you mean", 400)

        def do() -> str:
            if verb in _REASONLESS:
                return f"rollout {self._client.rollback(endpoint)} began; it passes the gates of any other"
            return str(getattr(self._client, verb)(endpoint, reason=reason, actor=actor).sentence)

        return await self._done(request, endpoint, verb, do)

    async def _done(self, request: Request, endpoint: str, verb: str, do: Callable[[], str]) -> Response:
        if not person_of(request.scope).may_operate:
            return self._sorry(
                request, f"{verb} needs the role {self._settings.operator_role}; ask whoever runs the login", _FORBIDDEN
            )
        if endpoint not in self.endpoints:
            return self._sorry(request, f"this page has no endpoint {endpoint}", 404)
        try:
            said, status = await asyncio.to_thread(do), _DONE
        except SlipwayError as error:
            said, status = str(error), _REFUSED
        self._kept.pop(endpoint, None)
        told = {"verb": verb, "said": sentence(said), "ok": status == _DONE}
        return self._page("done.html", request, status, here="Releases", **told)

    async def _picture(self, endpoint: str) -> Picture:
        async with self._reading:
            kept = self._kept.get(endpoint)
            if kept is None or time.monotonic() - kept.at > _HOLDS_S:
                kept = _Kept(await asyncio.to_thread(picture, self._client, endpoint), time.monotonic())
                self._kept[endpoint] = kept
            return kept.picture

    def _provenance(self, endpoint: str, release_id: str) -> dict[str, Any]:
        answer = self._client.provenance(endpoint, release_id)
        found = answer.provenance or {}
        tally = self._client.feedback(endpoint).get(release_id)
        return {"found": found, "said": sentence(answer.sentence), "tally": tally, "facts": facts_of(found)}

    def _sorry(self, request: Request, said: str, status: int) -> Response:
        return self._page("done.html", request, status, here="Releases", verb="", said=sentence(said), ok=False)

    def _page(self, name: str, request: Request, status: int = _DONE, /, **values: Any) -> HTMLResponse:
        markup = self._templates.get_template(name).render(person=person_of(request.scope), **values)
        return HTMLResponse(markup, status, headers={"cache-control": "no-store"})


def facts_of(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Args: found: `events/release/operate-output`, its field `provenance`."""
    gigabytes = found.get("sizeBytes", 0) / 1e9
    return [
        ("Model", str(found.get("name") or "")),
        ("License", str(found.get("license") or "")),
        ("Origin", str(found.get("origin") or "")),
        ("Artifact", str(found.get("artifactId") or "")),
        ("Bytes", f"{found['files']} files, {gigabytes:,.2f} GB" if found.get("files") else ""),
        ("Image", str(found.get("image") or "")),
        ("Made", str(found.get("createdAt") or "")),
    ]


def routes(handlers: Releases) -> APIRouter:
    router = APIRouter()
    pages: tuple[tuple[str, str, Callable[..., Awaitable[Response]]], ...] = (
        ("GET", "/releases", handlers.overview),
        ("GET", "/releases/{endpoint}/live", handlers.live),
        ("POST", "/releases/{endpoint}/why", handlers.why),
        ("POST", "/releases/{endpoint}/{verb}", handlers.act),
        ("GET", "/releases/{endpoint}/{release_id}", handlers.release),
    )
    for method, path, handler in pages:
        router.add_api_route(path, handler, methods=[method], response_class=HTMLResponse, response_model=None)
    return router
