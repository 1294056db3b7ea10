"""What the stack tells of its past, and what a sweep found, as lines of text."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from slipway.views import fields, size_text, table

if TYPE_CHECKING:
    from slipway.operations import Swept

_WHOLE = "whole, as it was written"


def ran_lines(sentence: str, ran: Mapping[str, Any]) -> Iterator[str]:
    """Args: ran: `events/release/operate-output`, its field of that name."""
    yield sentence
    yield from fields(
        [
            ("rollout", ran.get("rolloutId", "")),
            ("artifact", ran.get("artifactId", "")),
            ("image", ran.get("image", "")),
            ("since", f"{ran.get('since', '')}, by {ran.get('by', '')}"),
            ("until", ran.get("until") or "it serves still"),
            ("ledger", ran.get("ledger") or _WHOLE),
        ]
    )


def provenance_lines(sentence: str, told: Mapping[str, Any]) -> Iterator[str]:
    """Args: told: `events/release/operate-output`, its field `provenance`."""
    yield sentence
    yield from fields(
        [
            ("name", told.get("name", "")),
            ("license", told.get("license", "")),
            ("origin", told.get("origin", "")),
            ("image", told.get("image", "")),
            ("created", told.get("createdAt", "")),
            ("files", _files(told)),
            ("id", "computed again from the files, and the same" if told.get("idProved") else "not computed again"),
            *(("problem", problem) for problem in told.get("problems", ())),
            ("ledger", told.get("ledger") or _WHOLE),
        ]
    )
    yield ""
    rows = [("ROLLOUT", "KIND", "PHASE", "STARTED", "FROM")]
    rows += [(r["rolloutId"], r["kind"], r["phase"], r["at"], r["source"]) for r in told.get("rollouts", ())]
    yield from table(rows)
    if gates := [(r["rolloutId"], gate) for r in told.get("rollouts", ()) for gate in r.get("gates", ())]:
        yield ""
        yield from table([("GATE OF", "GATE", "VERDICT", "BECAUSE")] + [(at, *_gate(gate)) for at, gate in gates])
    yield ""
    deeds = [(d["at"], d["by"], d.get("phase") or d["event"], d["reason"]) for d in told.get("history", ())]
    yield from table([("AT", "BY", "WHAT", "BECAUSE"), *deeds])


def _gate(gate: Mapping[str, Any]) -> tuple[str, str, str]:
    return gate["gate"], gate["verdict"], gate["reason"]


def _files(told: Mapping[str, Any]) -> str:
    ways = {"crc32": "by CRC-32", "sha256": "by SHA-256", "size": "by size alone"}
    compared = [f"{count} {ways[way]}" for way, count in told.get("verified", {}).items() if count]
    size = f"{told.get('files', 0)} files, {size_text(told.get('sizeBytes', 0))}"
    return f"{size}; compared: {', '.join(compared)}" if compared else size


def sweep_lines(swept: "Swept") -> Iterator[str]:
    """Every finding on a line of its own, under the sentence that sums them up."""
    yield swept.sentence
    rows = [row for one in swept.endpoints for row in _findings(one)]
    if rows:
        yield ""
        yield from table([("ENDPOINT", "FOUND", "ABOUT"), *rows])


def _findings(one: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    endpoint = one["endpoint"]
    for name, found in (("settled", "dead rollout"), ("started", "lost start"), ("passedOver", "overtaken drop")):
        yield from ((endpoint, found, rollout) for rollout in one.get(name, ()))
    for drift in one.get("drift", ()):
        mended = "mended" if drift["mended"] else "not mended"
        yield endpoint, f"drift: {drift['kind']}", f"{drift['subject']}: {drift['reason']} ({mended})"
    yield from ((endpoint, "needless", thing) for thing in one.get("collected", ()))
    unnamed = one.get("collectedCount", 0) - len(one.get("collected", ()))
    if unnamed > 0:
        yield endpoint, "needless", f"and {unnamed} more"
    yield from ((endpoint, "would", deed) for deed in one.get("would", ()))
    yield from ((endpoint, "problem", problem) for problem in one.get("problems", ()))
