"""Records as lines of text: what a person reads and a pipe can cut. Ids are never shortened, lines never broken."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from slipway.records import SERVED, Release, Rollout

if TYPE_CHECKING:
    from slipway.comparing import Change, ReleaseDiff
    from slipway.doctor import Check
    from slipway.logs import LogLine
    from slipway.money import Bill, EndpointCost
    from slipway.provenance import Provenance


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
            *((f"alarm {_ALARM.sub('', name)}", f"{state}  {name}") for name, state in why.get("alarms", {}).items()),
        ]
    )
    for rollout in why.get("rollouts", ()):
        yield ""
        yield f"rollout {rollout['rolloutId']}"
        yield from (f"  {line}" for line in fields(_rollout(rollout)))


_ALARM = re.compile(r"^.*-[0-9a-f]{12}-[0-9]+-")
"""What an alarm's name has before its kind, as `release.domain.names` writes it."""


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


def release_rows(releases: Sequence[Release], rollouts: Sequence[Rollout], live: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("RELEASE", "STATE", "ROLLOUTS", "CREATED (UTC)", "ARTIFACT", "IMAGE")]
    rows += [
        (
            release.release_id,
            release_state(release, rollouts, live),
            str(release.rollouts),
            release.created_at.strftime("%Y-%m-%d %H:%M:%S"),
            release.artifact_id[:12],
            release.image.rpartition("@")[2][:19],
        )
        for release in releases
    ]
    return rows


def release_state(release: Release, rollouts: Sequence[Rollout], live: str) -> str:
    """The newest rollout's phase, unless an older one of the same release serves or served."""
    if release.release_id == live:
        return "live"
    phases = [rollout.phase for rollout in rollouts if rollout.release_id == release.release_id]
    served = [phase for phase in phases if phase in SERVED]
    return next(iter(served or phases), "-")


def release_lines(
    release: Release, rollouts: Sequence[Rollout], live: str, manifest: Mapping[str, Any] | None, bill: "Bill"
) -> Iterator[str]:
    """One release whole, and every rollout of it."""
    own = [rollout for rollout in rollouts if rollout.release_id == release.release_id]
    files = manifest.get("files", ()) if manifest else ()
    size = sum(int(file["sizeBytes"]) for file in files)
    published = f"{len(files)} files, {size_text(size)}" if manifest else "not published (any more)"
    yield from fields(
        [
            ("release", release.release_id),
            ("state", release_state(release, rollouts, live)),
            ("model", str((manifest or {}).get("name", ""))),
            ("license", str((manifest or {}).get("license", ""))),
            ("artifact", release.artifact_id),
            ("published", published),
            ("image", release.image),
            ("created", f"{release.created_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("costs", bill_text(bill)),
        ]
    )
    yield ""
    yield from fields([(f"config {name}", _value(value)) for name, value in sorted(release.config.items())])
    yield ""
    rows: list[tuple[str, ...]] = [("ROLLOUT", "KIND", "PHASE", "CREATED (UTC)", "BECAUSE")]
    rows += [(one.rollout_id, one.kind, one.phase, f"{one.created_at:%Y-%m-%d %H:%M:%S}", one.reason) for one in own]
    yield from table(rows)


def diff_lines(diff: "ReleaseDiff") -> Iterator[str]:
    yield f"{diff.before} → {diff.after}"
    if diff.same:
        yield "they are the same in artifact, image and config"
        return
    changed = [*_told("artifact", diff.artifact), *_told("image", diff.image), *_told("config", diff.config)]
    changed += _told("file", diff.files or ())
    yield from table([("WHAT", "BEFORE", "AFTER"), *changed])
    if diff.files is None:
        yield "files: not compared, because one of the artifacts is not published (any more)"
    yield f"costs: {bill_text(diff.price_before)} → {bill_text(diff.price_after)}"
    if diff.hour_dollars_more is not None:
        yield f"       {_more(diff.hour_dollars_more)}"


def cost_lines(cost: "EndpointCost") -> Iterator[str]:
    rollout = (cost.rollout or {}).get("price")
    yield from fields(
        [
            ("endpoint", cost.endpoint),
            ("release", cost.release_id or "none is live"),
            ("now", bill_text(cost.now)),
            ("at rest", bill_text(cost.steady) if cost.steady != cost.now else ""),
            ("at most", bill_text(cost.at_most) if cost.at_most else ""),
            ("rollout", f"${rollout['rolloutDollars']}, ${rollout['rolloutAtMostDollars']} at most" if rollout else ""),
            ("prices", f"on demand, {cost.prices_region}, {cost.prices_as_of}; {cost.prices_source}"),
        ]
    )


_SIGNS = {"ok": "✓", "verified": "✓", "warning": "!", "failed": "✗", "broken": "✗", "unknown": "?"}
"""The sign says it to the eye, the word beside it to everybody else."""


def check_line(check: "Check") -> Iterator[str]:
    yield f"{_SIGNS[check.health]} {check.health:<8} {check.name:<13}  {check.says}"
    if check.remedy:
        yield f"{'':26}→ {check.remedy}"


def link_lines(found: "Provenance") -> Iterator[str]:
    yield from fields(
        [
            ("release", found.release_id),
            ("rollout", found.rollout_id),
            ("artifact", found.artifact_id),
            ("image", found.image),
        ]
    )
    yield ""
    for link in found.links:
        yield f"{_SIGNS[link.verdict]} {link.verdict:<8}  {link.name:<8}  {link.says}"


def log_text(line: "LogLine") -> str:
    more = " ".join(f"{name}={value}" for name, value in line.fields.items() if name in _TELLING)
    words = (f"{line.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z", line.level, line.where, printable(line.message), more)
    return "  ".join(word for word in words if word)


_TELLING = ("endpoint", "rolloutId", "phase", "verdict", "reason", "error", "exception_name")


def printable(text: str) -> str:
    """What others wrote must not steer the terminal."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def size_text(size_bytes: int) -> str:
    """In the unit, by powers of ten, that leaves at most three digits before the point."""
    for unit, worth in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= worth:
            return f"{size_bytes / worth:,.2f} {unit}"
    return f"{size_bytes} bytes"


def bill_text(bill: "Bill") -> str:
    if not bill.instances:
        return "nothing: no instance runs"
    fleet = " + ".join(f"{count} of {kind}" for kind, count in bill.instances.items())
    if bill.hour_dollars is None:
        return f"{fleet}: {bill.unpriced}"
    return f"{fleet}: ${bill.hour_dollars:,} an hour, ${bill.month_dollars:,} a month"


def _more(dollars: Decimal) -> str:
    if not dollars:
        return "the same by the hour"
    return f"${abs(dollars):,} {'more' if dollars > 0 else 'less'} an hour for a first fleet"


def _told(what: str, found: "Sequence[Change]") -> list[tuple[str, str, str]]:
    return [(f"{what} {one.name}", _value(one.before), _value(one.after)) for one in found]


def _value(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return ", ".join(f"{name}={_value(entry)}" for name, entry in sorted(value.items())) or "-"
        case list() | tuple():
            return ", ".join(map(_value, value))
    return str(value)
