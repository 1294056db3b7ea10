"""What nobody needs any more: everything that is not reachable from what serves, comes, or may have to come back."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from release.domain.phases import Phase, has_ended

ROLLBACK_WINDOW = 5
"""Releases that were live whose model and endpoint config are kept, so that a hand can go back without us."""


@dataclass(frozen=True, slots=True)
class Past:
    """A rollout as the collector sees it; times in one text form, so that text order is time order.

    Args:
        live_at: when it went live; empty if it never did.
    """

    rollout_id: str
    release_id: str
    phase: Phase
    live_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Roots:
    """What keeps things from being collected, beside rollouts under way.

    Args:
        live: the rollout that the record says serves.
        in_use: rollouts whose endpoint config SageMaker's endpoint names, current or pending.
        window: releases that were live, counted from the newest.
        hold: releases that the endpoint's owner keeps.
    """

    live: str | None
    in_use: Collection[str]
    window: int
    hold: Collection[str]


def reachable(rollouts: Iterable[Past], roots: Roots) -> set[str]:
    """The rollouts whose model and endpoint config must stay, by id."""
    past = list(rollouts)
    newest_first = sorted((one for one in past if one.live_at), key=lambda one: one.live_at, reverse=True)
    newest_of: dict[str, str] = {}
    for one in newest_first:
        newest_of.setdefault(one.release_id, one.rollout_id)
    window = list(newest_of.values())[: roots.window]
    pending = {one.rollout_id for one in past if not has_ended(one.phase)}
    held = {one.rollout_id for one in past if one.release_id in roots.hold}
    return {*pending, *held, *window, *roots.in_use, *([roots.live] if roots.live else [])}


def garbage(rollouts: Iterable[Past], roots: Roots, *, ended_before: str) -> set[str]:
    """The rollouts whose model and endpoint config nobody needs.

    Args:
        ended_before: what changed after this instant is left alone, whatever the records say.
    """
    past = list(rollouts)
    kept = reachable(past, roots)
    return {one.rollout_id for one in past if one.rollout_id not in kept and one.updated_at < ended_before}
