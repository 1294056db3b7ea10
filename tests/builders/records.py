"""Records with sensible values, of which a test names only those that matter to it."""

from typing import Any

from release.contracts.config import Config
from release.contracts.table import HistoryEntry, ReleaseItem, RolloutItem, WaitingItem

AT = "2026-11-23T12:00:00.000Z"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slipway-inference@sha256:" + "0" * 64
CONFIG: dict[str, Any] = {
    "instanceTypes": ["ml.g5.4xlarge"],
    "instanceCount": 1,
    "maxInstanceCount": 5,
    "strategy": "auto",
    "stepPercent": 10,
    "stepWaitSeconds": 60,
    "bakeSeconds": 300,
    "preflight": False,
    "startupTimeoutSeconds": 600,
    "environment": {"SLIPWAY_THREADS": "2"},
}


def release(release_id: str = "a" * 12, endpoint: str = "chat", **changes: Any) -> ReleaseItem:
    return ReleaseItem(
        pk=f"endpoint#{endpoint}",
        sk=f"release#{release_id}",
        endpoint=endpoint,
        release_id=release_id,
        artifact_id=changes.get("artifact_id", "1" * 64),
        image=changes.get("image", IMAGE),
        config=Config.parse(CONFIG | changes.get("config", {})),
        rollouts=0,
        created_at=AT,
    )


def rollout(rollout_id: str = f"{'a' * 12}-1", phase: str = "received", **changes: Any) -> RolloutItem:
    endpoint = changes.pop("endpoint", "chat")
    plain = {
        "pk": f"endpoint#{endpoint}",
        "sk": f"rollout#{rollout_id}",
        "endpoint": endpoint,
        "rolloutId": rollout_id,
        "releaseId": rollout_id.partition("-")[0],
        "kind": "drop",
        "source": "s3://slipway-artifacts/models/chat/v1/",
        "phase": phase,
        "reason": "because",
        "history": [HistoryEntry.parse({"phase": phase, "at": AT, "reason": "because"}).wire()],
        "createdAt": AT,
        "updatedAt": AT,
    }
    return RolloutItem.parse(plain | changes)


def waiting(seal: str, at: str = AT) -> WaitingItem:
    return WaitingItem(
        pk="waiting", sk="endpoint#chat", endpoint="chat", prefix="models/chat/v1/", seal=seal, created_at=at
    )
