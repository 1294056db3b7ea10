"""The shapes of good answers: `chat-response`, `chat-chunk`, `text-response` and `text-chunk` of `events/serving`."""

import json
import time
from typing import Any, Protocol

from engine.protocol import Finished
from server.parse import Invocation
from server.settings import Settings


def sse(data: Any) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


class Answer(Protocol):
    def opening(self) -> list[bytes]:
        """Stream events before the first text."""

    def piece(self, text: str) -> bytes:
        """Stream event of text that became final."""

    def closing(self, text: str, end: Finished) -> list[bytes]:
        """Stream events after the last text; `text` is the whole answer."""

    def whole(self, text: str, end: Finished) -> Any:
        """The body when nothing is streamed."""


def answer_for(invocation: Invocation, settings: Settings) -> Answer:
    return ChatAnswer(invocation, settings) if invocation.form == "chat" else TextAnswer(invocation)


class ChatAnswer:
    def __init__(self, invocation: Invocation, settings: Settings) -> None:
        self._include_usage = invocation.include_usage
        self._head = {
            "id": f"chatcmpl-{invocation.submit.request_id}",
            "created": int(time.time()),
            "model": settings.model_name,
            "system_fingerprint": settings.release_id,
        }

    def opening(self) -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""}, None)]

    def piece(self, text: str) -> bytes:
        return self._chunk({"content": text}, None)

    def closing(self, text: str, end: Finished) -> list[bytes]:  # noqa: ARG002 - the pieces were the text
        events = [self._chunk({}, end.reason)]
        if self._include_usage:
            events.append(sse({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(end)}))
        return [*events, sse("[DONE]")]

    def whole(self, text: str, end: Finished) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": end.reason}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(end)}

    def _chunk(self, delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return sse({**self._head, "object": "chat.completion.chunk", "choices": [choice]})


class TextAnswer:
    """A comment opens its stream, because the headers leave with the first bytes and the first token may take long."""

    def __init__(self, invocation: Invocation) -> None:
        self._prefix = (invocation.submit.prompt or "") if invocation.return_full_text else ""

    def opening(self) -> list[bytes]:
        return [b": accepted\n\n"]

    def piece(self, text: str) -> bytes:
        return sse({"token": {"text": text}, "generated_text": None, "details": None})

    def closing(self, text: str, end: Finished) -> list[bytes]:
        return [sse({"token": {"text": ""}, "generated_text": self._prefix + text, "details": _details(end)})]

    def whole(self, text: str, end: Finished) -> list[dict[str, Any]]:
        return [{"generated_text": self._prefix + text, "details": _details(end)}]


def _usage(end: Finished) -> dict[str, int]:
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.generated_tokens,
        "total_tokens": end.prompt_tokens + end.generated_tokens,
    }


def _details(end: Finished) -> dict[str, Any]:
    return {
        "finish_reason": end.reason,
        "prompt_tokens": end.prompt_tokens,
        "generated_tokens": end.generated_tokens,
    }
