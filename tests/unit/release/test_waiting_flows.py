"""Waiting for a turn and for an approval, over fakes: who is woken, by whom, with what."""

import pytest

from release.contracts.settings import PolicySettings
from release.contracts.steps import ApprovalStep, ExecutionInput, LeasedStep, RolloutStep
from release.domain.phases import Phase
from release.errors import AbortedError, HeldBackError, InvalidInputError, LeaseLostError, RolloutFailedError
from release.flows.records import LEASE_S
from tests.builders.artifacts import artifact
from tests.builders.house import ENDPOINT, House


@pytest.fixture
def house() -> House:
    return House()


def approval(house: House, step: LeasedStep, waits_with: str = "approval") -> bool:
    return house.approving.await_approval(ApprovalStep(**step.model_dump(), task_token=waits_with)).waiting


def wants_approval(house: House) -> None:
    house.policies.policies["chat"] = PolicySettings(require_approval=True)


def step_of(rollout_id: str) -> RolloutStep:
    return RolloutStep(endpoint="chat", rollout_id=rollout_id)


def by_hand(house: House, version: str) -> str:
    """A rollout that nobody overtakes, up to its plan."""
    prefix = f"models/chat/{version}/"
    house.artifacts.objects |= {prefix + path: body for path, body in artifact(version).items()}
    house.artifacts.objects[prefix + "manifest.json"] = b"{}"
    asked = {"endpoint": "chat", "artifact": prefix}
    rollout = house.registering.register(ExecutionInput(input=asked, execution_arn=f"arn:{version}")).rollout_id
    house.examining.examine(step_of(rollout))
    house.publishing.publish(step_of(rollout))
    house.plan(rollout)
    return rollout


def test_a_free_endpoint_s_turn_is_granted_at_once_and_once(house: House) -> None:
    step = house.leased(house.planned())

    again = house.asks(step.rollout_id, "after a time-out")

    assert house.waiters.answers[again] == {"leaseToken": step.lease_token}
    assert house.rollout(step).awaiting is None


