"""What the server and the engine process say to each other over their one channel.

A message is one line of JSON: a list of `[name, fields]` pairs. All tokens of a step travel in one message.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Configure:
    """First message to the engine: what to load and how."""

    model_dir: str
    max_concurrency: int
    max_model_len: int | None
    """Tokens of prompt and answer together; None: what the model was made for."""
    max_new_tokens: int
    """Length of an answer whose request names none."""
    dtype: str
    threads: int | None


@dataclass(frozen=True)
class Submit:
    """One request. Exactly one of `messages` and `prompt` is given."""

    request_id: str
    messages: list[dict[str, str]] | None = None
    prompt: str | None = None
    max_tokens: int | None = None
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps every token."""
    min_p: float = 0.0
    """Tokens below this share of the likeliest one's probability are dropped."""
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    stop: list[str] = field(default_factory=list)
    stop_token_ids: list[int] = field(default_factory=list)
    ignore_eos: bool = False
    """Talk on until max_tokens or a stop; for measurements."""
    logprobs: int | None = None
    """Likeliest tokens to report beside each chosen one; None reports none."""
    json_schema: str | None = None
    """The answer is JSON that this schema admits."""
    priority: int = 0
    """Higher runs earlier; 0 is normal."""
    deadline_s: float | None = None
    """Seconds after arrival in the engine at which the answer is worth nothing any more."""
    cache_salt: str = ""
    """Requests share computed prefixes only with requests of the same salt."""


@dataclass(frozen=True)
class Abort:
    """Nobody waits for the answer any more. The engine frees the slot and says nothing further about the request."""

    request_id: str


@dataclass(frozen=True)
class Tokenise:
    """Ask for the tokens of a prompt. Exactly one of `messages` and `prompt` is given."""

    request_id: str
    messages: list[dict[str, str]] | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Detokenise:
    """Ask for the text of tokens."""

    request_id: str
    tokens: list[int]


@dataclass(frozen=True)
class Loaded:
    """The model answers from now on; what it is, and how much it holds."""

    max_model_len: int
    kv_tokens: int = 0
    """Tokens of keys and values that the device has room for; 0: not told."""
    artifact: str = ""
    """SHA-256 over the artifact's files, computed from the bytes that were loaded; hexadecimal."""
    recipe: str = ""
    """How weights are held and computed, such as int8."""
    engine: str = ""
    """Versions of what computes."""


@dataclass(frozen=True)
class LoadFailed:
    reason: str


@dataclass(frozen=True)
class Beat:
    """The device thread is alive and has nothing to do."""


@dataclass(frozen=True)
class Progress:
    """Where the engine stands after a step; a sign of life, too."""

    running: int
    waiting: int
    kv_tokens: int
    """Tokens that running requests have reserved."""
    read_tokens: int
    """Prompt tokens computed in this step."""
    drawn_tokens: int
    """Tokens of answers drawn in this step."""
    step_s: float


@dataclass(frozen=True)
class Accepted:
    """The prompt fits; the request waits for a slot or runs."""

    request_id: str
    prompt_tokens: int


@dataclass(frozen=True)
class Rejected:
    """Terminal: the request itself is at fault."""

    request_id: str
    code: str
    message: str
    param: str | None


@dataclass(frozen=True)
class Piece:
    """Text that is final: whole characters, and no part of a stop string."""

    request_id: str
    text: str
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    """Of the tokens since the last piece, in the form of OpenAI's `logprobs.content`, if they were asked for."""


@dataclass(frozen=True)
class Finished:
    """Terminal: the answer is complete."""

    request_id: str
    reason: FinishReason
    prompt_tokens: int
    generated_tokens: int
    cached_tokens: int = 0
    """Prompt tokens that were not computed, because an earlier request had the same beginning."""


@dataclass(frozen=True)
class Failed:
    """Terminal: the engine is at fault, or gone."""

    request_id: str
    message: str
    code: str = "engine_failed"


@dataclass(frozen=True)
class Tokenised:
    """Terminal: the answer to Tokenise."""

    request_id: str
    tokens: list[int]


@dataclass(frozen=True)
class Detokenised:
    """Terminal: the answer to Detokenise."""

    request_id: str
    text: str


Ask = Submit | Tokenise | Detokenise
Command = Configure | Ask | Abort
RequestEvent = Accepted | Rejected | Piece | Finished | Failed | Tokenised | Detokenised
Event = Loaded | LoadFailed | Beat | Progress | RequestEvent
Message = Command | Event

_KINDS: tuple[type[Message], ...] = (
    *(Configure, Submit, Tokenise, Detokenise, Abort),
    *(Loaded, LoadFailed, Beat, Progress),
    *(Accepted, Rejected, Piece, Finished, Failed, Tokenised, Detokenised),
)
_BY_NAME: dict[str, type[Message]] = {kind.__name__: kind for kind in _KINDS}


def encode(messages: Iterable[Message]) -> bytes:
    """One line. Strings may hold lone surrogates: JSON escapes them."""
    pairs = [[type(message).__name__, vars(message)] for message in messages]
    return json.dumps(pairs, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> list[Any]:
    """The messages of one line, in order.

    Raises:
        ValueError: the line is not one of ours.
    """
    try:
        return [_BY_NAME[name](**fields) for name, fields in json.loads(line)]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a message of this protocol: {line[:80]!r}") from error
