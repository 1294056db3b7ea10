"""How rollouts end, over fakes: who serves, what the record says, what people hear, who holds the lease."""

from dataclasses import replace

import pytest

from release.contracts.steps import ExecutionInput, FollowStep, LeasedStep, RolloutStep
from release.domain.phases import Phase
from release.errors import (
    EndpointBusyError,
    InvalidInputError,
    LeaseLostError,
    RolloutFailedError,
)
from release.flows.gate_records import gate_item
from release.flows.records import fence_of
from release.flows.settling import sentence_of
from tests.builders.house import ENDPOINT, House


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("reason", ["", "alarm x is in ALARM"])
def test_a_rollback_by_sagemaker_is_lost_and_settled_as_rolled_back(house: House, reason: str) -> None:
    first = house.live()
    step = house.created("v2")
    house.shifting.shift(step)
    house.serving.roll_back(ENDPOINT, reason)

    with pytest.raises(RolloutFailedError) as lost:
        house.watching.watch(step)
    settled = house.settle(step, "failed", "RolloutFailedError", str(lost.value))

    assert settled.phase is Phase.ROLLED_BACK
    assert house.config_name(first) in settled.reason
    assert house.table.lease_holder("chat", "2026-11-23T12:00:01.000Z") is None


def test_people_hear_how_to_undo_a_release_that_replaced_another(house: House) -> None:
    """The command names the release, so that it means the same when a third one has gone live meanwhile."""
    first = house.live()
    step = house.live("v2")

    back = f"slipway rollback chat --to {first.rollout_id.partition('-')[0]}"
    assert [told.undo for told in house.notices.told] == ["", back]
    assert house.notices.told[-1].rollout_id == step.rollout_id


