"""Instants as the records write them."""

from datetime import UTC, datetime, timedelta


def stamp(at: datetime) -> str:
    """UTC with milliseconds: always the same length, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp_after(at: datetime, seconds: float) -> str:
    return stamp(at + timedelta(seconds=seconds))


def seconds_since(text: str, now: datetime) -> float:
    return (now - read_stamp(text)).total_seconds()


def read_stamp(text: str) -> datetime:
    return datetime.fromisoformat(text)
