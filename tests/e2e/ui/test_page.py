"""The chat page on the real model, as a person sees it in a browser."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect, sync_playwright

from tests.e2e.running import Running, eventually

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


QUESTION = "What is the capital of France?"
FOOTER = re.compile(r"release ([0-9a-f]{12}) · \d+ tokens · \d+\.\d s to first token · \d+ tokens/s")


@contextmanager
def asking(url: str) -> Iterator["Conversation"]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        tab = browser.new_page()
        tab.goto(url)
        yield Conversation(tab.get_by_test_id("textbox"), tab.locator(".bot.message"))
        browser.close()


@dataclass
class Conversation:
    box: Locator
    answers: Locator

    def ask(self, question: str) -> str:
        """The finished answer with its footer, as a person reads it."""
        before = self.answers.count()
        self.box.fill(question)
        self.box.press("Enter")
        answer = self.answers.nth(before)
        expect(answer).to_contain_text("tokens/s", timeout=120_000)
        return answer.inner_text()


@dataclass
class Visitor:
    """Someone who goes on asking in the page, each question in a fresh conversation, until told to leave."""

    url: str
    releases: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    leave: threading.Event = field(default_factory=threading.Event)

    def stay(self) -> None:
        while not self.leave.is_set():
            try:
                with asking(self.url) as conversation:
                    words = conversation.ask(QUESTION)
                self.trouble += [] if "Paris" in words else [words]
                self.releases += FOOTER.findall(words)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is what the visitor would have seen
                self.trouble.append(repr(error))


def test_a_person_asks_in_the_page_and_reads_the_answer_and_who_gave_it(slipway: Running) -> None:
    serving = slipway.ask().release_id

    with asking(slipway.outputs["ChatUrl"]) as conversation:
        words = conversation.ask(QUESTION)

    assert "Paris" in words
    assert FOOTER.findall(words) == [serving]


def test_the_page_keeps_answering_while_a_release_comes_and_goes(slipway: Running, another_model: Path) -> None:
    first, seen = slipway.ask().release_id, {execution["executionArn"] for execution in slipway.releases_seen()}
    visitor = Visitor(slipway.outputs["ChatUrl"])
    thread = threading.Thread(target=visitor.stay)
    thread.start()
    try:
        slipway.drop(another_model, "in-the-page")
        second = slipway.execution_after(seen)["name"].split("-")[0]
        eventually("the page hears the second release", lambda: second in visitor.releases)
        assert slipway.roll_back()["status"] == "SUCCEEDED"
        eventually("the page hears the first release again", lambda: visitor.releases[-1] == first)
    finally:
        visitor.leave.set()
        thread.join(150)

    assert visitor.trouble == []
    assert first != second
