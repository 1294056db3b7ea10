"""The table's items as the client shows them, held to the contracts' own examples."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.records import EndpointState, Release, Rollout

EVENTS = Path(__file__).parents[3] / "events" / "table"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def example(name: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads((EVENTS / f"{name}.example.json").read_bytes())
    return item


def test_an_endpoint_is_read() -> None:
    state = EndpointState.of_item(example("endpoint"))

    assert (state.endpoint, state.live_release_id, state.live_rollout_id) == ("chat", "3f2a91c07d4e", "3f2a91c07d4e-1")
    assert state.last_good_release_id == ""


def test_a_release_is_read() -> None:
    release = Release.of_item(example("release"))

    assert (release.release_id, release.rollouts, release.created_at) == ("3f2a91c07d4e", 1, NOON)


def test_a_rollouts_history_ends_with_its_current_phase() -> None:
    rollout = Rollout.of_item(example("rollout"))

    assert [change.phase for change in rollout.history] == ["received", "shifting"]
    assert rollout.history[-1].reason == "UpdateEndpoint accepted"
    assert not rollout.ended
