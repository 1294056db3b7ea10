"""What the page's server says to load balancers, browsers and strangers."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.integration.ui.conftest import Page


def test_the_health_check_answers(page: Page) -> None:
    with urllib.request.urlopen(f"{page.url}/healthz", timeout=5) as reply:
        assert (reply.status, json.load(reply)) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_every_answer_forbids_framing_and_guessing_of_types(page: Page, path: str) -> None:
    with urllib.request.urlopen(f"{page.url}{path}", timeout=10) as reply:
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Server"] is None


def config(page: Page) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page.url}/config", timeout=10) as reply:
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
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{page.url}{path}", timeout=10)

    assert refused.value.code in {403, 404}
