"""The arena: one prompt, two endpoints, nobody knows which is which until they have voted."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from slipway.client import Message
from ui import widgets
from ui.answer import Answer
from ui.asking import Asker
from ui.ballot import Ballot, vote_id_of
from ui.controls import options_of
from ui.conversation import Question
from ui.door import person_of
from ui.identity import Person
from ui.messages import LONGEST_QUESTION, Entry, shown
from ui.settings import Settings

_LONGEST = 256
_SIDES = 2
WINNERS = (("A is better", "left"), ("They are alike", "tie"), ("B is better", "right"))
_PREFLIGHT = "-preflight"


@dataclass(frozen=True)
class Duel:
    """Held by the server until the vote, so that the browser cannot peek. `endpoints` and `answers`: left, right."""

    duel_id: str = ""
    endpoints: tuple[str, str] = ("", "")
    answers: tuple[Answer, Answer] = (Answer(), Answer())
    voted: bool = False

    @property
    def can_vote(self) -> bool:
        """Only two whole answers of two releases can be compared."""
        left, right = self.answers
        whole = all(one.tokens is not None and one.release_id for one in self.answers)
        return whole and left.release_id != right.release_id and not self.voted


def rivals(settings: Settings) -> tuple[str, str]:
    """The endpoint and who stands beside it: the one in the settings, or else what a rollout's preflight brings up."""
    return settings.endpoint, settings.rival or settings.endpoint + _PREFLIGHT


def drawn(settings: Settings) -> tuple[str, str]:
    """The two in an order that nobody can foresee."""
    first, second = rivals(settings)
    return (first, second) if secrets.randbits(1) else (second, first)


class Arena:
    """Handlers of the arena's events."""

    def __init__(self, asker: Asker, ballot: Ballot, settings: Settings) -> None:
        self._asker, self._ballot, self._settings = asker, ballot, settings

    async def ask(self, request: gr.Request, prompt: str) -> AsyncIterator[tuple[Any, ...]]:
        """Both answers as they grow: the box, left, right, the duel, the line below, and the vote's buttons."""
        if not prompt.strip():
            yield (gr.skip(),) * 5 + _buttons(open_=False)
            return
        endpoints = drawn(self._settings)
        duel = Duel(secrets.token_hex(8), endpoints)
        asked: list[Entry] = [{"role": "user", "content": prompt[:LONGEST_QUESTION]}]
        person = person_of(request.request.scope if request.request else {})
        yield widgets.busy(), asked, asked, duel, "", *_buttons(open_=False)
        async for answers in self._both(person, prompt[:LONGEST_QUESTION], endpoints):
            duel = replace(duel, answers=answers)
            left, right = ([*asked, *_blind(answer)] for answer in answers)
            yield gr.skip(), left, right, duel, gr.skip(), *(gr.skip(),) * len(WINNERS)
        said = "" if duel.can_vote else _no_vote(duel)
        yield widgets.idle(), gr.skip(), gr.skip(), duel, said, *_buttons(open_=duel.can_vote)

    async def _both(
        self, person: Person, prompt: str, endpoints: tuple[str, str]
    ) -> AsyncIterator[tuple[Answer, Answer]]:
        news: asyncio.Queue[tuple[int, Answer | None]] = asyncio.Queue()

        async def follow(side: int) -> None:
            question = Question(
                endpoints[side], [Message(role="user", content=prompt)], options_of(0.0, 1.0, _LONGEST, None)
            )
            try:
                async with aclosing(self._asker.answers(person, question)) as answers:
                    async for answer in answers:
                        await news.put((side, answer))
            finally:
                news.put_nowait((side, None))

        now, running = [Answer(), Answer()], _SIDES
        following = [asyncio.create_task(follow(side)) for side in range(_SIDES)]
        try:
            while running:
                side, answer = await news.get()
                running -= answer is None
                now[side] = answer or now[side]
                if answer:
                    yield now[0], now[1]
        finally:
            for task in following:
                task.cancel()

    def vote(self, request: gr.Request, duel: Duel, winner: str) -> tuple[Any, ...]:
        """Count the vote for both releases, and say which was which."""
        if not duel.can_vote:
            return (duel, gr.skip(), *_buttons(open_=False))
        person = person_of(request.request.scope if request.request else {})
        sides = [
            (self._counted(endpoint), answer.release_id)
            for endpoint, answer in zip(duel.endpoints, duel.answers, strict=True)
        ]
        kept = self._ballot.duel(vote_id_of(person.name, duel.duel_id), sides[0], sides[1], winner)
        told = revealed(duel, sides, kept=kept)
        return (replace(duel, voted=True), told, *_buttons(open_=False))

    def _counted(self, endpoint: str) -> str:
        """A preflight's release belongs to the endpoint that it is about to serve."""
        return endpoint if self._settings.rival else endpoint.removesuffix(_PREFLIGHT)


def revealed(duel: Duel, sides: Sequence[tuple[str, str]], *, kept: bool) -> str:
    lines = [
        f"**{name}** was [release {release}](/releases/{endpoint}/{release}) of {asked}: {answer.facts}"
        for name, (endpoint, release), asked, answer in zip("AB", sides, duel.endpoints, duel.answers, strict=True)
    ]
    counted = "Your vote counts for both releases." if kept else "Your vote could not be kept; nobody counted it."
    return "\n\n".join([*lines, counted])


def _blind(answer: Answer) -> list[Entry]:
    """What may be seen before the vote: neither who answered nor how fast."""
    return shown(replace(answer, release_id="", tokens=None), "")


def _no_vote(duel: Duel) -> str:
    left, right = duel.answers
    if left.release_id and left.release_id == right.release_id:
        return f"Both sides are release {left.release_id}, so there is nothing to vote on."
    return "A vote needs two whole answers; ask again when both endpoints answer."


def _buttons(*, open_: bool) -> tuple[Any, ...]:
    return tuple(gr.Button(interactive=open_) for _ in WINNERS)


def build_arena(asker: Asker, ballot: Ballot, settings: Settings) -> gr.Blocks:
    page = gr.Blocks(title="Slipway arena", analytics_enabled=False)
    first, second = rivals(settings)
    with page:
        widgets.markup(widgets.masthead(settings, "Arena"), "masthead")
        gr.Markdown(f"Two releases answer one prompt: **{first}** and **{second}**, in an order drawn anew each time.")
        _lay_out(Arena(asker, ballot, settings), settings)
    widgets.let_stream(page, settings)
    return page


def _lay_out(handlers: Arena, settings: Settings) -> None:
    duel = gr.State(Duel())
    with gr.Row(elem_id="sides"):
        left, right = (widgets.side(name) for name in "AB")
    with gr.Row():
        buttons = [gr.Button(label, interactive=False, size="sm") for label, _ in WINNERS]
    told = gr.Markdown(elem_id="told")
    box = widgets.question()
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    asking = box.submit(
        handlers.ask,
        box,
        [box, left, right, duel, told, *buttons],
        concurrency_limit=settings.streams,
        show_progress="hidden",
        api_visibility="private",
    )
    box.stop(widgets.idle, None, box, cancels=[asking], **quiet)
    for button, (_, winner) in zip(buttons, WINNERS, strict=True):
        button.click(handlers.vote, [duel, gr.State(winner)], [duel, told, *buttons], **quiet)
