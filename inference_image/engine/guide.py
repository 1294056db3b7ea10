"""Answers that are JSON of a given schema: which tokens may follow."""

from typing import Any

import torch
from llguidance import JsonCompiler, LLMatcher, LLTokenizer

from engine.text import ModelText, RequestRefusedError

# Their constructors ship no types.
_MATCHER: Any = LLMatcher
_TOKENIZER: Any = LLTokenizer


class JsonGuides:
    """Args: text: of the model; eos: tokens that end an answer; vocabulary: rows of the model's head."""

    def __init__(self, text: ModelText, eos: frozenset[int], vocabulary: int) -> None:
        self._vocabulary = vocabulary
        self._json, self._eos = text.tokenizer_json, sorted(eos)
        self._tokenizer: LLTokenizer | None = None

    def check(self, schema: str) -> None:
        """Raises RequestRefusedError: the schema is none, or uses what the grammar cannot express."""
        try:
            problem = LLMatcher.validate_grammar(JsonCompiler().compile(schema), self._known())
        except ValueError as error:
            problem = str(error)
        if problem:
            raise RequestRefusedError(
                "invalid_request", f"the JSON schema cannot guide an answer: {problem[:300]}", "response_format"
            )

    def guide(self, schema: str) -> "JsonGuide":
        """For a schema that `check` has passed."""
        return JsonGuide(_MATCHER(self._known(), JsonCompiler().compile(schema)), self._vocabulary)

    def _known(self) -> LLTokenizer:
        # Tables over the vocabulary take a second, so they wait for the first schema. Two threads may make them at the
        # same time; either result serves.
        if self._tokenizer is None:
            self._tokenizer = _TOKENIZER(self._json, n_vocab=self._vocabulary, eos_token=self._eos)
        return self._tokenizer


class JsonGuide:
    """Where one answer stands in its schema."""

    def __init__(self, matcher: LLMatcher, vocabulary: int) -> None:
        self._matcher = matcher
        self._bits = torch.arange(8, dtype=torch.uint8)
        self._vocabulary = vocabulary

    def forbid(self, scores: torch.Tensor) -> None:
        """As `engine.sampling.Guide` has it. A guide that lost its way forbids everything, which fails the request."""
        if self._matcher.is_error():
            scores.fill_(float("-inf"))
            return
        packed = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8)
        allowed = ((packed[:, None] >> self._bits) & 1).flatten()[: self._vocabulary].bool()
        scores.masked_fill_(~allowed.to(scores.device), float("-inf"))

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)
