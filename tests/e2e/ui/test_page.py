"""The chat page on the real model, as a person sees it in a browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.running import Running

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)

pytestmark = [
    pytest.mark.model,
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"the browser tests did not run: no Chromium at {CHROMIUM}"),
]


def test_a_person_asks_in_the_page_and_reads_the_answer_and_who_gave_it(slipway: Running) -> None:
    serving = slipway.ask().release_id

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        tab = browser.new_page()
        tab.goto(slipway.outputs["ChatUrl"])
        tab.get_by_test_id("textbox").fill("What is the capital of France?")
        tab.keyboard.press("Enter")
        answer = tab.locator(".bot.message").first
        expect(answer).to_contain_text("tokens/s", timeout=120_000)
        words = answer.inner_text()
        browser.close()

    assert "Paris" in words
    assert re.search(rf"release {serving} · \d+ tokens · \d+\.\d s to first token · \d+ tokens/s", words)
