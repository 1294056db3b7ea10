"""What a golden prompt demands of its answer."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

GOLDEN = "golden.jsonl"
MAX_PROMPTS = 200
MAX_BYTES = 1_000_000
DEFAULT_SIMILARITY = 0.5
_MOST_WORDS = 1_000
"""Of an answer and of its reference; comparing them costs the product of both."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Everything that is given must hold.

    Args:
        contains: pieces of the answer, letter for letter.
        regex: Python's, found anywhere in the answer; empty asks for nothing.
        json_schema: draft 2020-12; the whole answer must be JSON that keeps it.
        max_latency_s: seconds to the whole answer.
        reference: an answer that was good; empty asks for nothing.
        similarity: ROUGE-L F1 against it, 0 < similarity <= 1.
    """

    contains: tuple[str, ...] = ()
    regex: str = ""
    json_schema: Mapping[str, Any] | None = None
    max_latency_s: float | None = None
    reference: str = ""
    similarity: float = DEFAULT_SIMILARITY


def failures(
    expect: Expectation, text: str, latency_s: float, schema_check: Callable[[Mapping[str, Any], Any], str]
) -> Iterator[str]:
    """What an answer does not satisfy, without a word of it."""
    for number, piece in enumerate(expect.contains, start=1):
        if piece not in text:
            yield f"contains: piece {number} of {len(expect.contains)} is not in the answer"
    if expect.regex and not re.search(expect.regex, text):
        yield "regex: nothing in the answer matches"
    if expect.json_schema is not None:
        yield from _schema_failures(expect.json_schema, text, schema_check)
    if expect.max_latency_s is not None and latency_s > expect.max_latency_s:
        yield f"maxLatencySeconds: it took {latency_s:.1f} s, the limit is {expect.max_latency_s:g} s"
    if expect.reference and (near := similarity(text, expect.reference)) < expect.similarity:
        yield f"similarity: {near:.2f} to the reference, at least {expect.similarity:.2f} is asked for"


def _schema_failures(
    schema: Mapping[str, Any], text: str, schema_check: Callable[[Mapping[str, Any], Any], str]
) -> Iterator[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        yield "jsonSchema: the answer is no JSON"
        return
    if place := schema_check(schema, value):
        yield f"jsonSchema: the answer breaks it at {place}"


def regex_problem(pattern: str) -> str:
    """Why a pattern cannot be used; empty if it can."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    return ""


def similarity(text: str, reference: str) -> float:
    """ROUGE-L F1: the longest common subsequence of words, as the harmonic mean of its parts of both texts.

    Words are runs of letters, digits and underscores, without regard to case; the first 1,000 of each text count.
    1 for equal words, 0 for none in common.

    Source:
        C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", ACL workshop 2004, with beta 1.
    """
    ours, theirs = _words(text), _words(reference)
    if not ours or not theirs:
        return 1.0 if ours == theirs else 0.0
    before = [0] * (len(theirs) + 1)
    for word in ours:
        here = [0]
        for place, other in enumerate(theirs):
            here.append(before[place] + 1 if word == other else max(before[place + 1], here[place]))
        before = here
    return 2 * before[-1] / (len(ours) + len(theirs))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())[:_MOST_WORDS]
