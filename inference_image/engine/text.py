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
            RequestRefusedError: the model has no chat template, the template refuses the messages, or they are
                longer than any text that fits the context.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer, special tokens left out."""


class ModelText:
    """The text side of an artifact.

    Args:
        tokenizer: a transformers tokenizer over the artifact's tokenizer.json.
        max_model_len: tokens of the context.
    """

    def __init__(self, tokenizer: Any, max_model_len: int) -> None:
        self._tokenizer = tokenizer
        # The Rust tokenizer is read by two threads; its transformers wrapper sets options on it and so is not.
        self._backend = tokenizer.backend_tokenizer
        self._max_model_len = max_model_len
        self._max_characters = max_model_len * max(map(len, self._backend.get_vocab()))

    def encode(self, request: Submit) -> list[int]:
        self._refuse_endless(request)
        if request.messages is None:
            text, param, special = request.prompt or "", "inputs", True
        else:
            # A template writes the special tokens itself.
            text, param, special = self._render(request.messages), "messages", False
        try:
            # A batch of one, because the single call holds the interpreter and with it every running stream.
            ids: list[int] = self._backend.encode_batch([text], add_special_tokens=special)[0].ids
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

    def _refuse_endless(self, request: Submit) -> None:
        """Tokenising megabytes takes minutes in which no other request is taken, so count characters first."""
        given = request.messages if request.messages is not None else [{"content": request.prompt or ""}]
        characters = sum(len(message["content"]) for message in given)
        if characters > self._max_characters:
            raise RequestRefusedError(
                "context_length_exceeded",
                f"prompt of {characters} characters is longer than any that fits the context of {self._max_model_len} "
                f"tokens, limit {self._max_characters} characters; shorten it",
                "inputs" if request.messages is None else "messages",
            )

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
