"""What stands behind a rollout's verdicts: what each gate found, and what its alarms say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from release.domain.names import Names
from slipway.aws import Aws
from slipway.aws_errors import translated


@dataclass(frozen=True)
class GateEvidence:
    """As a gate wrote it, `events/table/rollout`: its verdict, the sentence that gives the reason, and the numbers."""

    gate: str
    verdict: str
    reason: str
    at: datetime
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlarmState:
    """`kind`: guard, abort or dead-man. `state`: `OK`, `ALARM` or `INSUFFICIENT_DATA`, as CloudWatch says it."""

    name: str
    kind: str
    state: str
    reason: str


def gate_evidence(item: Mapping[str, Any]) -> tuple[GateEvidence, ...]:
    """Args: item: a rollout of the release table; in the order in which the gates spoke."""
    return tuple(
        GateEvidence(
            gate=entry["gate"],
            verdict=entry["verdict"],
            reason=entry["reason"],
            at=datetime.fromisoformat(entry["at"]),
            evidence={name: str(value) for name, value in entry.get("evidence", {}).items()},
        )
        for entry in item.get("gates", ())
    )


def alarms_of(aws: Aws, names: Names, rollout_id: str) -> tuple[AlarmState, ...]:
    """The alarms that a rollout owns and CloudWatch still has; they go when the rollout is settled."""
    prefix = f"{names.of_rollout(rollout_id)}-"
    with translated():
        found = aws.cloudwatch.describe_alarms(AlarmNames=list(names.alarms(rollout_id)))["MetricAlarms"]
    return tuple(
        AlarmState(
            name=alarm["AlarmName"],
            kind=alarm["AlarmName"].removeprefix(prefix),
            state=alarm["StateValue"],
            reason=alarm.get("StateReason", ""),
        )
        for alarm in sorted(found, key=lambda one: one["AlarmName"])
    )
