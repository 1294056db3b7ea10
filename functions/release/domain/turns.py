"""Whose turn it is at an endpoint: the newest wish wins, whichever rollout asks for the lease first."""

from collections.abc import Iterable
from dataclasses import dataclass

from release.domain.phases import SOUND, Phase

ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Turn:
    """A rollout as the others of its endpoint see it; `asked_at` in one text form, so that text order is time order.

    Args:
        held_back: it waits, but may not go on yet.
    """

    rollout_id: str
    kind: str
    phase: Phase
    asked_at: str
    held_back: bool = False


def overtaken_by(mine: Turn, others: Iterable[Turn]) -> str | None:
    """The later rollout in whose favour `mine` is skipped: one of its kind, or a rollback, which it would undo.

    A drop and a push never skip each other, because each brings what the other lacks. What a person has asked for by
    hand, forwards or back, is always done.
    """
    if mine.kind not in {"drop", "push"}:
        return None
    later = [
        other
        for other in others
        if other.asked_at > mine.asked_at and other.kind in {mine.kind, ROLLBACK} and other.phase in SOUND
    ]
    return max(later, key=lambda other: other.asked_at).rollout_id if later else None


def next_turn(waiting: Iterable[Turn], *, frozen: bool) -> Turn | None:
    """Who goes next: a rollback before everything else, and otherwise who asked first, so that the newest ends up live.

    Args:
        waiting: the rollouts that wait and that nobody has overtaken.
        frozen: the endpoint takes no change but a rollback.
    """
    ready = [turn for turn in waiting if not turn.held_back and (turn.kind == ROLLBACK or not frozen)]
    return min(ready, key=lambda turn: (turn.kind != ROLLBACK, turn.asked_at), default=None)
