"""The development login: a page that asks who one is and believes it. It exists on the loopback interface alone."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ui.door import DevelopmentLogin
from ui.identity import OPERATOR, Person

_LONGEST_NAME = 80
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in · Slipway</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/own/page.css"><link rel="stylesheet" href="/own/releases.css">
<script src="/own/page.js" defer></script></head><body class="own"><main class="sheet narrow"><h1>Who are you?</h1>
<p class="quiet">This page runs on this machine alone and believes you. Behind a load balancer its login decides.</p>
<form method="post" action="/login"><label>Name<input name="name" required maxlength="80" autocomplete="username"
autofocus></label><label class="tick"><input type="checkbox" name="role" value="operator"> I act on releases</label>
<button type="submit">Go on</button></form></main></body></html>"""


def login_routes(login: DevelopmentLogin) -> APIRouter:
    router = APIRouter()

    @router.get("/login")
    async def ask() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    @router.post("/login", response_model=None)
    async def remember(request: Request) -> Response:
        form = await request.form()
        name = " ".join(str(form.get("name", "")).split())[:_LONGEST_NAME]
        if not name:
            return HTMLResponse(_PAGE, 400)
        roles = frozenset({OPERATOR}) if form.get("role") == OPERATOR else frozenset[str]()
        return RedirectResponse("/", 303, headers={"set-cookie": login.cookie(Person(name, roles))})

    return router
