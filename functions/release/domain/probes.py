"""One prompt sent to green, what its answer must satisfy, and what every answer must satisfy.

Reasons name the prompt, the number and the limit; never a word of a prompt or of an answer, because they go into logs,
records and notifications.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from release.domain.golden import Expectation, failures

Message = Mapping[str, str]
"""`role` and `content`, as the serving contract has them."""

SchemaCheck = Callable[[Mapping[str, Any], Any], str]
"""Where a value breaks a JSON Schema, as a path; empty if it keeps it."""

MIN_CERTAINTY = -4.0
"""Mean natural logarithm of the probability of each token that the model itself thought likeliest. A model that has
learnt a language is at about -1; one whose weights are noise spreads over all of its N tokens, to -ln N: -10.8 at
SmolLM2's 49,152."""

_LEAST_WORDS = 12
_MOST_OF_ONE = 0.75  # of all words
_LEAST_CHARACTERS = 24
_REPEATS = 4  # times in a row; a text that says one thing four times over says nothing else
_BROKEN = "�"
_MOST_BROKEN = 0.1  # of all characters


@dataclass(frozen=True, slots=True)
class Prompt:
    """`name` tells the operator which one it is: a line of golden.jsonl, or a built-in one."""

    name: str
    messages: tuple[Message, ...]
    max_tokens: int
    expect: Expectation


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What came back for one prompt.

    Args:
        release_id, rollout_id: whom the container says it is; empty if it does not say.
        error: what was answered instead, by its code; empty if it was an answer.
        finish_reason: empty if the answer does not say why it ended.
        latency_s: seconds from request to whole answer.
        certainty: mean log probability of the answer's tokens; None if the container does not tell.
    """

    release_id: str
    rollout_id: str
    error: str = ""
    text: str = ""
    finish_reason: str = ""
    latency_s: float = 0.0
    certainty: float | None = None


_SENTENCE = ({"role": "user", "content": "Say hello, and tell me in one sentence what you can do."},)
BUILT_IN = (
    Prompt("built-in prompt 1 (a greeting)", _SENTENCE, 48, Expectation()),
    Prompt(
        "built-in prompt 2 (a system message)",
        ({"role": "system", "content": "You are a helpful assistant."}, *_SENTENCE),
        48,
        Expectation(),
    ),
)
"""Asked of every green, whatever model it is: whether it chats at all."""


def problems(
    prompt: Prompt, answer: ChatAnswer, *, release_id: str, rollout_id: str, schema_check: SchemaCheck
) -> list[str]:
    """What is wrong with an answer; each sentence begins with the prompt's name."""
    found = [
        *_wrong_source(answer, release_id, rollout_id),
        *(_unsound(answer) if not answer.error else ()),
        *(failures(prompt.expect, answer.text, answer.latency_s, schema_check) if not answer.error else ()),
    ]
    return [f"{prompt.name}: {problem}" for problem in found]


def _wrong_source(answer: ChatAnswer, release_id: str, rollout_id: str) -> Iterator[str]:
    if answer.error:
        yield f"answered with {answer.error}"
    elif not answer.release_id:
        yield "the answer does not say which release gave it"
    elif (answer.release_id, answer.rollout_id) != (release_id, rollout_id):
        yield f"answered by rollout {answer.rollout_id} of release {answer.release_id}, not by {rollout_id}"


def _unsound(answer: ChatAnswer) -> Iterator[str]:
    if not answer.finish_reason:
        yield "the answer does not end with a finish_reason"
    if problem := degeneration(answer.text):
        yield problem
    if answer.certainty is not None and answer.certainty < MIN_CERTAINTY:
        yield (
            f"the model is unsure of every word (mean log probability {answer.certainty:.1f}, at least "
            f"{MIN_CERTAINTY:.1f} is expected)"
        )


def degeneration(text: str) -> str:
    """Why a text is none that a sound model writes; empty if it may be one.

    Three signs, each bounded: nothing, one thing over and over, bytes that are no characters.
    """
    stripped = text.strip()
    if not stripped:
        return "the answer is empty"
    broken = stripped.count(_BROKEN) / len(stripped)
    if broken > _MOST_BROKEN:
        return (
            f"{100 * broken:.0f} % of the answer's characters are undecodable, at most {100 * _MOST_BROKEN:.0f} % may"
        )
    words = stripped.split()
    often = Counter(words).most_common(1)[0][1]
    if len(words) >= _LEAST_WORDS and often > _MOST_OF_ONE * len(words):
        return f"one word makes {often} of the answer's {len(words)}"
    period = _period(stripped)
    if len(stripped) >= _LEAST_CHARACTERS and len(stripped) >= _REPEATS * period:
        return f"the answer repeats {period} characters {len(stripped) // period} times"
    return ""


def _period(text: str) -> int:
    """Length of the shortest piece whose repetition is the text, its end cut off anywhere.

    Source:
        Knuth, Morris and Pratt, SIAM Journal on Computing 6 (1977), 323-350: length less the longest border.
    """
    border = [0] * len(text)
    for end in range(1, len(text)):
        length = border[end - 1]
        while length and text[length] != text[end]:
            length = border[length - 1]
        border[end] = length + (text[length] == text[end])
    return len(text) - border[-1]
