"""How an answer gets from the client's thread into the page, told with a client that says what it is told to say."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

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
from ui.conversation import ATTEMPTS, UPDATE_INTERVAL_S, Answer, ask

RELEASE = "3f2a91c07d4e"
QUESTION: list[Message] = [{"role": "user", "content": "What is the capital of France?"}]


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


async def updates(client: Client) -> list[Answer]:
    with ThreadPoolExecutor(2) as threads:
        return [answer async for answer in ask(client, "chat", QUESTION, ChatOptions(), threads)]


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
            answers = ask(Client(told), "chat", QUESTION, ChatOptions(), threads)
            await anext(answers)
            await answers.aclose()
            assert told.left.wait(1), "the listener still listens a second after the stop"

    asyncio.run(stop_after_the_first_update())

    assert told.spoken < 100


def test_cancelling_while_nothing_has_come_hangs_up_too() -> None:
    told = Told(["late"] * 50, pause_s=0.2)

    async def cancel() -> None:
        with ThreadPoolExecutor(1) as threads:
            answers = ask(Client(told), "chat", QUESTION, ChatOptions(), threads)
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

    assert (seen[-1].text, seen[-1].problem, client.asked) == ("Paris.", "", 2)


def test_a_break_after_the_first_word_keeps_it_and_is_never_tried_again() -> None:
    client = Client(Told(["Par"], error=StreamBrokenError("the answer broke off; ask again", retryable=True)))

    last = asyncio.run(updates(client))[-1]

    assert (last.text, client.asked) == ("Par", 1)
    assert last.problem == "The answer broke off; ask again."
    assert last.footer == "release 3f2a91c07d4e"


def test_a_busy_model_is_asked_again_a_few_times_and_then_named() -> None:
    client = Client(ModelBusyError("the queue is full", retryable=True, retry_after_s=0.01, release_id=RELEASE))

    last = asyncio.run(updates(client))[-1]

    assert client.asked == ATTEMPTS
    assert (last.text, last.problem, last.footer) == ("", "The queue is full.", "release 3f2a91c07d4e")


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
    assert only.problem[1:] == f"{error}."[1:]
    assert only.problem[0].isupper()
    assert only.footer == ""


def test_a_surprise_becomes_a_sentence_and_still_reaches_the_log() -> None:
    class Surprising(Client):
        def chat(self, *_: object) -> ChatStream:
            raise ZeroDivisionError("a bug")

    async def both() -> tuple[Answer, str]:
        with ThreadPoolExecutor(1) as threads:
            answers = ask(Surprising(ChatError("")), "chat", QUESTION, ChatOptions(), threads)
            shown = await anext(answers)
            with pytest.raises(ZeroDivisionError) as logged:
                await anext(answers)
            return shown, str(logged.value)

    shown, logged = asyncio.run(both())

    assert "ask again" in shown.problem
    assert logged == "a bug"
