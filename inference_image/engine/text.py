"""The text side of a model: its own chat template and tokenizer."""

from collections.abc import Sequence
from typing import Any, Protocol

from engine.protocol import Submit


class RequestRefusedError(Exception):
    """The request cannot be answered as it is; repeating it is useless.

    Args:
        code: one of the codes of `events/serving/error`.
        param: the field of the body that is at fault.
    """

    def __init__(self, code: str, message: str, param: str | None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


class Text(Protocol):
    def encode(self, request: Submit) -> list[int]:
        """Token ids of the prompt.

        Raises:
            RequestRefusedError: the model has no chat template, or the template refuses the messages.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer, special tokens left out."""


class ModelText:
    """Args: tokenizer: a transformers tokenizer over the artifact's tokenizer.json."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # The Rust tokenizer is read by two threads; its transformers wrapper sets options on it and so is not.
        self._backend = tokenizer.backend_tokenizer

    def encode(self, request: Submit) -> list[int]:
        if request.messages is None:
            text, param, special = request.prompt or "", "inputs", True
        else:
            # A template writes the special tokens itself.
            text, param, special = self._render(request.messages), "messages", False
        try:
            ids: list[int] = self._backend.encode(text, add_special_tokens=special).ids
        except (TypeError, UnicodeEncodeError) as error:
            raise RequestRefusedError(
                "invalid_request", f"{param} holds a lone surrogate, which is no text; send whole characters", param
            ) from error
        if not ids:
            raise RequestRefusedError("invalid_request", f"{param} is empty: 0 tokens, need at least 1", param)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._backend.decode(list(ids), skip_special_tokens=True)
        return text

    def _render(self, messages: list[dict[str, str]]) -> str:
        if not self._tokenizer.chat_template:
            raise RequestRefusedError(
                "no_chat_template",
                'this model has no chat template; send {"inputs": …} or drop an artifact with chat_template.jinja',
                "messages",
            )
        try:
            text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # process boundary: the template is the artifact's program and may raise anything
            raise RequestRefusedError(
                "invalid_request", f"the model's chat template refuses the messages: {str(error)[:300]}", "messages"
            ) from error
        return text
