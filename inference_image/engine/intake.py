"""The engine's reading thread: commands in, prompts tokenised, jobs to the device thread."""

import os
import queue
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.channel import Channel
from engine.loop import Job
from engine.protocol import (
    Abort,
    Accepted,
    Ask,
    Configure,
    Detokenise,
    Detokenised,
    Rejected,
    RequestEvent,
    Submit,
    Tokenise,
    Tokenised,
)
from engine.text import RequestRefusedError, Text


class Words(Text, Protocol):
    def detokenise(self, tokens: Sequence[int]) -> str:
        """Text of any tokens.

        Raises:
            RequestRefusedError: one is not in the vocabulary.
        """


class Intake:
    """Tokenises beside the device thread, so that a long prompt does not delay the running streams."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lines = channel.lines()
        self._opened = threading.Event()

    def settings(self) -> Configure:
        """The server's first message.

        Raises:
            ValueError: it is something else.
        """
        first = next(self._lines, [])
        if len(first) != 1 or not isinstance(first[0], Configure):
            raise ValueError(f"expected one Configure as the first message, got {first!r}")
        self._max_new_tokens = first[0].max_new_tokens
        return first[0]

    def open(
        self,
        text: Words,
        check_schema: Callable[[str], None],
        max_model_len: int,
        inbox: queue.SimpleQueue[Job | Abort],
    ) -> None:
        """The model is there: begin to accept."""
        self._text, self._check_schema, self._max_model_len, self._inbox = text, check_schema, max_model_len, inbox
        self._opened.set()

    def read(self) -> None:
        """Until the server hangs up; then the whole process ends, whatever the device is doing."""
        try:
            for messages in self._lines:
                self._opened.wait()
                for message in messages:
                    self._take(message)
        except Exception:  # noqa: BLE001 - process boundary: without its reader the engine is of no use
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _take(self, message: Ask | Abort) -> None:
        if isinstance(message, Abort):
            self._inbox.put(message)
            return
        try:
            if isinstance(message, Submit):
                job = self._job(message)
                # Before the device thread can say anything about the request.
                self._channel.send([Accepted(message.request_id, len(job.prompt))])
                self._inbox.put(job)
            else:
                self._channel.send([self._translated(message)])
        except RequestRefusedError as refusal:
            self._channel.send([Rejected(message.request_id, refusal.code, refusal.message, refusal.param)])

    def _translated(self, message: Tokenise | Detokenise) -> RequestEvent:
        if isinstance(message, Detokenise):
            return Detokenised(message.request_id, self._text.detokenise(message.tokens))
        prompt = Submit(message.request_id, messages=message.messages, prompt=message.prompt)
        return Tokenised(message.request_id, self._text.encode(prompt))

    def _job(self, request: Submit) -> Job:
        if request.json_schema is not None:
            self._check_schema(request.json_schema)
        prompt = self._text.encode(request)
        room = self._max_model_len - len(prompt)
        # A request that names no length gets what is left; one that names one means it.
        wanted = request.max_tokens or max(1, min(self._max_new_tokens, room))
        if wanted > room:
            over = wanted - room
            raise RequestRefusedError(
                "context_length_exceeded",
                f"prompt of {len(prompt)} tokens and max_tokens {wanted} exceed the context of {self._max_model_len} "
                f"tokens; shorten the prompt or max_tokens by {over} tokens",
                "inputs" if request.messages is None else "messages",
            )
        return Job(request, prompt, wanted)