def test_people_hear_which_gate_and_which_alarm_brought_blue_back_and_where_to_look(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    evidence = {"requests": "250", "errors": "31"}
    fence = fence_of(step, house.now())
    judged = gate_item("bake", "failed", "31 of 250 answers were errors", evidence, house.now())
    house.table.judge_gate(house.rollout(step), judged, fence)
    guard = f"{house.config_name(step)}-guard"
    house.alarms.said[guard] = "ALARM"
    house.serving.roll_back(ENDPOINT)

    house.settle(step, "failed", "RolloutFailedError", "green was lost")

    told = house.notices.told[-1]
    assert told.evidence == ("bake failed: 31 of 250 answers were errors (requests 250, errors 31)",)
    assert f"in ALARM: {guard}; the endpoint serves" in told.reason
    assert told.look == f"slipway releases show {told.release_id} --endpoint chat"


def test_without_a_lease_nothing_goes_live(house: House) -> None:
    rollout = house.planned()
    step = LeasedStep(endpoint="chat", rollout_id=rollout, lease_token=1)

    with pytest.raises(LeaseLostError, match="never held the lease"):
        house.settle(step, "live")


def test_a_release_that_is_live_already_is_skipped_unless_another_rollout_is_under_way(house: House) -> None:
    house.live()
    again = house.seal("models/chat/v1/manifest.json", version_id="8")
    assert again is not None
    step = RolloutStep(endpoint="chat", rollout_id=again)
    assert house.plan(again).already_live

    moving = house.created("v2")
    assert not house.plan(again).already_live
    house.settle(moving, "failed", "States.Timeout")

    settled = house.settle(LeasedStep(endpoint="chat", rollout_id=again, lease_token=1), "live")
    assert settled.phase is Phase.SKIPPED
    assert house.following.follow(FollowStep(**step.model_dump(), release_id=again.partition("-")[0])).live


def test_green_that_serves_unproved_needs_a_person(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.shifting.shift(step)
    house.serving.arrive(ENDPOINT)

    settled = house.settle(step, "failed", "RolloutFailedError", "the live probe failed")

    assert settled.phase is Phase.STUCK
    assert settled.reason.startswith("the live probe failed; ")


def test_an_accepted_update_whose_record_was_lost_counts_as_begun(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.shifting.shift(step)
    lost = house.rollout(step).model_copy(update={"phase": Phase.CREATING})
    house.table.items[lost.pk, lost.sk] = lost
    house.serving.roll_back(ENDPOINT)
    house.serving.endpoints[ENDPOINT] = replace(
        house.serving.endpoints[ENDPOINT], status="Updating", pending_config=house.config_name(step)
    )

    with pytest.raises(EndpointBusyError, match="still Updating"):
        house.settle(step, "failed", "States.Timeout")
    house.serving.arrive(ENDPOINT)
    assert house.settle(step, "failed", "States.Timeout").phase is Phase.STUCK


def test_a_failed_watch_is_settled_only_when_sagemaker_has_finished_what_it_began(house: House) -> None:
    """Otherwise the record would say what serves before anybody can know."""
    first = house.live()
    step = house.created("v2")
    house.shifting.shift(step)

    with pytest.raises(EndpointBusyError, match="recorded when it rests"):
        house.settle(step, "failed", "Lambda.Unknown", "the watch crashed")

    assert house.rollout(step).phase is Phase.SHIFTING
    assert house.table.lease_holder("chat", "2026-11-23T12:00:01.000Z") == step.rollout_id
    assert [told.rollout_id for told in house.notices.told] == [first.rollout_id]


def test_a_first_release_that_is_still_being_created_is_deleted_when_that_has_ended(house: House) -> None:
    step = house.created()
    house.shifting.shift(step)
    with pytest.raises(EndpointBusyError):
        house.settle(step, "failed", "States.Timeout")
    house.serving.arrive(ENDPOINT)

    assert house.settle(step, "failed", "States.Timeout").phase is Phase.FAILED
    assert ENDPOINT not in house.serving.endpoints


def test_after_a_stuck_rollout_the_way_back_is_the_last_release_that_was_proved(house: House) -> None:
    house.live()
    proved = house.live("v2")
    step = house.created("v3")
    house.shifting.shift(step)
    house.serving.arrive(ENDPOINT)
    house.settle(step, "failed", "RolloutFailedError", "the live probe failed")

    chosen = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back"))

    told = house.notices.told[-1]
    assert told.undo == f"slipway rollback chat --to {chosen.release_id}"
    assert told.look == "slipway why chat"
    assert chosen.release_id == proved.rollout_id.partition("-")[0]
    assert not house.plan(chosen.rollout_id).already_live


def test_a_rollout_that_another_has_superseded_meanwhile_has_done_its_work(house: House) -> None:
    first = house.live()
    house.live("v2")

    release_id = first.rollout_id.partition("-")[0]
    followed = house.following.follow(FollowStep(endpoint="chat", rollout_id=first.rollout_id, release_id=release_id))

    assert (followed.phase, followed.ended, followed.live) == (Phase.SUPERSEDED, True, True)


def test_whoever_lost_the_lease_closes_only_its_own_record(house: House) -> None:
    step = house.created()
    house.shifting.shift(step)
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], status="Failed")
    house.now.forward(10_000)
    other = house.planned("v2")
    house.leased(other)

    settled = house.settle(step, "failed", "LeaseLostError", "it took too long")

    assert settled.phase is Phase.FAILED
    assert ENDPOINT in house.serving.endpoints
    assert house.table.lease_holder("chat", "2026-11-23T12:00:00.000Z") == other


def test_a_failure_says_what_the_function_said() -> None:
    assert sentence_of('{"errorType": "X", "errorMessage": "no GPU", "stackTrace": []}') == "no GPU"
    assert sentence_of("plain text") == "plain text"
    assert sentence_of('{"other": 1}') == '{"other": 1}'
    assert sentence_of("[1]") == "[1]"
    assert sentence_of("") == ""


def test_a_step_taken_after_the_rollout_has_ended_changes_nothing(house: House) -> None:
    step = house.created()
    house.settle(step, "failed", "States.Timeout")
    ended = house.rollout(step)

    with pytest.raises(LeaseLostError):
        house.shifting.shift(step)
    with pytest.raises(RolloutFailedError, match="is failed and cannot become creating"):
        house.creating.create(step)
    again = ExecutionInput(input={"endpoint": "chat", "rolloutId": step.rollout_id}, execution_arn="arn")
    with pytest.raises(InvalidInputError, match="has ended as failed"):
        house.registering.register(again)
    assert house.rollout(step) == ended
