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
from slipway.errors import ChatError, SlipwayError

UPDATE_INTERVAL_S = 0.1
"""Each update costs the page a message and the browser a rendering; ten a second look fluent."""
ATTEMPTS = 4
_LONGEST_WAIT_S = 2.0


class Client(Protocol):
    """What the page needs of `slipway.client.Slipway`."""

    def chat(self, endpoint: str, messages: Sequence[Message], options: ChatOptions, /) -> ChatStream: ...


@dataclass(frozen=True)
class Answer:
    """What can be shown of an answer so far."""

    text: str = ""
    release_id: str = ""
    problem: str = ""
    """One sentence when it went wrong; `text` then holds what had come before."""
    tokens: int | None = None
    """Of the whole answer; None until it has ended well."""
    first_token_s: float | None = None
    tokens_per_s: float | None = None

    @property
    def footer(self) -> str:
        """The line under the answer: who answered, how much, how fast."""
        parts = [f"release {self.release_id}"] if self.release_id else []
        if self.tokens is not None:
            parts.append(f"{self.tokens} token{'' if self.tokens == 1 else 's'}")
            if self.first_token_s is not None:
                parts.append(f"{self.first_token_s:.1f} s to first token")
            if self.tokens_per_s is not None:
                parts.append(f"{self.tokens_per_s:.0f} tokens/s")
        return " · ".join(parts)


@dataclass(frozen=True)
class _Text:
    text: str
    release_id: str


@dataclass(frozen=True)
class _End:
    usage: Usage | None = None
    error: SlipwayError | None = None


_Event = _Text | _End


@dataclass
class _Listener:
    """Runs in a thread of its own; hands over what the client yields until it ends or nobody listens."""

    client: Client
    endpoint: str
    messages: Sequence[Message]
    options: ChatOptions
    hand_over: Callable[[_Event], object]
    _stop: threading.Event = field(default_factory=threading.Event)
    _stream: ChatStream | None = None

    def stop(self) -> None:
        self._stop.set()
        if self._stream is not None:
            self._stream.close()

    def listen(self) -> None:
        """Ask again, on a fresh connection, only while not one word has come: no word may be said twice."""
        for attempt in range(1, ATTEMPTS + 1):
            spoke = False
            try:
                with self.client.chat(self.endpoint, self.messages, self.options) as self._stream:
                    for text in self._stream:
                        if self._stop.is_set():
                            return
                        spoke = True
                        self.hand_over(_Text(text, self._stream.release_id))
                    self.hand_over(_End(self._stream.usage))
                    return
            except SlipwayError as error:
                retryable = isinstance(error, ChatError) and error.retryable and not spoke
                if not retryable or attempt == ATTEMPTS or self._stop.is_set():
                    self.hand_over(_End(error=error))
                    return
                hint_s = error.retry_after_s if isinstance(error, ChatError) else None
                self._stop.wait(min(_LONGEST_WAIT_S, hint_s if hint_s is not None else 0.25 * 2**attempt))
            except Exception as error:
                # The page waits for an end; whatever surprises this thread must become one, and reach the log.
                self.hand_over(_End(error=SlipwayError(f"the page failed on this answer ({error!r}); ask again")))
                raise


async def ask(
    client: Client, endpoint: str, messages: Sequence[Message], options: ChatOptions, threads: Executor
) -> AsyncGenerator[Answer, None]:
    """The answer as it grows, at most one update per UPDATE_INTERVAL_S; the last one has numbers or a problem.

    Closing or cancelling the generator hangs up on the model, which frees its slot.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[_Event] = asyncio.Queue()
    listener = _Listener(
        client, endpoint, messages, options, lambda event: loop.call_soon_threadsafe(events.put_nowait, event)
    )
    asked_at = time.monotonic()
    first_at = 0.0
    answer = Answer()
    listening = loop.run_in_executor(threads, listener.listen)
    try:
        while True:
            batch = await _next_batch(events)
            texts = [event for event in batch if isinstance(event, _Text)]
            if texts:
                first_at = first_at or time.monotonic()
                text = answer.text + "".join(event.text for event in texts)
                answer = replace(answer, text=text, release_id=texts[-1].release_id)
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


def _ended(answer: Answer, end: _End, asked_at: float, first_at: float) -> Answer:
    if end.error is not None:
        release_id = answer.release_id or (end.error.release_id if isinstance(end.error, ChatError) else "")
        return replace(answer, problem=_sentence(end.error), release_id=release_id)
    tokens = end.usage.completion_tokens if end.usage else None
    if not first_at:
        return replace(answer, tokens=tokens)
    spoken_s = time.monotonic() - first_at
    rate = (tokens - 1) / spoken_s if tokens and tokens > 1 and spoken_s > 0 else None
    return replace(answer, tokens=tokens, first_token_s=first_at - asked_at, tokens_per_s=rate)


def _sentence(error: SlipwayError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
