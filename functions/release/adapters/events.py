"""Telling whoever listens, through EventBridge's default bus."""

import json
from typing import TYPE_CHECKING

from release.adapters.aws import translated
from release.contracts.machines import PhaseChanged
from release.domain.phases import has_ended
from release.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from release.contracts.table import RolloutItem
    from release.domain.phases import Phase

SOURCE, DETAIL_TYPE = "slipway", "Rollout Phase Changed"


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
        )
        with translated(f"telling that rollout {rollout.rollout_id} is {phase}"):
            reply = self._client.put_events(
                Entries=[{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail.wire())}]
            )
        # PutEvents succeeds as a call even where it takes none of the events.
        if reply["FailedEntryCount"]:
            refused = reply["Entries"][0]
            raise ServiceUnavailableError(
                f"EventBridge did not take the event that rollout {rollout.rollout_id} is {phase}: "
                f"{refused.get('ErrorCode')}: {refused.get('ErrorMessage')}; try again"
            )
