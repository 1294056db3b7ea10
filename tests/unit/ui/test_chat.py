"""The chat's handlers with a client that answers at once: retry, undo, edit, go on, bounds, history, export."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import gradio as gr
import pytest

from slipway.chat_stream import ChatStream
from slipway.client import ChatOptions, Message
from slipway.errors import SlipwayError, StreamBrokenError
from slipway.feedback import Opinion, Vote
from slipway.fleets import Fleets
from slipway.money import EndpointCost
from tests.unit.ui.test_conversation import Told
from ui import chat_page
from ui.asking import Asker
from ui.ballot import Ballot
from ui.chat_page import Chat
from ui.controls import options_of
from ui.messages import Entry, conversation_of, question_entry, release_at, said, text_of
from ui.saved import LARGEST_BYTES, MOST, Saved, as_json, as_markdown, downloads, kept, opened
from ui.settings import Settings

EXACT = ("", 0.0, 1.0, 256, None)


class Client:
    def __init__(self, *answers: ChatStream) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Sequence[Message], ChatOptions]] = []
        self.votes: list[tuple[str, Vote]] = []

    def chat(self, _: str, messages: Sequence[Message], options: ChatOptions, /) -> ChatStream:
        self.asked.append((messages, options))
        return self.answers.pop(0)

    def judge_answer(self, endpoint: str, vote: Vote, /) -> None:
        self.votes.append((endpoint, vote))

    def fleets(self, _: str, /) -> Fleets | None:
        return None

    def cost(self, _: str, /) -> EndpointCost:
        raise SlipwayError("no price is known here")


def last(updates: AsyncIterator[Any]) -> list[Entry]:
    """The conversation as it stands when a handler has ended."""

    async def run() -> list[Entry]:
        seen = [shown async for _, shown, _ in updates if isinstance(shown, list)]
        return cast("list[Entry]", seen[-1])

    return asyncio.run(run())


def chat(*answers: ChatStream) -> tuple[Client, Chat]:
    client = Client(*answers)
    return client, Chat(Asker(client, Settings()), Ballot(client, "chat"), Settings())


def request() -> gr.Request:
    return gr.Request()


def conversation(*turns: str) -> list[Entry]:
    history: list[Entry] = []
    for place, text in enumerate(turns):
        entry = {"role": "assistant", "content": text} if place % 2 else question_entry(text, history)
        history.append(entry)
    return history


def test_a_question_is_answered_with_the_system_prompt_before_it() -> None:
    client, page = chat(Told(["Paris."]))

    history = last(page.submit(request(), "Capital?", [], "Be brief.", 0.7, 0.9, 256, 7))

    messages, options = client.asked[0]
    assert messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]
    assert (options.temperature, options.top_p, options.max_tokens, options.seed) == (0.7, 0.9, 256, 7)
    assert said(history) == [{"role": "user", "content": "Capital?"}, {"role": "assistant", "content": "Paris."}]
    assert release_at(history, 1) == "3f2a91c07d4e"


def test_an_empty_question_is_not_asked() -> None:
    client, page = chat()

    async def run() -> list[Any]:
        return [update async for update in page.submit(request(), "  \n", [], *EXACT)]

    asyncio.run(run())

    assert client.asked == []


def test_retry_asks_the_newest_question_again_and_forgets_its_answer() -> None:
    client, page = chat(Told(["Rome."]))

    history = last(page.retry(request(), conversation("France?", "Paris.", "Italy?", "Milan."), *EXACT))

    assert [message["content"] for message in client.asked[0][0]] == ["France?", "Paris.", "Italy?"]
    assert [message["content"] for message in said(history)] == ["France?", "Paris.", "Italy?", "Rome."]


def test_undo_takes_the_question_back_into_its_box() -> None:
    history, box = chat_page.undo(conversation("France?", "Paris.", "Italy?", "Rome."))

    assert [text_of(entry) for entry in history] == ["France?", "Paris."]
    assert box.value == "Italy?"


def test_edit_asks_anew_from_there_and_stays_the_same_conversation() -> None:
    client, page = chat(Told(["Madrid."]))
    before = conversation("France?", "Paris.", "Italy?", "Rome.")
    edited = gr.EditData(None, {"index": 0, "value": "Spain?", "previous_value": "France?"})

    history = last(page.edit(request(), edited, before, *EXACT))

    assert [message["content"] for message in client.asked[0][0]] == ["Spain?"]
    assert [message["content"] for message in said(history)] == ["Spain?", "Madrid."]
    assert conversation_of(history) == conversation_of(before)


def test_an_answer_that_broke_off_goes_on_where_it_stopped() -> None:
    client, page = chat(Told(["Par"], error=StreamBrokenError("broke off", retryable=True)), Told(["is."]))
    broken = last(page.submit(request(), "Capital?", [], *EXACT))

    history = last(page.go_on(request(), broken, *EXACT))

    roles = [(message["role"], message["content"]) for message in client.asked[1][0]]
    assert roles[:2] == [("user", "Capital?"), ("assistant", "Par")]
    assert roles[2][0] == "user"
    assert said(history)[-1] == {"role": "assistant", "content": "Paris."}


@pytest.mark.parametrize(
    ("given", "options"),
    [
        pytest.param((-1, 2, 1, None), ChatOptions(16, 0.0), id="below"),
        pytest.param((9, 9, 10**9, 2**40), ChatOptions(2048, 2.0, 1.0, 2**31 - 1), id="above"),
        pytest.param((0.5, 0, 100, -3), ChatOptions(100, 0.5, 0.05), id="no seed below zero"),
    ],
)
def test_what_the_browser_sends_is_held_within_bounds(given: tuple[Any, ...], options: ChatOptions) -> None:
    assert options_of(*given) == options


def test_the_browser_keeps_conversations_newest_first_and_opens_them_again() -> None:
    first, second = conversation("one", "1"), conversation("two", "2")

    saved = kept(kept(kept([], first), second), [*first, *conversation("three")])

    assert [one["title"] for one in saved] == ["one", "two"]
    assert said(opened(saved, conversation_of(second))) == said(second)
    assert opened(saved, "gone") == []


def test_what_the_browser_keeps_has_an_end() -> None:
    saved: list[Saved] = []
    for number in range(MOST + 5):
        saved = kept(saved, conversation(f"{number}", "x" * 30_000))

    assert len(saved) < MOST
    assert len(json.dumps(saved)) <= LARGEST_BYTES
    assert saved[0]["title"] == str(MOST + 4)


def test_an_export_has_what_was_said_and_in_json_which_release_said_it() -> None:
    _, page = chat(Told(["Paris."]))
    history = last(page.submit(request(), "Capital?", [], *EXACT))

    assert as_markdown(history) == "# Capital?\n\n**You**\n\nCapital?\n\n**Model**\n\nParis.\n"
    assert json.loads(as_json(history))["messages"] == [
        {"role": "user", "content": "Capital?"},
        {"role": "assistant", "content": "Paris.", "release": "3f2a91c07d4e"},
    ]
    carried = re.findall(r"base64,([^\"]+)", downloads(history))
    assert [base64.b64decode(one).decode() for one in carried] == [as_markdown(history), as_json(history)]


@pytest.mark.parametrize(
    ("pressed", "opinion", "reason"),
    [
        pytest.param(True, Opinion.UP, "", id="thumb up"),
        pytest.param(False, Opinion.DOWN, "", id="thumb down"),
        pytest.param("Made up", Opinion.DOWN, "Made up", id="a reason"),
    ],
)
def test_a_thumb_counts_once_for_the_release_that_answered(pressed: object, opinion: Opinion, reason: str) -> None:
    client, page = chat(Told(["Paris."]))
    history = last(page.submit(request(), "Capital?", [], *EXACT))

    for _ in range(2):
        page.judge(request(), gr.LikeData(None, {"index": 1, "value": "Paris.", "liked": pressed}), history)

    (endpoint, vote), (_, again) = client.votes
    assert (endpoint, vote.release_id, vote.opinion, vote.reason) == ("chat", "3f2a91c07d4e", opinion, reason)
    assert again.vote_id == vote.vote_id


def test_an_answer_that_names_no_release_takes_no_thumb() -> None:
    client, page = chat()

    page.judge(request(), gr.LikeData(None, {"index": 1, "value": "x", "liked": True}), conversation("q", "x"))

    assert client.votes == []
