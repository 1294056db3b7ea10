"""Duels with a client that answers at once: blind until the vote, fair by lot, counted for both."""

import asyncio
import io
from typing import Any, cast

import gradio as gr
import pytest

from slipway.chat_stream import ChatStream
from slipway.errors import EndpointNotFoundError
from slipway.feedback import Rate
from tests.unit.ui.fake_slipway import FakeSlipway
from tests.unit.ui.test_conversation import Told
from ui.arena import Arena, Duel, drawn, rivals
from ui.asking import Asker
from ui.ballot import Ballot
from ui.messages import text_of
from ui.settings import Settings

BLUE, GREEN = "a47c0b1e88d2", "3f2a91c07d4e"


class By(Told):
    def __init__(self, release_id: str) -> None:
        super().__init__([f"words of {'blue' if release_id == BLUE else 'green'}"])
        self.release_id = release_id


class Slipway(FakeSlipway):
    """Blue serves, and a preflight has brought green up, unless it has not."""

    def __init__(self, *, preflight: bool = True) -> None:
        super().__init__()
        self._preflight = preflight

    def chat(self, *asked: Any) -> ChatStream:
        if asked[0] == "chat":
            return By(BLUE)
        if not self._preflight:
            raise EndpointNotFoundError("the endpoint slipway-chat-preflight does not exist yet")
        return By(GREEN)


def arena(slipway: FakeSlipway) -> Arena:
    return Arena(Asker(slipway, Settings()), Ballot(slipway, "chat", io.StringIO()), Settings())


def ask(handlers: Arena) -> tuple[Duel, str, str, bool]:
    """The duel, all that the browser saw of both answers, the line below, and whether one may vote."""

    async def run() -> list[tuple[Any, ...]]:
        return [update async for update in handlers.ask(gr.Request(), "Which is it?")]

    updates = asyncio.run(run())
    seen = "".join(text_of(entry) for _, left, right, *_ in updates for entry in [*_entries(left), *_entries(right)])
    *_, duel, said, button, _, _ = updates[-1]
    return cast("Duel", duel), seen, str(said), bool(button.interactive)


def _entries(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def test_before_the_vote_nothing_tells_who_answered() -> None:
    duel, seen, _, may_vote = ask(arena(Slipway()))

    assert {"words of blue", "words of green"} <= {answer.text for answer in duel.answers}
    assert "words of blue" in seen
    assert BLUE not in seen
    assert GREEN not in seen
    assert "tokens/s" not in seen
    assert may_vote


def test_a_vote_counts_for_both_releases_of_the_endpoint_once_and_reveals_them() -> None:
    slipway = Slipway()
    handlers = arena(slipway)
    duel, *_ = ask(handlers)
    winner = "left" if duel.answers[0].release_id == GREEN else "right"

    voted, told, *_ = handlers.vote(gr.Request(), duel, winner)
    handlers.vote(gr.Request(), voted, winner)

    said = slipway.feedback("chat")
    assert (said[GREEN].won, said[BLUE].won) == (Rate(1, 1), Rate(0, 1))
    assert f"[release {GREEN}](/releases/chat/{GREEN})" in told


def test_sides_are_drawn_by_lot() -> None:
    firsts = {drawn(Settings())[0] for _ in range(64)}

    assert firsts == {"chat", "chat-preflight"}, "a fair lot falls alike 64 times once in 2 to the 63"


def test_without_a_rival_one_side_says_so_and_nobody_votes() -> None:
    slipway = Slipway(preflight=False)
    handlers = arena(slipway)

    duel, seen, said, may_vote = ask(handlers)
    handlers.vote(gr.Request(), duel, "left")

    assert "does not exist yet" in seen
    assert said == "A vote needs two whole answers; ask again when both endpoints answer."
    assert (may_vote, slipway.votes) == (False, {})


@pytest.mark.parametrize(
    ("settings", "pair"),
    [
        pytest.param(Settings(), ("chat", "chat-preflight"), id="what a preflight brings up"),
        pytest.param(Settings(rival="other"), ("chat", "other"), id="any two endpoints"),
    ],
)
def test_who_stands_beside_whom(settings: Settings, pair: tuple[str, str]) -> None:
    assert rivals(settings) == pair
