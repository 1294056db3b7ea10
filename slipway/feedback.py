"""What people say of a release's answers: thumbs, and votes between two releases. `events/table/feedback`.

One item for each answer that somebody judged, so that a changed mind replaces the earlier word and a repeated call
counts once. They lie under a key of their own, so that whoever may write them can write no record of a release.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from release.domain.evidence import Share
from release.domain.verdict_statistics import wilson_bounds
from slipway.errors import UsageError
from slipway.table import ReleaseTable
from slipway.words import release_id_of

LONGEST_REASON = 200
_MISS = 0.025
"""Chance that either bound is crossed: 95 % between the two."""


class Opinion(StrEnum):
    UP = "up"
    DOWN = "down"
    WON = "won"
    LOST = "lost"
    TIED = "tied"


@dataclass(frozen=True)
class Rate:
    """A share of `trials` with the bounds of the rate behind it, 95 % between them; (0, 1) where nothing was tried."""

    hits: int
    trials: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's interval, `release.domain.verdict_statistics`."""
        return wilson_bounds(Share(self.hits, self.trials), _MISS)


@dataclass(frozen=True)
class Tally:
    """What people said of one release. `liked`: thumbs up of all thumbs; `won`: votes won of those with a winner."""

    release_id: str
    liked: Rate
    won: Rate
    tied: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """How often each reason was given, the most frequent first."""


@dataclass(frozen=True)
class Vote:
    """One word on one answer.

    Args:
        vote_id: 32 hex digits, the same for the same person and answer, and nothing that names either.
        reason: at most LONGEST_REASON characters; empty without one.
        rival: the release that a vote was between; empty for a thumb.
    """

    release_id: str
    vote_id: str
    opinion: Opinion
    reason: str = ""
    rival: str = ""


def feedback_item(endpoint: str, vote: Vote) -> dict[str, str]:
    """Raises UsageError: what cannot be a release id, or a reason that is too long."""
    release_id_of(vote.release_id, endpoint)
    if len(vote.reason) > LONGEST_REASON:
        raise UsageError(f"the reason has {len(vote.reason)} characters, the limit is {LONGEST_REASON}; shorten it")
    item = {
        "pk": f"feedback#{endpoint}",
        "sk": f"{vote.release_id}#{vote.vote_id}",
        "endpoint": endpoint,
        "releaseId": vote.release_id,
        "opinion": str(vote.opinion),
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    more = {"reason": vote.reason, "rivalReleaseId": vote.rival}
    return item | {name: value for name, value in more.items() if value}


def tally(release_id: str, items: Iterable[Mapping[str, Any]]) -> Tally:
    """Args: items: `events/table/feedback`, of this release."""
    opinions: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for item in items:
        opinions[item["opinion"]] += 1
        reasons.update([item["reason"]] if item.get("reason") else [])
    up, won = opinions[Opinion.UP], opinions[Opinion.WON]
    return Tally(
        release_id=release_id,
        liked=Rate(up, up + opinions[Opinion.DOWN]),
        won=Rate(won, won + opinions[Opinion.LOST]),
        tied=opinions[Opinion.TIED],
        reasons=dict(reasons.most_common()),
    )


def tallies(table: ReleaseTable, endpoint: str) -> dict[str, Tally]:
    """Of every release that anybody judged."""
    by_release: dict[str, list[Mapping[str, Any]]] = {}
    for item in table.items(f"feedback#{endpoint}", ""):
        by_release.setdefault(item["releaseId"], []).append(item)
    return {release_id: tally(release_id, items) for release_id, items in by_release.items()}
