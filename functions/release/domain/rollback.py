"""Which release a rollback goes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from release.domain.phases import Phase


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """One line of a rollout's history; `at` is aware."""

    release_id: str
    phase: Phase
    at: datetime


@dataclass(frozen=True, slots=True)
class NoRelease:
    reason: str


def last_good(
    history: Iterable[PhaseEntered], *, live_release: str | None, last_good_release: str | None, endpoint: str
) -> str | NoRelease:
    """The release that was live before the one that is.

    After a rollout that got stuck it is the live one itself: an unproved release may serve in its place.
    """
    marks = [entry for entry in history if entry.phase in {Phase.LIVE, Phase.STUCK}]
    latest = max(marks, key=lambda entry: entry.at, default=None)
    if live_release and latest and latest.phase is Phase.STUCK:
        return live_release
    if last_good_release:
        return last_good_release
    return NoRelease(f"endpoint {endpoint} has had no release before this one, so there is none to go back to")


def live_at(history: Iterable[PhaseEntered], at: datetime, endpoint: str) -> str | NoRelease:
    """The release that served at the instant `at`: the last one that had gone live by then."""
    went_live = [entry for entry in history if entry.phase is Phase.LIVE and entry.at <= at]
    if not went_live:
        return NoRelease(f"nothing was live on endpoint {endpoint} at {at.isoformat()}; name a later time or a release")
    return max(went_live, key=lambda entry: entry.at).release_id
