"""What a person may call things: names, ids, times and durations, read or refused before AWS is asked."""

import re
from datetime import UTC, datetime, timedelta

from release.domain.identity import RELEASE_ID_LENGTH
from release.domain.names import Names
from slipway.errors import UsageError

_RELEASE_ID = re.compile(f"[0-9a-f]{{{RELEASE_ID_LENGTH}}}")
_ROLLOUT_ID = re.compile(f"[0-9a-f]{{{RELEASE_ID_LENGTH}}}-[1-9][0-9]{{0,5}}")
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST_REASON = 1000
_LONGEST_ACTOR = 200


def endpoint_names(stack: str, endpoint: str) -> Names:
    """Raises UsageError for a name that no stack or endpoint can have."""
    try:
        return Names(stack, endpoint)
    except ValueError as error:
        raise UsageError(str(error)) from error


def release_id_of(text: str, endpoint: str) -> str:
    if not _RELEASE_ID.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a release id, {RELEASE_ID_LENGTH} hex digits; `slipway releases {endpoint}` lists them"
        )
    return text


def rollout_id_of(text: str, endpoint: str) -> str:
    if not _ROLLOUT_ID.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a rollout id, a release id and a number such as 3f2a91c07d4e-1; "
            f"`slipway releases show RELEASE --endpoint {endpoint}` lists a release's rollouts"
        )
    return text


def reason_of(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_REASON:
        raise UsageError(
            f"the reason has {len(text.strip())} characters, it goes into the ledger with 1 to {_LONGEST_REASON}; "
            "say with --reason why you do it"
        )
    return text


def actor_of(text: str) -> str:
    if not text.strip() or text != text.strip() or len(text) > _LONGEST_ACTOR or "\n" in text:
        raise UsageError(
            f"{text[:40]!r} cannot be who did it: 1 to {_LONGEST_ACTOR} characters of one line, no blanks around them; "
            "set --as or SLIPWAY_ACTOR"
        )
    return text


def instant(at: datetime) -> str:
    """As the contracts write it: UTC with a Z."""
    if at.tzinfo is None:
        raise UsageError(f"{at.isoformat()} names no time zone; add Z for UTC or an offset such as +02:00")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(text: str, now: datetime, *, past: bool = False) -> datetime:
    """A time such as 2026-11-23T18:00:00Z, or a distance from `now` such as 2h, 30m or 3d.

    Args:
        past: a distance goes back from now instead of ahead.

    Raises:
        UsageError: it is neither, or a time without its zone.
    """
    if distance := _DURATION.fullmatch(text):
        away = timedelta(**{_UNITS[distance[2]]: int(distance[1])})
        return now - away if past else now + away
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time; write 2026-11-23T18:00:00Z, or a distance from now such as 30m, 2h or 3d"
        ) from error
    instant(at)
    return at
