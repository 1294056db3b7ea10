"""One line of an artifact's golden.jsonl."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from release.contracts.base import Contract
from release.domain.golden import DEFAULT_SIMILARITY, Expectation
from release.domain.probes import Prompt
from release.errors import InvalidInputError

_DEFAULT_TOKENS = 128


class GoldenMessage(Contract):
    role: Literal["system", "user", "assistant"]
    content: str


class GoldenExpectation(Contract):
    """At least one demand; `similarity` is of `reference`."""

    contains: tuple[str, ...] | None = None
    regex: str | None = None
    json_schema: dict[str, Any] | None = None
    max_latency_seconds: float | None = Field(default=None, gt=0)
    reference: Annotated[str, StringConstraints(min_length=1, max_length=8000)] | None = None
    similarity: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("ask for at least one thing")
        if self.similarity is not None and self.reference is None:
            raise ValueError("'similarity' needs the 'reference' that it is measured against")
        return self


class GoldenPrompt(Contract):
    foreign = frozenset({"jsonSchema"})

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")]
    messages: Annotated[tuple[GoldenMessage, ...], Field(min_length=1)]
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    expect: GoldenExpectation

    @classmethod
    def parse_line(cls, line: str) -> Self:
        """
        Raises:
            InvalidInputError: it is no JSON, breaks the contract, or asks for what no image answers.
        """
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError("it is no JSON; write one object a line") from error
        expect = given.get("expect") if isinstance(given, dict) else None
        if isinstance(expect, dict) and "perplexity" in expect:
            # docs/serving.md: log probabilities are of answers; nothing tells those of a prompt.
            raise InvalidInputError(
                "perplexity cannot be measured: the image tells log probabilities of its answers, not of a prompt's "
                "tokens; give a 'reference' with 'similarity' instead"
            )
        return cls.parse_text(line)

    def prompt(self, line_number: int) -> Prompt:
        return Prompt(
            name=f"golden.jsonl line {line_number} ({self.id})",
            messages=tuple({"role": one.role, "content": one.content} for one in self.messages),
            max_tokens=self.max_tokens or _DEFAULT_TOKENS,
            expect=Expectation(
                contains=self.expect.contains or (),
                regex=self.expect.regex or "",
                json_schema=self.expect.json_schema,
                max_latency_s=self.expect.max_latency_seconds,
                reference=self.expect.reference or "",
                similarity=self.expect.similarity or DEFAULT_SIMILARITY,
            ),
        )
