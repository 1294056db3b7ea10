"""What the judge looks at when traffic is about to move, and the way on from an endpoint whose making failed."""

from random import Random
from typing import Any

import pytest

from release.contracts.settings import PolicySettings
from release.contracts.table import EndpointItem, LeaseItem
from release.domain.truth import EndpointState
from simulation.schedules import drop_it, operate, push_it
from simulation.serving import Fate
from simulation.timeline import Invocation
from simulation.world import Dropped, World
from tests.builders.records import AT, rollout

ROLLOUT = f"{'a' * 12}-1"
CONFIG = f"slipway-chat-{ROLLOUT}"
GUARD, ABORT, DEAD_MAN = (f"{CONFIG}-{alarm}" for alarm in ("guard", "abort", "dead-man"))
MARK = {"by": "ana", "reason": "because", "at": AT}


def about_to_shift(**changes: Any) -> World:
    """A rollout that holds the lease, its alarms OK, blue at rest; a minute after everything was recorded."""
    world = World(Random(1))  # noqa: S311 - draws delays, keeps no secret
    world.serving.endpoints["slipway-chat"] = EndpointState("InService", "slipway-chat-blue", "", False, 1, "", "")
    world.alarms.ensure_guard(GUARD, endpoint_name="slipway-chat", config_name=CONFIG)
    world.alarms.ensure_abort(ABORT, rollout_id=ROLLOUT)
    world.alarms.ensure_dead_man(DEAD_MAN, rollout_id=ROLLOUT)
    world.table._put(rollout(ROLLOUT, phase="creating", **({"leaseToken": 1} | changes)))
    lease = {"pk": "endpoint#chat", "sk": "lease", "holder": ROLLOUT, "token": 1, "expiresAt": AT}
    world.table._put(LeaseItem.parse(lease))
    world.timeline.now_s = 60.0
    return world


def broken_by_an_update(world: World, *alarms: str) -> list[str]:
    event = {"endpoint": "chat", "rolloutId": ROLLOUT}
    by = Invocation(world.timeline, lambda: None, function="shift_traffic", event=event)
    world.judge.called("serving", "update_endpoint", ("slipway-chat", CONFIG), {"alarms": alarms}, by)
    return [violation.partition(":")[0] for violation in world.judge.violations]


def test_an_update_that_everything_allows_breaks_nothing() -> None:
    assert broken_by_an_update(about_to_shift(), GUARD, ABORT, DEAD_MAN) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"paused": MARK}, id="it is paused"),
        pytest.param({"abort": MARK}, id="somebody asked for its end"),
    ],
)
def test_traffic_that_moves_against_somebody_s_word_is_seen(changes: dict[str, Any]) -> None:
    world = about_to_shift(**changes)

    assert broken_by_an_update(world, GUARD, ABORT, DEAD_MAN) == ["8 people are heeded"]


@pytest.mark.parametrize(
    ("kind", "until", "seen"),
    [
        pytest.param("drop", None, ["8 people are heeded"], id="until somebody unfreezes it"),
        pytest.param("drop", "2026-11-23T12:01:01.000Z", ["8 people are heeded"], id="for a second more"),
        pytest.param("drop", "2026-11-23T12:00:59.000Z", [], id="it ended a second ago"),
        pytest.param("rollback", None, [], id="a rollback goes on through a freeze"),
    ],
)
def test_traffic_that_moves_through_a_freeze_is_seen(kind: str, until: str | None, seen: list[str]) -> None:
    world = about_to_shift(kind=kind)
    frozen = MARK | ({"until": until} if until else {})
    record = {"pk": "endpoint#chat", "sk": "endpoint", "endpoint": "chat", "frozen": frozen, "updatedAt": AT}
    world.table._put(EndpointItem.parse(record))

    assert broken_by_an_update(world, GUARD, ABORT, DEAD_MAN) == seen


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        pytest.param({}, ["8 people are heeded"], id="nobody has approved it"),
        pytest.param({"approval": MARK}, [], id="ana has approved it"),
        pytest.param({"kind": "rollback"}, [], id="a rollback needs none"),
    ],
)
def test_traffic_that_moves_without_an_approval_is_seen(changes: dict[str, Any], seen: list[str]) -> None:
    world = about_to_shift(**changes)
    world.policies.policies["chat"] = PolicySettings(require_approval=True)

    assert broken_by_an_update(world, GUARD, ABORT, DEAD_MAN) == seen


def test_an_update_without_its_dead_man_is_seen() -> None:
    assert broken_by_an_update(about_to_shift(), GUARD, ABORT) == ["10 every update has its alarms"]


def test_an_update_before_an_alarm_has_said_ok_is_seen() -> None:
    world = about_to_shift()
    world.alarms.said[ABORT] = "INSUFFICIENT_DATA"

    assert broken_by_an_update(world, GUARD, ABORT, DEAD_MAN) == ["10 every update has its alarms"]


def test_an_update_that_is_asked_for_twice_is_seen() -> None:
    world = about_to_shift()
    world.serving.endpoints["slipway-chat"] = EndpointState("InService", CONFIG, "", False, 1, "", "")

    assert broken_by_an_update(world, GUARD, ABORT, DEAD_MAN) == ["5 asked once"]


def test_a_rollback_that_succeeds_and_brings_nothing_back_is_seen() -> None:
    world = World(Random(1))  # noqa: S311 - draws delays, keeps no secret
    world.table._put(rollout(ROLLOUT, phase="failed", kind="rollback"))
    followed = world.executions.start("rollback", "back", {"endpoint": "chat"})
    followed.status = "SUCCEEDED"
    followed.output = {"endpoint": "chat", "releaseId": "a" * 12, "rolloutId": ROLLOUT}

    world.judge.execution_ended(followed)

    assert [violation.partition(":")[0] for violation in world.judge.violations] == ["9 success means live"]


def test_a_first_release_that_failed_after_its_lease_was_taken_by_force_blocks_no_later_drop() -> None:
    """Nobody settles what it left: the endpoint stands, Failed, until the next drop makes it anew."""
    world = World(Random(1))  # noqa: S311 - draws delays, keeps no secret
    push_it(world, 1, [0.0])
    world.timeline.wait(10)
    drop_it(world, Dropped("chat", "v1", Fate.NEVER_UP), [0.0])
    while "slipway-chat" not in world.serving.changes:
        world.timeline.step()
    operate(world, "chat", "release-lease", "by-force")
    world.rest(86_400)
    left = world.serving.describe("slipway-chat")
    assert left is not None
    assert left.status == "Failed"

    drop_it(world, Dropped("chat", "v2"), [0.0])
    world.rest(86_400)

    state, record = world.serving.describe("slipway-chat"), world.table.endpoint("chat")
    assert state is not None
    assert record is not None
    assert (state.status, state.config_name) == ("InService", f"slipway-chat-{record.live_rollout_id}")
    assert world.judge.violations == []
