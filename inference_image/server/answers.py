"""The shapes of good answers: the `-response` and `-chunk` schemas of `events/serving`."""

import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from engine.protocol import Finished, Piece
from server.parse import Invocation
from server.provenance import Provenance
from server.settings import Settings


class Choice(NamedTuple):
    """One whole answer."""

    pieces: Sequence[Piece]
    end: Finished

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def logprobs(self) -> list[dict[str, Any]]:
        return [one for piece in self.pieces for one in piece.logprobs]


class Answer(Protocol):
    def opening(self) -> list[bytes]:
        """Stream events before the first text; at least one, because the headers leave with the first bytes."""

    def piece(self, index: int, piece: Piece) -> bytes:
        """Stream event of text that became final."""

    def ended(self, index: int, choice: Choice) -> list[bytes]:
        """Stream events after the last text of a choice."""

    def closing(self, choices: Sequence[Choice]) -> list[bytes]:
        """Stream events after the last choice."""

    def whole(self, choices: Sequence[Choice]) -> Any:
        """The body when nothing is streamed."""


def answer_for(invocation: Invocation, request_id: str, settings: Settings, provenance: Provenance) -> Answer:
    if invocation.form == "text":
        return TextAnswer(invocation)
    head = {
        "id": f"{'chatcmpl' if invocation.form == 'chat' else 'cmpl'}-{request_id}",
        "created": int(time.time()),
        "model": settings.model_name,
        "system_fingerprint": provenance.system_fingerprint,
    }
    return ChatAnswer(invocation, head) if invocation.form == "chat" else CompletionAnswer(invocation, head)


def sse(data: Any) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


class ChatAnswer:
    def __init__(self, invocation: Invocation, head: dict[str, Any]) -> None:
        self._invocation, self._head = invocation, head
        self._wants_logprobs = invocation.submit.logprobs is not None

    def opening(self) -> list[bytes]:
        first = {"role": "assistant", "content": ""}
        return [self._chunk(index, first, None) for index in range(len(self._invocation.submits))]

    def piece(self, index: int, piece: Piece) -> bytes:
        return self._chunk(index, {"content": piece.text}, None, piece.logprobs)

    def ended(self, index: int, choice: Choice) -> list[bytes]:
        return [self._chunk(index, {}, choice.end.reason)]

    def closing(self, choices: Sequence[Choice]) -> list[bytes]:
        usage = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(choices)}
        return [*([sse(usage)] if self._invocation.include_usage else []), sse("[DONE]")]

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        listed = [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text},
                "finish_reason": choice.end.reason,
                **self._logprobs(choice.logprobs),
            }
            for index, choice in enumerate(choices)
        ]
        return {**self._head, "object": "chat.completion", "choices": listed, "usage": _usage(choices)}

    def _logprobs(self, noted: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Nothing unless the request asked for them."""
        return {"logprobs": {"content": list(noted)}} if self._wants_logprobs else {}

    def _chunk(
        self, index: int, delta: dict[str, str], reason: str | None, noted: Sequence[dict[str, Any]] = ()
    ) -> bytes:
        said = {"index": index, "delta": delta, "finish_reason": reason, **(self._logprobs(noted) if noted else {})}
        return sse({**self._head, "object": "chat.completion.chunk", "choices": [said]})


class CompletionAnswer:
    """OpenAI's older form, https://platform.openai.com/docs/api-reference/completions/object"""

    def __init__(self, invocation: Invocation, head: dict[str, Any]) -> None:
        self._invocation = invocation
        self._head = {**head, "object": "text_completion"}
        self._places = [self._prefix(index) for index in range(len(invocation.submits))]
        """Text that a choice has said so far, for the offsets of its tokens."""

    def opening(self) -> list[bytes]:
        echoes = [self._chunk(index, text, None) for index, text in enumerate(self._places) if text]
        return echoes or [b": accepted\n\n"]

    def piece(self, index: int, piece: Piece) -> bytes:
        start = len(self._places[index])
        self._places[index] += piece.text
        return self._chunk(index, piece.text, None, self._logprobs(piece.logprobs, start))

    def ended(self, index: int, choice: Choice) -> list[bytes]:
        return [self._chunk(index, "", choice.end.reason)]

    def closing(self, choices: Sequence[Choice]) -> list[bytes]:
        usage = {**self._head, "choices": [], "usage": _usage(choices, self._invocation.choices_per_prompt)}
        return [*([sse(usage)] if self._invocation.include_usage else []), sse("[DONE]")]

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        listed = [
            {
                "index": index,
                "text": self._prefix(index) + choice.text,
                "finish_reason": choice.end.reason,
                "logprobs": self._logprobs(choice.logprobs, len(self._prefix(index))),
            }
            for index, choice in enumerate(choices)
        ]
        return {**self._head, "choices": listed, "usage": _usage(choices, self._invocation.choices_per_prompt)}

    def _prefix(self, index: int) -> str:
        return (self._invocation.submits[index].prompt or "") if self._invocation.return_full_text else ""

    def _logprobs(self, noted: Sequence[dict[str, Any]], start: int) -> dict[str, Any] | None:
        if self._invocation.submit.logprobs is None:
            return None
        tokens = [one["token"] for one in noted]
        return {
            "tokens": tokens,
            "token_logprobs": [one["logprob"] for one in noted],
            "top_logprobs": [{top["token"]: top["logprob"] for top in one["top_logprobs"]} for one in noted],
            "text_offset": [start + sum(map(len, tokens[:at])) for at in range(len(tokens))],
        }

    def _chunk(self, index: int, text: str, reason: str | None, logprobs: dict[str, Any] | None = None) -> bytes:
        said = {"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}
        return sse({**self._head, "choices": [said]})


class TextAnswer:
    """The form of Hugging Face's text generation; one choice."""

    def __init__(self, invocation: Invocation) -> None:
        self._prefix = (invocation.submit.prompt or "") if invocation.return_full_text else ""

    def opening(self) -> list[bytes]:
        return [b": accepted\n\n"]

    def piece(self, index: int, piece: Piece) -> bytes:  # noqa: ARG002 - there is only one
        return sse({"token": {"text": piece.text}, "generated_text": None, "details": None})

    def ended(self, index: int, choice: Choice) -> list[bytes]:  # noqa: ARG002 - the same
        text = self._prefix + choice.text
        return [sse({"token": {"text": ""}, "generated_text": text, "details": _details(choice.end)})]

    def closing(self, choices: Sequence[Choice]) -> list[bytes]:  # noqa: ARG002 - its end has said everything
        return []

    def whole(self, choices: Sequence[Choice]) -> list[dict[str, Any]]:
        return [{"generated_text": self._prefix + choice.text, "details": _details(choice.end)} for choice in choices]


def _usage(choices: Sequence[Choice], choices_per_prompt: int = 0) -> dict[str, int]:
    """A prompt counts once, however many choices it has. Args: choices_per_prompt: 0 means that there is one prompt."""
    prompts = choices[:: choices_per_prompt or len(choices)]
    read = sum(choice.end.prompt_tokens for choice in prompts)
    drawn = sum(choice.end.generated_tokens for choice in choices)
    return {"prompt_tokens": read, "completion_tokens": drawn, "total_tokens": read + drawn}


def _details(end: Finished) -> dict[str, Any]:
    return {
        "finish_reason": end.reason,
        "prompt_tokens": end.prompt_tokens,
        "generated_tokens": end.generated_tokens,
    }
