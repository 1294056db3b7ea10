"""A conversation that has outgrown the model's context, made shorter from its beginning.

Only the model's server knows its tokens, so it is asked: it refuses what is too long before it does any work, and each
refusal costs the conversation the oldest third of what may go.
"""

from collections.abc import Sequence

from slipway.client import Message

_OLDEST = 3


def room_for_more(messages: Sequence[Message]) -> bool:
    """Whether something can still be left out."""
    return bool(_exchanges(messages))


def without_oldest(messages: Sequence[Message], exchanges: int | None = None) -> list[Message]:
    """Without this many of the oldest exchanges, a third of them by default and at least one.

    The system prompt and the newest question stay. An exchange is a question and its answer.
    """
    able = _exchanges(messages)
    count = max(1, able // _OLDEST) if exchanges is None else min(able, exchanges)
    system = _system(messages)
    return [*messages[:system], *messages[system + 2 * count :]]


def _system(messages: Sequence[Message]) -> int:
    return 1 if messages and messages[0]["role"] == "system" else 0


def _exchanges(messages: Sequence[Message]) -> int:
    """How many whole exchanges lie before the newest question."""
    return (len(messages) - _system(messages) - 1) // 2
