"""Records as lines of text: what a person reads and a pipe can cut. Ids are never shortened, lines never broken."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, two blanks between; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def fields(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """One name and value per line; empty values are left out."""
    width = max((len(name) for name, value in pairs if value), default=0)
    for name, value in pairs:
        if value:
            yield f"{name.ljust(width)}  {value}"


def why_lines(sentence: str, why: Mapping[str, Any]) -> Iterator[str]:
    """Args: why: `events/release/operate-output`, its field of that name."""
    yield sentence
    frozen = why.get("frozen")
    yield from fields(
        [
            ("live", why.get("liveRolloutId", "")),
            ("SageMaker", f"{why.get('status') or 'no such endpoint'} {why.get('configName', '')}".strip()),
            ("pending", why.get("pendingConfig", "")),
            ("failure", why.get("failure", "")),
            ("lease", _lease(why)),
            ("frozen", _mark(frozen) + (f", until {frozen['until']}" if frozen.get("until") else "") if frozen else ""),
            *(
                (f"alarm {name.rpartition('-')[2]}", f"{state}  {name}")
                for name, state in why.get("alarms", {}).items()
            ),
        ]
    )
    for rollout in why.get("rollouts", ()):
        yield ""
        yield f"rollout {rollout['rolloutId']}"
        yield from (f"  {line}" for line in fields(_rollout(rollout)))


def _rollout(rollout: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("phase", f"{rollout['phase']} since {rollout['since']}"),
        ("because", rollout["reason"]),
        ("awaiting", rollout.get("awaiting", "")),
        ("paused", _mark(rollout.get("paused"))),
        ("abort", _mark(rollout.get("abort"))),
        ("next", rollout["next"]),
        ("execution", rollout.get("executionArn", "")),
    ]


def _lease(why: Mapping[str, Any]) -> str:
    holder = why.get("leaseHolder")
    return f"{holder}, until {why['leaseExpiresAt']} unless it writes" if holder else ""


def _mark(mark: Mapping[str, Any] | None) -> str:
    return f"{mark['by']}, {mark['at']}: {mark['reason']}" if mark else ""