def test_of_two_who_grant_the_same_turn_at_once_the_later_one_takes_nothing_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other looked when the lease was free and the rollout waited; both have changed before it grants."""
    step = house.leased(house.planned())
    house.table.await_signal(house.rollout(step), "turn", "answered by the first")
    house.waiters.gone.add("answered by the first")
    holders = iter([None])
    now = house.table.lease_holder
    monkeypatch.setattr(house.table, "lease_holder", lambda *asked: next(holders, now(*asked)))

    house.queue.grant_next("chat")

    lease = house.table.lease("chat")
    assert lease is not None
    assert (lease.holder, lease.token) == (step.rollout_id, step.lease_token)


def test_whoever_has_to_wait_says_for_whom_and_is_woken_when_that_has_ended(house: House) -> None:
    holder = house.created("v1")
    other = house.planned("v2")
    token = house.asks(other)
    assert token not in house.waiters.answers
    record = house.rollout(RolloutStep(endpoint="chat", rollout_id=other))
    assert (record.phase, record.awaiting) == (Phase.WAITING, "turn")
    assert holder.rollout_id in record.reason

    house.settle(holder, "failed", "States.Timeout")

    assert house.waiters.answers[token] == {"leaseToken": holder.lease_token + 1}


def test_a_turn_asked_for_again_replaces_the_token_that_ran_out(house: House) -> None:
    holder = house.created("v1")
    other = house.planned("v2")
    house.asks(other, "old")
    house.asks(other, "new")
    house.waiters.gone.add("old")

    house.settle(holder, "failed", "States.Timeout")

    assert house.waiters.answers.keys() & {"old", "new"} == {"new"}


def test_older_drops_are_sent_home_while_the_holder_still_works(house: House) -> None:
    house.created("v1")
    older = house.asks(house.planned("v2"))
    newer = house.asks(house.planned("v3"))

    error, sentence = house.waiters.answers[older]
    assert error == "OvertakenError"
    assert "takes the place" in sentence
    assert newer not in house.waiters.answers


def test_a_waiter_that_died_does_not_stand_in_the_way(house: House) -> None:
    holder = house.created("v1")
    dead, alive = house.asks(by_hand(house, "v2")), house.asks(by_hand(house, "v3"))
    house.waiters.gone.add(dead)

    house.settle(holder, "failed", "States.Timeout")

    assert house.waiters.answers[alive]["leaseToken"] > holder.lease_token


def test_a_dead_holder_is_recovered_when_a_waiter_asks_again(house: House) -> None:
    holder = house.created("v1")
    other = by_hand(house, "v2")
    house.asks(other)
    house.now.forward(LEASE_S + 1)

    token = house.asks(other, "five minutes later")

    assert house.waiters.answers[token] == {"leaseToken": holder.lease_token + 1}
    with pytest.raises(LeaseLostError):
        house.shifting.shift(holder)


def test_nobody_asks_for_a_turn_after_the_end(house: House) -> None:
    step = house.created()
    house.settle(step, "failed", "States.Timeout")

    with pytest.raises(RolloutFailedError, match="has ended as failed"):
        house.asks(step.rollout_id)


def test_a_rollback_goes_first_and_asks_the_holder_to_end(house: House) -> None:
    first = house.live("v1")
    holder = house.created("v2")
    early = house.asks(by_hand(house, "v3"))
    back = house.choosing.choose(ExecutionInput(input={"endpoint": "chat", "to": release_of(first)}, execution_arn="b"))
    house.plan(back.rollout_id)
    token = house.asks(back.rollout_id)

    abort = house.rollout(holder).abort
    assert abort is not None
    assert back.rollout_id in abort.by
    with pytest.raises(AbortedError):
        house.shifting.shift(holder)
    assert house.settle(holder, "failed", "AbortedError", "it ends").phase is Phase.ABORTED
    assert "leaseToken" in house.waiters.answers[token]
    assert early not in house.waiters.answers


def test_a_rollback_waits_for_a_rollout_that_crossed_its_finish_line(house: House) -> None:
    first = house.live("v1")
    holder = house.shifted("v2")
    house.baked(holder)
    house.serving.arrive(ENDPOINT)
    house.watching.watch(holder)
    back = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="back"))
    house.plan(back.rollout_id)

    house.asks(back.rollout_id)

    assert back.release_id == release_of(first), "what served when the person looked"
    assert house.rollout(holder).abort is None
    assert "crossed its finish line" in house.rollout(step_of(back.rollout_id)).reason


def test_a_paused_rollout_lets_others_go_first_and_goes_when_it_is_resumed(house: House) -> None:
    house.push()
    paused = by_hand(house, "v1")
    house.operate("pause", rollout=paused)
    token = house.asks(paused)
    assert token not in house.waiters.answers

    other = house.leased(by_hand(house, "v2"))
    house.settle(other, "failed", "States.Timeout")
    assert token not in house.waiters.answers

    house.operate("resume", rollout=paused)
    assert "leaseToken" in house.waiters.answers[token]


def test_a_frozen_endpoint_takes_nothing_but_a_rollback_until_it_is_unfrozen(house: House) -> None:
    house.live("v1")
    last = house.live("v2")
    house.operate("freeze")
    token = house.asks(by_hand(house, "v3"))
    assert token not in house.waiters.answers

    back = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="back"))
    house.plan(back.rollout_id)
    step = house.leased(back.rollout_id)
    assert step.lease_token > last.lease_token
    house.settle(step, "failed", "States.Timeout")

    house.operate("unfreeze")
    assert "leaseToken" in house.waiters.answers[token]


def test_a_freeze_ends_by_itself(house: House) -> None:
    house.push()
    house.operate("freeze", until="2026-11-23T13:00:00.000Z")
    rollout = by_hand(house, "v1")
    assert house.asks(rollout, "before") not in house.waiters.answers

    house.now.forward(3600)

    assert "leaseToken" in house.waiters.answers[house.asks(rollout, "after")]


def test_nothing_waits_for_an_approval_that_nobody_requires(house: House) -> None:
    step = house.created()

    assert not approval(house, step)
    assert house.waiters.answers["approval"] == {}


def test_an_approval_that_is_required_lets_the_traffic_move_when_it_is_given(house: House) -> None:
    wants_approval(house)
    step = house.created()
    assert approval(house, step)
    assert "approval" not in house.waiters.answers

    assert house.operate("approve").sentence == f"rollout {step.rollout_id} is approved"

    assert house.waiters.answers["approval"] == {}
    assert house.rollout(step).awaiting is None
    assert not approval(house, step, "asked again")


def test_an_approval_given_early_is_remembered(house: House) -> None:
    wants_approval(house)
    step = house.created()
    house.operate("approve")

    assert not approval(house, step)


def test_a_pause_holds_an_approved_rollout(house: House) -> None:
    wants_approval(house)
    step = house.created()
    house.operate("pause")
    approval(house, step)

    assert "something else holds it back: ana paused it" in house.operate("approve").sentence
    assert "approval" not in house.waiters.answers
    house.operate("resume")
    assert house.waiters.answers["approval"] == {}


def test_a_freeze_that_ends_by_itself_wakes_whom_it_holds_back(house: House) -> None:
    house.operate("freeze", until="2026-11-23T13:00:00Z")
    assert house.wakeups.asked == [("chat", "2026-11-23T13:00:02.000Z")]
    token = house.asks(house.planned("v2"))
    house.operate("wake")
    assert token not in house.waiters.answers

    house.now.forward(3603)
    house.operate("wake", at="2026-11-23T13:00:02.000Z")

    assert "leaseToken" in house.waiters.answers[token]


def test_a_freeze_without_an_end_wakes_nobody(house: House) -> None:
    house.operate("freeze")

    assert house.wakeups.asked == []


def test_a_freeze_holds_a_rollout_before_its_traffic_moves(house: House) -> None:
    step = house.created()
    house.operate("freeze")
    assert approval(house, step)

    house.operate("unfreeze")

    assert house.waiters.answers["approval"] == {}


def test_a_rollback_needs_no_approval(house: House) -> None:
    house.live("v1")
    house.live("v2")
    wants_approval(house)
    back = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="back"))
    house.plan(back.rollout_id)
    step = house.leased(back.rollout_id)
    house.creating.create(step)

    assert not approval(house, step)


def test_waiting_for_an_approval_keeps_the_lease(house: House) -> None:
    wants_approval(house)
    step = house.created()
    for number in range(4):
        approval(house, step, f"poll {number}")
        house.now.forward(301)

    house.shifting.shift(step)


def test_only_what_has_not_begun_to_shift_can_be_paused_or_approved(house: House) -> None:
    house.live()
    step = house.shifted("v2")

    for verb in ("pause", "approve"):
        with pytest.raises(InvalidInputError, match="no lever but abort"):
            house.operate(verb)
    house.serving.arrive(ENDPOINT)
    house.settle(step, "live")
    with pytest.raises(InvalidInputError, match="has ended as live"):
        house.operate("pause", rollout=step.rollout_id)


@pytest.mark.parametrize("verb", ["pause", "freeze"])
def test_who_pauses_or_freezes_after_the_last_stop_and_before_traffic_is_heeded(house: House, verb: str) -> None:
    """A pause is possible until `shifting`, and alarms may take minutes to say OK."""
    house.live()
    step = house.created("v2")
    assert not approval(house, step)
    house.operate(verb)

    with pytest.raises(HeldBackError, match="no traffic has moved: ana"):
        house.shifting.shift(step)
    assert house.serving.updates == []
    assert approval(house, step, "again")
    house.operate({"pause": "resume", "freeze": "unfreeze"}[verb])
    assert house.waiters.answers["again"] == {}
    house.shifting.shift(step)
    house.operate("freeze")
    house.shifting.shift(step)
    assert len(house.serving.updates) == 1


def release_of(step: RolloutStep) -> str:
    return step.rollout_id.partition("-")[0]
