"""What a rollout's record says of its gates."""

from collections.abc import Mapping
from datetime import datetime

from release.contracts.table import Gate, GateItem, GateVerdict, RolloutItem, SkippedGate
from release.flows.stamps import stamp


def gate_of(rollout: RolloutItem, gate: Gate) -> GateItem | None:
    """What became of the gate; None as long as nobody has said so."""
    return next((item for item in rollout.gates or () if item.gate == gate), None)


def skipped_by(rollout: RolloutItem, gate: Gate) -> SkippedGate | None:
    """Who wished that the rollout goes on without the gate."""
    return next((mark for mark in rollout.skipped_gates or () if mark.gate == gate), None)


def gate_sentence(item: GateItem) -> str:
    """What became of the gate, with its numbers, for whoever reads a message and not the record."""
    numbers = ", ".join(f"{name} {value}" for name, value in item.evidence.items())
    return f"{item.gate} {item.verdict}: {item.reason}" + (f" ({numbers})" if numbers else "")


def gate_item(gate: Gate, verdict: GateVerdict, reason: str, evidence: Mapping[str, str], now: datetime) -> GateItem:
    return GateItem(gate=gate, verdict=verdict, reason=reason, evidence=dict(evidence), at=stamp(now))
