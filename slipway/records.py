"""The release table as a person sees it: endpoints, releases and rollouts.

Items carry more than this (`events/table/`); the client reads what it shows and leaves the rest alone,
so that an older client can read the items of a newer deployment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from release.domain.phases import Phase, has_ended

SERVED = frozenset({Phase.LIVE, Phase.SUPERSEDED})


@dataclass(frozen=True)
class EndpointState:
    endpoint: str
    live_release_id: str
    """Empty before the first release is live; so are the two below."""
    live_rollout_id: str
    last_good_release_id: str
    frozen: Mapping[str, Any] | None = None
    """Who, why, when and until when; None without a freeze. An end that has passed is for the reader to see."""
    ledger_seq: int = 0
    ledger_hash: str = ""

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> "EndpointState":
        return cls(
            endpoint=item["endpoint"],
            live_release_id=item.get("liveReleaseId", ""),
            live_rollout_id=item.get("liveRolloutId", ""),
            last_good_release_id=item.get("lastGoodReleaseId", ""),
            frozen=item.get("frozen"),
            ledger_seq=int(item.get("ledgerSeq", 0)),
            ledger_hash=item.get("ledgerHash", ""),
        )


@dataclass(frozen=True)
class Release:
    endpoint: str
    release_id: str
    artifact_id: str
    image: str
    rollouts: int
    created_at: datetime
    config: Mapping[str, Any] = field(default_factory=dict)
    """As on the wire, `events/release/config`; empty where the item has none."""

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> "Release":
        return cls(
            endpoint=item["endpoint"],
            release_id=item["releaseId"],
            artifact_id=item["artifactId"],
            image=item["image"],
            rollouts=int(item["rollouts"]),
            created_at=datetime.fromisoformat(item["createdAt"]),
            config=plain_numbers(item.get("config", {})),
        )


@dataclass(frozen=True)
class PhaseChange:
    phase: Phase
    at: datetime
    reason: str

    @property
    def ended(self) -> bool:
        return has_ended(self.phase)


@dataclass(frozen=True)
class Rollout:
    endpoint: str
    rollout_id: str
    release_id: str
    kind: str
    source: str
    phase: Phase
    reason: str
    history: tuple[PhaseChange, ...]
    """Oldest first; always ends with the current phase."""
    created_at: datetime
    execution_arn: str = ""
    plan: Mapping[str, Any] | None = None
    """As on the wire, `events/table/rollout`; None before it was planned."""
    paused: Mapping[str, Any] | None = None
    approval: Mapping[str, Any] | None = None
    abort: Mapping[str, Any] | None = None
    """Who, why and when."""
    awaiting: str | None = None
    skipped_gates: Sequence[Mapping[str, Any]] = ()

    @property
    def ended(self) -> bool:
        return has_ended(self.phase)

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> "Rollout":
        history = [
            PhaseChange(Phase(entry["phase"]), datetime.fromisoformat(entry["at"]), entry["reason"])
            for entry in item["history"]
        ]
        if not history or history[-1].phase != item["phase"]:
            history.append(PhaseChange(Phase(item["phase"]), datetime.fromisoformat(item["updatedAt"]), item["reason"]))
        return cls(
            endpoint=item["endpoint"],
            rollout_id=item["rolloutId"],
            release_id=item["releaseId"],
            kind=item["kind"],
            source=item["source"],
            phase=Phase(item["phase"]),
            reason=item["reason"],
            history=tuple(history),
            created_at=datetime.fromisoformat(item["createdAt"]),
            execution_arn=item.get("executionArn", ""),
            plan=plain_numbers(item.get("plan")),
            paused=item.get("paused"),
            approval=item.get("approval"),
            abort=item.get("abort"),
            awaiting=item.get("awaiting"),
            skipped_gates=item.get("skippedGates", ()),
        )


def plain_numbers(value: Any) -> Any:
    """DynamoDB's decimals as the whole numbers that the contracts know."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {name: plain_numbers(entry) for name, entry in value.items()}
        case list() | tuple():
            return [plain_numbers(entry) for entry in value]
    return value
