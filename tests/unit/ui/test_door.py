"""Who gets past the door, and what every answer forbids the browser; the page behind it is three lines."""

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.unit.ui.test_identity import SETTINGS, SIGNER, login, token
from ui.door import DevelopmentLogin, Door, person_of
from ui.identity import OPERATOR, Person
from ui.security import LARGEST_BODY_BYTES, Guard
from ui.settings import Login, Settings


async def who(request: Request) -> Response:
    return PlainTextResponse(person_of(request.scope).name)


async def page(_: Request) -> Response:
    return HTMLResponse("<script>1</script><script type=module src='/a.js'></script>")


def client(settings: Settings, development: DevelopmentLogin | None = None) -> TestClient:
    app = Starlette(
        routes=[Route(path, who, methods=["GET", "POST"]) for path in ("/", "/healthz", "/login")] + [Route("/p", page)]
    )
    app.add_middleware(Door, settings=settings, alb=login(), development=development)
    app.add_middleware(Guard)
    return TestClient(app, follow_redirects=False)


def test_behind_the_load_balancer_its_token_opens_and_nothing_else_does() -> None:
    door = client(SETTINGS)

    assert door.get("/", headers={"x-amzn-oidc-data": token()}).text == "ada@example.com"
    refused = door.get("/", headers={"x-amzn-oidc-identity": "ada@example.com"})
    assert (refused.status_code, refused.text) == (401, "the request carries no token that can be read; log in")


def test_the_health_check_logs_in_nowhere() -> None:
    assert client(SETTINGS).get("/healthz").text == "guest"


def test_in_development_one_says_who_one_is_once() -> None:
    development = DevelopmentLogin()
    door = client(Settings(login=Login.DEVELOPMENT), development)
    stranger = door.get("/")
    cookie = development.cookie(Person("ada", frozenset({OPERATOR}))).split(";")[0]

    assert (stranger.status_code, stranger.headers["location"]) == (303, "/login?to=/")
    assert door.get("/", headers={"cookie": cookie}).text == "ada"


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="none"),
        pytest.param("slipway-person=a.b.c", id="no token"),
        pytest.param(DevelopmentLogin().cookie(Person("eve")).split(";")[0], id="signed by another page"),
    ],
)
def test_a_cookie_that_this_page_did_not_sign_names_nobody(cookie: str) -> None:
    assert DevelopmentLogin().person(cookie) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"sec-fetch-site": "same-origin"}, 200, id="the page's own"),
        pytest.param({"sec-fetch-site": "cross-site"}, 403, id="another site's page"),
        pytest.param({"sec-fetch-site": "same-site"}, 403, id="a neighbour's page"),
        pytest.param({"origin": "http://testserver"}, 200, id="an older browser, our page"),
        pytest.param({"origin": "http://evil.example"}, 403, id="an older browser, another page"),
        pytest.param({}, 200, id="no browser"),
    ],
)
def test_what_changes_something_is_taken_from_our_own_page_alone(headers: dict[str, str], status: int) -> None:
    assert client(Settings()).post("/", headers=headers).status_code == status


def test_each_page_gets_a_number_of_its_own_that_its_scripts_carry() -> None:
    door = client(Settings())

    first, second = door.get("/p"), door.get("/p")

    numbers = re.findall(r'<script nonce="([^"]+)"', first.text)
    assert len(numbers) == 2
    assert f"'nonce-{numbers[0]}'" in first.headers["content-security-policy"]
    assert numbers[0] not in second.text
    assert int(first.headers["content-length"]) == len(first.content)


def test_no_policy_lets_a_script_be_made_of_text_or_come_from_elsewhere() -> None:
    policy = client(Settings()).get("/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert not re.search(r"https?:|\*", policy)
    assert rules["frame-ancestors"] == "'none'"


def test_a_body_larger_than_any_conversation_is_refused_before_it_is_read() -> None:
    refused = client(Settings()).post("/", content=b"x" * (LARGEST_BODY_BYTES + 1))

    assert refused.status_code == 413
    assert str(LARGEST_BODY_BYTES) in refused.text


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        pytest.param({"SLIPWAY_LOGIN": "development", "HOST": "0.0.0.0"}, "HOST", id="open to the network"),  # noqa: S104 - a case
        pytest.param({"SLIPWAY_LOGIN": "alb"}, "SLIPWAY_LOGIN_SIGNER", id="whose signature"),
        pytest.param({"SLIPWAY_LOGIN": "yes"}, "SLIPWAY_LOGIN", id="no login at all"),
        pytest.param({"SLIPWAY_TOKENS_A_DAY": "0"}, "SLIPWAY_TOKENS_A_DAY", id="nobody may ask"),
    ],
)
def test_settings_that_would_open_or_close_the_door_wrongly_are_refused(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings.of_environment(environ)


def test_the_load_balancers_login_is_taken_from_the_environment() -> None:
    environ: dict[str, Any] = {"SLIPWAY_LOGIN": "alb", "SLIPWAY_LOGIN_SIGNER": SIGNER, "AWS_REGION": "eu-west-1"}

    settings = Settings.of_environment(environ)

    assert (settings.login, settings.signer, settings.region) == (Login.ALB, SIGNER, "eu-west-1")
