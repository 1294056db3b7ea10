"""Whose turn it is at an endpoint: the newest wish wins, whichever rollout asks for the lease first."""

from collections.abc import Iterable
from dataclasses import dataclass

from release.domain.phases import SOUND, Phase

_ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Turn:
    """A rollout as the others of its endpoint see it; `asked_at` in one text form, so that text order is time order."""

    rollout_id: str
    kind: str
    phase: Phase
    asked_at: str


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
        if other.asked_at > mine.asked_at and other.kind in {mine.kind, _ROLLBACK} and other.phase in SOUND
    ]
    return max(later, key=lambda other: other.asked_at).rollout_id if later else None
