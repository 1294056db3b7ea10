"""The chat: events of the browser in, the conversation as it should be shown out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import gradio as gr

from slipway.client import Message
from ui import widgets
from ui.asking import Asker
from ui.ballot import Ballot, opinion_of, vote_id_of
from ui.controls import LONGEST_SYSTEM_PROMPT, PRESETS, options_of
from ui.conversation import Question
from ui.door import person_of
from ui.messages import (
    GO_ON,
    Entry,
    answer_number,
    conversation_of,
    is_remark,
    last_question,
    left_out_before,
    question_entry,
    release_at,
    said,
    shown,
    text_of,
)
from ui.saved import Saved, choices, downloads, kept, opened, without
from ui.settings import Settings
from ui.trimming import without_oldest

Update = tuple[Any, Any, Any]
"""Of the question's box, the conversation and the button that goes on."""
Controls = tuple[str, float, float, float, float | None]
"""System prompt, temperature, top_p, longest answer, seed."""


class Chat:
    """Handlers of the chat's events. The browser holds the conversation, so a handler needs nothing but its inputs."""

    def __init__(self, asker: Asker, ballot: Ballot, settings: Settings) -> None:
        self._asker, self._ballot, self._settings = asker, ballot, settings

    async def submit(
        self, request: gr.Request, question: str, history: list[Entry], *controls: Any
    ) -> AsyncIterator[Update]:
        if not question.strip():
            yield gr.skip(), gr.skip(), gr.skip()
            return
        asked = [*history, question_entry(question, history)]
        async for update in self._answer(request, asked, "", controls):
            yield update

    async def retry(self, request: gr.Request, history: list[Entry], *controls: Any) -> AsyncIterator[Update]:
        place = last_question(history)
        if place is not None:
            async for update in self._answer(request, history[: place + 1], "", controls):
                yield update

    async def edit(
        self, request: gr.Request, edited: gr.EditData, history: list[Entry], *controls: Any
    ) -> AsyncIterator[Update]:
        before = history[: _place(edited.index)]
        asked = [*before, question_entry(str(edited.value), before or history)]
        async for update in self._answer(request, asked, "", controls):
            yield update

    async def go_on(self, request: gr.Request, history: list[Entry], *controls: Any) -> AsyncIterator[Update]:
        """Ask the model for the rest of an answer that broke off; what came before stays where it is."""
        place = last_question(history)
        if place is not None:
            rest = [entry for entry in history[place + 1 :] if not is_remark(entry)]
            begun = "".join(text_of(entry) for entry in rest)
            async for update in self._answer(request, history[: place + 1], begun, controls):
                yield update

    async def _answer(
        self, request: gr.Request, asked: Sequence[Entry], begun: str, controls: Sequence[Any]
    ) -> AsyncIterator[Update]:
        """Args: begun: what the model has already said to the newest question."""
        endpoint = self._settings.endpoint
        yield widgets.busy(), [*asked, *_begun(begun)], gr.Button(visible=False)
        question = self._question(asked, begun, controls)
        person = person_of(request.request.scope if request.request else {})
        async with aclosing(self._asker.answers(person, question)) as answers:
            async for answer in answers:
                whole = replace(answer, text=begun + answer.text)
                now = [*asked, *shown(whole, endpoint)]
                # The last words and the box that takes the next question come in one message.
                yield (
                    (widgets.idle(), now, gr.Button(visible=whole.can_go_on))
                    if whole.ended
                    else (
                        gr.skip(),
                        now,
                        gr.skip(),
                    )
                )

    def _question(self, asked: Sequence[Entry], begun: str, controls: Sequence[Any]) -> Question:
        system, temperature, top_p, max_tokens, seed = controls
        messages = [*said(asked[:-1]), Message(role="user", content=text_of(asked[-1]))]
        if begun:
            messages += [Message(role="assistant", content=begun), Message(role="user", content=GO_ON)]
        if prompt := str(system or "").strip()[:LONGEST_SYSTEM_PROMPT]:
            messages = [Message(role="system", content=prompt), *messages]
        shorter = without_oldest(messages, left_out_before(asked) // 2)
        options = options_of(temperature, top_p, max_tokens, seed)
        return Question(self._settings.endpoint, shorter, options, len(messages) - len(shorter))

    def judge(self, request: gr.Request, liked: gr.LikeData, history: list[Entry]) -> None:
        """Keep a thumb, or a reason, for the release that gave the answer."""
        place = _place(liked.index)
        release_id = release_at(history, place)
        opinion = opinion_of(liked.liked)
        if not release_id or opinion is None:
            return
        person = person_of(request.request.scope if request.request else {})
        vote_id = vote_id_of(person.name, conversation_of(history), str(answer_number(history, place)))
        self._ballot.thumb(release_id, vote_id, *opinion)


def stopped() -> tuple[Any, Any]:
    return widgets.idle(), gr.Button(visible=True)


def undo(history: list[Entry]) -> tuple[list[Entry], Any]:
    place = last_question(history)
    if place is None:
        return history, gr.skip()
    return history[:place], gr.Textbox(value=text_of(history[place]), interactive=True)


def example(chosen: gr.SelectData) -> str:
    return str(chosen.value["text"])


def preset(name: str) -> tuple[float, float]:
    chosen = next((one for one in PRESETS if one.name == name), PRESETS[0])
    return chosen.temperature, chosen.top_p


def save(history: list[Entry], saved: list[Saved] | None) -> tuple[list[Saved], Any]:
    now = kept(saved, history)
    return now, gr.Radio(choices=choices(now), value=now[0]["conversation"] if now else None)


def list_saved(saved: list[Saved] | None) -> Any:
    return gr.Radio(choices=choices(saved), value=None)


def open_saved(conversation: str, saved: list[Saved] | None) -> tuple[list[Entry], Any, str]:
    return opened(saved, conversation), gr.Button(visible=False), ""


def forget(conversation: str | None, saved: list[Saved] | None) -> tuple[list[Saved], Any, list[Entry], str]:
    left = without(saved, conversation or "")
    return left, gr.Radio(choices=choices(left), value=None), [], ""


def fresh() -> tuple[list[Entry], Any, Any, str]:
    return [], gr.Radio(value=None), gr.Button(visible=False), ""


def export(history: list[Entry]) -> str:
    return downloads(history)


def _begun(text: str) -> list[Entry]:
    return [{"role": "assistant", "content": text}] if text else []


def _place(index: int | tuple[int, int]) -> int:
    return index if isinstance(index, int) else index[0]
