"""How an answer gets from the client's thread into the page, told with a client that says what it is told to say."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from slipway.chat_stream import ChatStream, Usage
from slipway.client import ChatOptions, Message
from slipway.errors import (
    AwsUnreachableError,
    ChatError,
    EndpointNotFoundError,
    ModelBusyError,
    RequestRefusedError,
    SlipwayError,
    StreamBrokenError,
)
from ui.answer import Answer
from ui.breaker import FAILURES_IN_A_ROW, Breaker
from ui.conversation import ATTEMPTS, UPDATE_INTERVAL_S, Question, ask
from ui.trouble import Kind

RELEASE = "3f2a91c07d4e"
ASKED: list[Message] = [{"role": "user", "content": "What is the capital of France?"}]
QUESTION = Question("chat", ASKED, ChatOptions())


class Told(ChatStream):
    """An answer of these words, with a pause before each; then the error, if any."""

    def __init__(self, words: Sequence[str], *, pause_s: float = 0.0, error: SlipwayError | None = None) -> None:
        super().__init__(iter([]), custom_attributes=f"release={RELEASE};rollout={RELEASE}-1")
        self._words, self._pause_s, self._error = words, pause_s, error
        self.spoken = 0
        self.left = threading.Event()

    def __iter__(self) -> Iterator[str]:
        for word in self._words:
            time.sleep(self._pause_s)
            if self._closed.is_set():
                return
            self.spoken += 1
            yield word
        if self._error:
            raise self._error
        self.usage = Usage(prompt_tokens=5, completion_tokens=len(self._words))

    def _hang_up(self) -> None:
        self.left.set()


class Client:
    """Answers with each of these in turn; the last one for ever."""

    def __init__(self, *answers: ChatStream | SlipwayError) -> None:
        self.answers = list(answers)
        self.asked = 0

    def chat(self, *_: object) -> ChatStream:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SlipwayError):
            raise answer
        return answer


async def updates(client: Client, question: Question = QUESTION, breaker: Breaker | None = None) -> list[Answer]:
    with ThreadPoolExecutor(2) as threads:
        return [answer async for answer in ask(client, question, threads, breaker)]


def test_the_last_update_has_the_whole_text_and_the_line_that_names_the_release() -> None:
    last = asyncio.run(updates(Client(Told(["The ", "capital ", "is ", "Paris."], pause_s=0.01))))[-1]

    assert last.text == "The capital is Paris."
    assert last.tokens == 4
    assert last.footer.startswith("release 3f2a91c07d4e · 4 tokens · 0.0 s to first token · ")
    assert last.footer.endswith(" tokens/s")


def test_tokens_are_gathered_so_that_updates_stay_at_ten_a_second() -> None:
    began = time.monotonic()

    seen = asyncio.run(updates(Client(Told(["a"] * 200, pause_s=0.005))))

    took_s = time.monotonic() - began
    assert seen[-1].text == "a" * 200
    assert 3 <= len(seen) <= took_s / UPDATE_INTERVAL_S + 2


def test_stopping_hangs_up_on_the_model() -> None:
    told = Told(["a"] * 1000, pause_s=0.01)

    async def stop_after_the_first_update() -> None:
        with ThreadPoolExecutor(1) as threads:
            answers = ask(Client(told), QUESTION, threads)
            await anext(answers)
            await answers.aclose()
            assert told.left.wait(1), "the listener still listens a second after the stop"

    asyncio.run(stop_after_the_first_update())

    assert told.spoken < 100


def test_cancelling_while_nothing_has_come_hangs_up_too() -> None:
    told = Told(["late"] * 50, pause_s=0.2)

    async def cancel() -> None:
        with ThreadPoolExecutor(1) as threads:
            answers = ask(Client(told), QUESTION, threads)
            first = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0.05)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert told.left.wait(1)

    asyncio.run(cancel())

    assert told.spoken <= 1


def test_a_break_before_the_first_word_is_tried_again_unseen() -> None:
    broken = Told([], error=StreamBrokenError("broke off", retryable=True))
    client = Client(broken, Told(["Paris."]))

    seen = asyncio.run(updates(client))

    assert (seen[-1].text, seen[-1].trouble, client.asked) == ("Paris.", None, 2)


def test_a_break_after_the_first_word_keeps_it_and_is_never_tried_again() -> None:
    client = Client(Told(["Par"], error=StreamBrokenError("the answer broke off; ask again", retryable=True)))

    last = asyncio.run(updates(client))[-1]

    assert (last.text, client.asked) == ("Par", 1)
    assert str(last.trouble) == "Broken off: The answer broke off; ask again."
    assert last.can_go_on
    assert last.footer == "release 3f2a91c07d4e"


def test_a_busy_model_is_asked_again_a_few_times_and_then_named() -> None:
    client = Client(ModelBusyError("the queue is full", retryable=True, retry_after_s=0.2, release_id=RELEASE))

    *waiting, last = asyncio.run(updates(client))

    assert client.asked == ATTEMPTS
    assert any("attempt 2 of 4" in update.waiting for update in waiting)
    assert (last.text, str(last.trouble), last.waiting) == ("", "Overloaded: The queue is full.", "")
    assert last.footer == "release 3f2a91c07d4e"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(EndpointNotFoundError("the endpoint slipway-chat does not exist yet"), id="nothing is live yet"),
        pytest.param(RequestRefusedError("shorten the conversation by 872 tokens"), id="too long a conversation"),
        pytest.param(AwsUnreachableError("AWS did not answer"), id="no way to AWS"),
    ],
)
def test_what_time_does_not_heal_is_said_at_once(error: SlipwayError) -> None:
    client = Client(error)

    (only,) = asyncio.run(updates(client))

    assert client.asked == 1
    assert only.trouble is not None
    assert only.trouble.sentence[1:] == f"{error}."[1:]
    assert only.trouble.sentence[0].isupper()
    assert only.footer == ""


def test_a_surprise_becomes_a_sentence_and_still_reaches_the_log() -> None:
    class Surprising(Client):
        def chat(self, *_: object) -> ChatStream:
            raise ZeroDivisionError("a bug about what somebody wrote")

    async def both() -> tuple[Answer, str]:
        with ThreadPoolExecutor(1) as threads:
            answers = ask(Surprising(ChatError("")), QUESTION, threads)
            shown = await anext(answers)
            with pytest.raises(SlipwayError) as logged:
                await anext(answers)
            return shown, str(logged.value)

    shown, logged = asyncio.run(both())

    assert "ask again" in str(shown.trouble)
    assert logged == "the page failed on an answer: ZeroDivisionError"


LONG: list[Message] = [
    {"role": "system", "content": "Be brief."},
    *([Message(role="user", content="q"), Message(role="assistant", content="a")] * 4),
    {"role": "user", "content": "And now?"},
]


class Narrow(Client):
    """Takes as many messages as its context holds, as the server says it (`events/serving/error`)."""

    def __init__(self, holds: int) -> None:
        super().__init__(Told(["Now."]))
        self._holds = holds
        self.told: Sequence[Message] = ()

    def chat(self, *asked: Any) -> ChatStream:
        _, messages, _ = asked
        if len(messages) > self._holds:
            raise RequestRefusedError("shorten the prompt by 9 tokens", code="context_length_exceeded")
        self.told = messages
        return super().chat()


def test_a_conversation_too_long_loses_its_oldest_exchanges_and_says_how_many_messages() -> None:
    client = Narrow(holds=4)

    last = asyncio.run(updates(client, Question("chat", LONG, ChatOptions())))[-1]

    assert (last.text, last.left_out) == ("Now.", 6)
    assert client.told == [LONG[0], LONG[7], LONG[8], LONG[9]]


def test_a_question_too_long_by_itself_is_refused_with_the_number() -> None:
    last = asyncio.run(updates(Narrow(holds=0), Question("chat", LONG, ChatOptions())))[-1]

    assert last.trouble is not None
    assert (last.trouble.kind, last.trouble.sentence) == (Kind.TOO_LONG, "Shorten the prompt by 9 tokens.")


def test_an_endpoint_that_failed_again_and_again_is_left_in_peace() -> None:
    breaker, client = Breaker(), Client(AwsUnreachableError("no answer"))

    async def ask_often() -> list[Answer]:
        return [(await updates(client, breaker=breaker))[-1] for _ in range(FAILURES_IN_A_ROW + 1)]

    *failed, rested = asyncio.run(ask_often())

    assert client.asked == FAILURES_IN_A_ROW
    assert {answer.trouble.kind for answer in failed if answer.trouble} == {Kind.UNREACHABLE}
    assert rested.trouble is not None
    assert rested.trouble.kind is Kind.RESTING
