"""Telling whoever listens, through EventBridge's default bus."""

import json
from typing import TYPE_CHECKING, Any

from release.adapters.aws import translated
from release.contracts.machines import PhaseChanged
from release.domain.phases import has_ended
from release.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from release.contracts.sweep import DriftFound
    from release.contracts.table import RolloutItem
    from release.domain.phases import Phase

SOURCE, DETAIL_TYPE = "slipway", "Rollout Phase Changed"
DRIFT_FOUND = "Drift Found"


class EventBridgeEvents:
    def __init__(self, client: "EventBridgeClient", *, stack: str) -> None:
        self._client = client
        self._stack = stack

    def phase_changed(self, rollout: "RolloutItem", phase: "Phase", reason: str) -> None:
        detail = PhaseChanged(
            stack=self._stack,
            endpoint=rollout.endpoint,
            release_id=rollout.release_id,
            rollout_id=rollout.rollout_id,
            phase=phase,
            reason=reason,
            estimate=rollout.plan.estimate if rollout.plan and has_ended(phase) else None,
            gates=rollout.gates if has_ended(phase) else None,
        )
        self._put(DETAIL_TYPE, detail.wire(), f"rollout {rollout.rollout_id} is {phase}")

    def drift_found(self, drift: "DriftFound") -> None:
        self._put(DRIFT_FOUND, drift.wire(), f"{drift.subject} has drifted")

    def _put(self, detail_type: str, detail: dict[str, Any], what: str) -> None:
        entry: PutEventsRequestEntryTypeDef = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        with translated(f"telling that {what}"):
            reply = self._client.put_events(Entries=[entry])
        # PutEvents succeeds as a call even where it takes none of the events.
        if reply["FailedEntryCount"]:
            refused = reply["Entries"][0]
            raise ServiceUnavailableError(
                f"EventBridge did not take the event that {what}: "
                f"{refused.get('ErrorCode')}: {refused.get('ErrorMessage')}; try again"
            )
