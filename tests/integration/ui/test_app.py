"""What the page's server says to load balancers, browsers and strangers."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.integration.ui.conftest import Page
from ui.__main__ import KEEP_ALIVE_S


def test_the_health_check_answers(page: Page) -> None:
    with urlopen(f"{page.url}/healthz", timeout=5) as reply:  # noqa: S310 - loopback
        assert (reply.status, json.load(reply)) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_every_answer_forbids_framing_and_guessing_of_types(page: Page, path: str) -> None:
    with urlopen(f"{page.url}{path}", timeout=10) as reply:  # noqa: S310 - loopback
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Server"] is None


def ready(page: Page) -> tuple[int, dict[str, str]]:
    try:
        with urlopen(f"{page.url}/readyz", timeout=10) as reply:  # noqa: S310 - loopback
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_page_is_ready_while_the_endpoint_serves(page: Page) -> None:
    assert ready(page) == (200, {"status": "ok", "endpoint": "InService", "reason": ""})


def test_the_page_says_that_it_is_not_ready_and_why(page: Page) -> None:
    del page.runtime.control["SageMaker.DescribeEndpoint"]

    status, said = ready(page)

    assert (status, said["reason"]) == (
        503,
        "chat does not exist yet; push an artifact, or wait for the first release",
    )


def test_connections_live_longer_than_the_load_balancer_keeps_them() -> None:
    entrance = (Path(__file__).parents[3] / "infra" / "entrance.yaml").read_text(encoding="utf-8")
    (idle_s,) = re.findall(r"idle_timeout\.timeout_seconds, Value: \"(\d+)\"", entrance)

    assert int(idle_s) < KEEP_ALIVE_S


def config(page: Page) -> dict[str, Any]:
    with urlopen(f"{page.url}/config", timeout=10) as reply:  # noqa: S310 - loopback
        found: dict[str, Any] = json.load(reply)
        return found


def test_the_page_tells_nobody_about_its_users_and_offers_no_other_way_in(page: Page) -> None:
    found = config(page)

    assert found["analytics_enabled"] is False
    assert found["footer_links"] == []
    assert not found.get("mcp_server")
    assert {entry["api_visibility"] for entry in found["dependencies"]} <= {"private", "undocumented"}


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/monitoring", "/gradio_api/file=/etc/passwd"])
def test_what_a_chat_page_needs_not_is_closed(page: Page, path: str) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{page.url}{path}", timeout=10)  # noqa: S310 - loopback

    refused.value.close()
    assert refused.value.code in {403, 404}
