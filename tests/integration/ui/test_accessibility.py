"""axe-core over every page: rules of WCAG 2.2 A and AA, and its best practices, in light, in the dark and on a phone.

Source: https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import Page as Tab

from tests.integration.ui.conftest import Page
from tests.integration.ui.fake_runtime import Script
from tests.integration.ui.test_browser import CHROMIUM, FLAGS, ask

AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.prove,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"the browser tests did not run: no Chromium at {CHROMIUM}"),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: `make verify-page` installs and runs it"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield browser
        browser.close()


def talk(tab: Tab, page: Page) -> None:
    page.runtime.scripts = [Script(words=["It is **Paris**.\n\n```python\nprint(1)\n```\n"]), Script(ending="unknown")]
    for question, answered in (("One?", "1 token"), ("Two?", "does not exist yet")):
        ask(tab, question)
        expect(tab.locator(".bot.message").last).to_contain_text(answered, timeout=15_000)
    tab.get_by_text("How to answer").click()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    ("path", "talks"),
    [
        pytest.param("/", False, id="an empty chat"),
        pytest.param("/", True, id="a conversation with a problem and the controls"),
        pytest.param("/arena/", False, id="the arena"),
        pytest.param("/releases", False, id="the releases"),
    ],
)
def test_everybody_can_read_and_work_the_page(
    chromium: Browser, page: Page, path: str, look: str, *, talks: bool
) -> None:
    # The test's own script comes from outside of the page, which the policy forbids; the page's scripts stay bound.
    tab = chromium.new_page(**LOOKS[look], bypass_csp=True)
    tab.goto(page.url + path)
    expect(tab.locator(".masthead").first).to_be_visible()
    expect(tab.get_by_text("Loading...")).to_have_count(0)
    if talks:
        talk(tab, page)
    tab.add_script_tag(path=str(AXE))

    found = tab.evaluate("axe.run()")

    told = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found["violations"]]
    tab.close()
    assert told == []
    assert found["passes"], "axe looked at nothing"
