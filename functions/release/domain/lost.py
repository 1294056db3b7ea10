"""Which uploads were sealed and never heard of."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

LOST_AFTER_S = 600
"""An event takes seconds. One that has not come by then may still come: the seal keeps the two from doing it twice."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """The newest version of an object that seals a drop.

    Args:
        at: when it was written.
        seen: intake has taken it up.
        sound: its rollout is on its way, serves or has served.
    """

    key: str
    version_id: str
    at: datetime
    seen: bool
    sound: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """`overtaken_by`: the key of a later drop that makes this one pointless; empty if it is to be started."""

    sealing: Sealing
    overtaken_by: str


def lost_drops(sealings: Iterable[Sealing], now: datetime) -> list[Lost]:
    """The lost ones, newest first: what was sealed before a later sound drop must not replace it now."""
    later, found = "", []
    for sealing in sorted(sealings, key=lambda one: (one.at, one.key), reverse=True):
        lost = not sealing.seen and now - sealing.at >= timedelta(seconds=LOST_AFTER_S)
        if lost:
            found.append(Lost(sealing, later))
        if not later and (lost or sealing.sound):
            later = sealing.key
    return found
