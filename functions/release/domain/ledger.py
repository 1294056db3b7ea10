"""The ledger: everything that happened to an endpoint, each line sealed by a digest over itself and the line before.

Whoever changes, removes or inserts a line has to rewrite every later one, and the head in the endpoint's record.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from release.domain.identity import canonical_json

GENESIS = "0" * 64
"""What the first line names as the line before."""

SEQ_DIGITS = 12


class Happened(StrEnum):
    """What a line tells."""

    PHASE_ENTERED = "phaseEntered"
    PAUSED = "paused"
    RESUMED = "resumed"
    APPROVED = "approved"
    ABORT_REQUESTED = "abortRequested"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    ENDPOINT_REMOVED = "endpointRemoved"
    LEASE_RELEASED = "leaseReleased"
    GATE_SKIPPED = "gateSkipped"
    DRIFT_FOUND = "driftFound"
    DRIFT_ENDED = "driftEnded"
    GATE_JUDGED = "gateJudged"


@dataclass(frozen=True, slots=True)
class Head:
    """Where an endpoint's ledger ends: the number and the digest of its last line."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Problem:
    """`seq`: the first line that cannot be trusted."""

    seq: int
    reason: str


def sort_key(seq: int) -> str:
    """Numbers of equal length, so that text order is the ledger's order."""
    return f"ledger#{seq:0{SEQ_DIGITS}}"


def entry_hash(line: Mapping[str, Any]) -> str:
    """SHA-256 in hex over the canonical JSON of a line as on the wire, without its keys in the table and its hash."""
    sealed = {name: value for name, value in line.items() if name not in {"pk", "sk", "hash"}}
    return hashlib.sha256(canonical_json(sealed)).hexdigest()


def sealed(line: Mapping[str, Any], head: Head) -> dict[str, Any]:
    """The line that follows `head`, numbered, linked and sealed.

    Args:
        line: what happened, as on the wire, without `seq`, `prevHash` and `hash`.
    """
    linked = {**line, "seq": head.seq + 1, "prevHash": head.hash}
    return {**linked, "hash": entry_hash(linked)}


def verify_chain(lines: Iterable[Mapping[str, Any]], head: Head) -> Problem | None:
    """The first line that was changed, removed or put in; None if the ledger is whole.

    Args:
        lines: every line as on the wire, in order from the first.
        head: what the endpoint's record says of the last one.
    """
    before = Head()
    for line in lines:
        expected = before.seq + 1
        if line["seq"] != expected:
            return Problem(expected, f"line {expected} is missing; line {line['seq']} stands in its place")
        if line["prevHash"] != before.hash:
            return Problem(expected, f"line {expected} does not follow line {before.seq}; one of them was changed")
        if line["hash"] != entry_hash(line):
            return Problem(expected, f"line {expected} was changed after it was written")
        before = Head(expected, line["hash"])
    if before != head:
        return Problem(
            before.seq + 1, f"the ledger ends at line {before.seq}, the endpoint's record says at line {head.seq}"
        )
    return None
