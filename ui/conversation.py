"""One question and its answer, from the blocking client into the page's event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Protocol

from slipway.chat_stream import ChatStream, Usage
from slipway.client import ChatOptions, Message
from slipway.errors import ChatError, EndpointNotFoundError, ModelBusyError, RequestRefusedError, SlipwayError
from ui.answer import Answer
from ui.breaker import Breaker
from ui.trimming import room_for_more, without_oldest
from ui.trouble import Kind, Trouble, trouble_of

UPDATE_INTERVAL_S = 0.1
"""Each update costs the page a message and the browser a rendering; ten a second look fluent."""
ATTEMPTS = 4
_LONGEST_WAIT_S = 2.0
_TOO_LONG = "context_length_exceeded"


class Client(Protocol):
    """What a conversation needs of `slipway.client.Slipway`."""

    def chat(self, endpoint: str, messages: Sequence[Message], options: ChatOptions, /) -> ChatStream: ...


@dataclass(frozen=True)
class Question:
    """What is asked of whom; `left_out` of the conversation's messages are already left out of `messages`."""

    endpoint: str
    messages: Sequence[Message]
    options: ChatOptions
    left_out: int = 0


@dataclass(frozen=True)
class _Text:
    text: str
    release_id: str


@dataclass(frozen=True)
class _Again:
    """The page asks again by itself: why, or after how many messages more were left out."""

    waiting: str = ""
    left_out: int = 0


@dataclass(frozen=True)
class _End:
    usage: Usage | None = None
    finish_reason: str = ""
    error: SlipwayError | None = None
    trouble: Trouble | None = None


_Event = _Text | _Again | _End


@dataclass
class _Listener:
    """Runs in a thread of its own; hands over what the client yields until it ends or nobody listens."""

    client: Client
    question: Question
    breaker: Breaker
    hand_over: Callable[[_Event], object]
    _stop: threading.Event = field(default_factory=threading.Event)
    _stream: ChatStream | None = None
    _spoke: bool = False

    def stop(self) -> None:
        self._stop.set()
        if self._stream is not None:
            self._stream.close()

    def listen(self) -> None:
        try:
            if rest_s := self.breaker.admit():
                self.hand_over(_End(trouble=_resting(rest_s)))
                return
            self._ask_until_answered()
        except Exception as error:  # noqa: BLE001 - the page waits for an end, so whatever surprises must become one
            # It reaches the log by its name alone: its words may hold what a person wrote.
            named = type(error).__name__
            self.hand_over(_End(error=SlipwayError(f"the page failed on this answer ({named}); ask again")))
            raise SlipwayError(f"the page failed on an answer: {named}") from None

    def _ask_until_answered(self) -> None:
        """Ask again, on a fresh connection, only while not one word has come: no word may be said twice."""
        messages, attempt = list(self.question.messages), 1
        while not self._stop.is_set():
            try:
                self._hear(messages)
            except RequestRefusedError as error:
                if error.code != _TOO_LONG or not room_for_more(messages):
                    self._give_up(error)
                    return
                shorter = without_oldest(messages)
                self.hand_over(_Again(left_out=len(messages) - len(shorter)))
                messages = shorter
            except SlipwayError as error:
                if not self._may_repeat(error, attempt):
                    self._give_up(error)
                    return
                self._wait(error, attempt)
                attempt += 1
            else:
                return

    def _hear(self, messages: Sequence[Message]) -> None:
        question = self.question
        with self.client.chat(question.endpoint, messages, question.options) as self._stream:
            for text in self._stream:
                if self._stop.is_set():
                    return
                self._spoke = True
                self.hand_over(_Text(text, self._stream.release_id))
            self.breaker.succeeded()
            self.hand_over(_End(self._stream.usage, self._stream.finish_reason))

    def _may_repeat(self, error: SlipwayError, attempt: int) -> bool:
        retryable = isinstance(error, ChatError) and error.retryable and not self._spoke
        return retryable and attempt < ATTEMPTS and not self._stop.is_set()

    def _wait(self, error: SlipwayError, attempt: int) -> None:
        hint_s = error.retry_after_s if isinstance(error, ChatError) else None
        wait_s = min(_LONGEST_WAIT_S, hint_s if hint_s is not None else 0.25 * 2**attempt)
        self.hand_over(
            _Again(f"{trouble_of(error)} Asking again in {wait_s:.0f} s, attempt {attempt + 1} of {ATTEMPTS}.")
        )
        self._stop.wait(wait_s)

    def _give_up(self, error: SlipwayError) -> None:
        if not isinstance(error, EndpointNotFoundError | ModelBusyError | RequestRefusedError):
            self.breaker.failed()
        self.hand_over(_End(error=error))


async def ask(
    client: Client, question: Question, threads: Executor, breaker: Breaker | None = None
) -> AsyncGenerator[Answer, None]:
    """The answer as it grows, at most one update per UPDATE_INTERVAL_S; the last one has numbers or a trouble.

    Closing or cancelling the generator hangs up on the model, which frees its slot.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[_Event] = asyncio.Queue()
    listener = _Listener(
        client, question, breaker or Breaker(), lambda event: loop.call_soon_threadsafe(events.put_nowait, event)
    )
    asked_at = time.monotonic()
    first_at = 0.0
    answer = Answer(left_out=question.left_out)
    listening = loop.run_in_executor(threads, listener.listen)
    try:
        while True:
            batch = await _next_batch(events)
            if not first_at and any(isinstance(event, _Text) for event in batch):
                first_at = time.monotonic()
            answer = _grown(answer, batch)
            if isinstance(batch[-1], _End):
                yield _ended(answer, batch[-1], asked_at, first_at)
                await listening
                return
            yield answer
            await asyncio.sleep(UPDATE_INTERVAL_S)
    finally:
        listener.stop()


async def _next_batch(events: "asyncio.Queue[_Event]") -> list[_Event]:
    """Wait for one event, then take all that are there."""
    batch = [await events.get()]
    while not events.empty():
        batch.append(events.get_nowait())
    return batch


def _grown(answer: Answer, batch: Sequence[_Event]) -> Answer:
    for event in batch:
        if isinstance(event, _Text):
            answer = replace(answer, text=answer.text + event.text, release_id=event.release_id, waiting="")
        if isinstance(event, _Again):
            answer = replace(answer, waiting=event.waiting, left_out=answer.left_out + event.left_out)
    return replace(answer, waiting="") if isinstance(batch[-1], _End) else answer


def _ended(answer: Answer, end: _End, asked_at: float, first_at: float) -> Answer:
    now = time.monotonic()
    answer = replace(answer, took_s=now - asked_at)
    if end.error is not None or end.trouble is not None:
        told = end.error.release_id if isinstance(end.error, ChatError) else ""
        trouble = end.trouble or trouble_of(end.error or SlipwayError(""))
        return replace(answer, trouble=trouble, release_id=answer.release_id or told)
    usage = end.usage or Usage(0, 0)
    tokens = usage.completion_tokens
    answer = replace(answer, tokens=tokens, prompt_tokens=usage.prompt_tokens, cut=end.finish_reason == "length")
    if not first_at:
        return answer
    spoken_s = now - first_at
    rate = (tokens - 1) / spoken_s if tokens and tokens > 1 and spoken_s > 0 else None
    return replace(answer, first_token_s=first_at - asked_at, tokens_per_s=rate)


def _resting(rest_s: float) -> Trouble:
    return Trouble(
        Kind.RESTING,
        f"The endpoint failed several times in a row, so the page asks it nothing for {rest_s:.0f} s more; "
        "then ask again.",
    )
