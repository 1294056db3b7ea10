"""What the ledger says of the past."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WentLive:
    """A line that says that a release began to serve; `at` is aware."""

    seq: int
    release_id: str
    rollout_id: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reign:
    """A release's time; no `until`: nothing has taken its place."""

    began: WentLive
    until: datetime | None


def reign_at(went_live: Iterable[WentLive], at: datetime) -> Reign | None:
    """Who served at an instant; None: nothing had gone live by then.

    A release serves from the instant at which its record says so until the next one's does.
    """
    lines = sorted(went_live, key=lambda line: line.seq)
    before = [line for line in lines if line.at <= at]
    if not before:
        return None
    began = before[-1]
    after = next((line for line in lines if line.seq > began.seq and line.at > at), None)
    return Reign(began, after.at if after else None)
