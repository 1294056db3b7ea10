"""The text side of a model: its own chat template and tokenizer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from artifact.folder import ArtifactRefusedError
from engine.protocol import Submit
from engine.template import read_template, special_tokens


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

    def token(self, token: int) -> str:
        """Text of one token by itself, special or not."""


class ModelText:
    """The text side of an artifact.

    Args:
        folder: passed by `check_folder`.
        max_model_len: tokens of the context.

    Raises:
        ArtifactRefusedError: the tokenizer or the chat template cannot be read.
    """

    def __init__(self, folder: Path, max_model_len: int) -> None:
        config = folder / "tokenizer_config.json"
        named = json.loads(config.read_bytes()) if config.is_file() else {}
        self.tokenizer_json = (folder / "tokenizer.json").read_text("utf-8")
        try:
            self._tokenizer = Tokenizer.from_str(self.tokenizer_json)
        except Exception as error:  # the library raises nothing narrower
            raise ArtifactRefusedError(f"tokenizer.json does not load: {str(error)[:300]}; save it again") from error
        # What a file of training settings says about its texts' length is not for us.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._template = read_template(folder, named)
        self._special = special_tokens(folder, named)
        self._max_model_len = max_model_len
        self._max_characters = max_model_len * max(map(len, self._tokenizer.get_vocab()))

    @property
    def end_token(self) -> int | None:
        """What the tokenizer's own settings name as the end of a text."""
        return self._tokenizer.token_to_id(self._special.get("eos_token", ""))

    def encode(self, request: Submit) -> list[int]:
        self._refuse_endless(request)
        if request.messages is None:
            text, param, special = request.prompt or "", "inputs", True
        else:
            # A template writes the special tokens itself.
            text, param, special = self._render(request.messages), "messages", False
        try:
            # A batch of one, because the single call holds the interpreter and with it every running stream.
            ids: list[int] = self._tokenizer.encode_batch([text], add_special_tokens=special)[0].ids
        except (TypeError, UnicodeEncodeError) as error:
            raise RequestRefusedError(
                "invalid_request", f"{param} holds a lone surrogate, which is no text; send whole characters", param
            ) from error
        if not ids:
            raise RequestRefusedError("invalid_request", f"{param} is empty: 0 tokens, need at least 1", param)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def token(self, token: int) -> str:
        text: str = self._tokenizer.decode([token], skip_special_tokens=False)
        return text

    def detokenise(self, tokens: Sequence[int]) -> str:
        """Text of any tokens, special ones left out.

        Raises:
            RequestRefusedError: one is not in the vocabulary.
        """
        size = self._tokenizer.get_vocab_size()
        unknown = next((one for one in tokens if not 0 <= one < size or self._tokenizer.id_to_token(one) is None), None)
        if unknown is not None:
            raise RequestRefusedError(
                "invalid_request", f"token {unknown} is not in the vocabulary of {size} tokens; leave it out", "tokens"
            )
        return self.decode(tokens)

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
        if self._template is None:
            raise RequestRefusedError(
                "no_chat_template",
                'this model has no chat template; send {"inputs": …} or drop an artifact with chat_template.jinja',
                "messages",
            )
        try:
            return self._template.render(messages)
        except Exception as error:  # process boundary: the template is the artifact's program and may raise anything
            raise RequestRefusedError(
                "invalid_request", f"the model's chat template refuses the messages: {str(error)[:300]}", "messages"
            ) from error
