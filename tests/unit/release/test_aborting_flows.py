"""Ending a rollout at every moment, over fakes: what serves afterwards, what the record and the ledger say."""

from typing import TYPE_CHECKING

import pytest

from release.contracts.steps import ApprovalStep, ExecutionInput, FollowStep, LeasedStep, RolloutStep, Settlement
from release.domain.ledger import Head, verify_chain
from release.domain.phases import Phase
from release.errors import AbortedError, EndpointBusyError, InvalidInputError, LeaseLostError
from tests.builders.house import ENDPOINT, House

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def house() -> House:
    return House()


def ended(house: House, step: LeasedStep, error: BaseException) -> Phase:
    return house.settle(step, "failed", type(error).__name__, str(error)).phase


def release_of(step: RolloutStep) -> str:
    return step.rollout_id.partition("-")[0]


def test_an_abort_of_a_waiting_rollout_ends_it_at_once(house: House) -> None:
    house.live()
    house.created("v2")
    waits = house.planned("v3")
    token = house.asks(waits)

    house.operate("abort", rollout=waits)

    assert house.waiters.answers[token] == ("AbortedError", "ana asked for its end: because")
    step = RolloutStep(endpoint="chat", rollout_id=waits)
    assert house.settle(step, "failed", *house.waiters.answers[token]).phase is Phase.ABORTED


@pytest.mark.parametrize("moment", ["examine", "plan", "turn", "create", "preflight", "approval", "shift"])
def test_an_abort_before_traffic_ends_the_rollout_at_its_next_step(house: House, moment: str) -> None:
    house.live()
    rollout = house.drop("v2")
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    leased = LeasedStep(endpoint="chat", rollout_id=rollout, lease_token=2)
    steps: dict[str, Callable[[], object]] = {
        "examine": lambda: house.examining.examine(step),
        "plan": lambda: house.plan(rollout),
        "turn": lambda: house.asks(rollout),
        "create": lambda: house.creating.create(leased),
        "preflight": lambda: house.preflighting.start(leased),
        "approval": lambda: house.approving.await_approval(ApprovalStep(**leased.model_dump(), task_token="t")),
        "shift": lambda: house.shifting.shift(leased),
    }
    for name, take in steps.items():
        if name == moment:
            house.operate("abort", rollout=rollout)
            with pytest.raises(AbortedError, match="ana asked for its end: because"):
                take()
            break
        take()
        if name == "examine":
            house.publishing.publish(step)

    assert ended(house, leased, AbortedError("ana asked for its end")) is Phase.ABORTED
    assert house.serving.updates == []
    assert house.table.lease_holder("chat", "2026-11-23T12:00:00.000Z") is None


def test_an_abort_while_green_comes_up_trips_the_alarm_and_blue_serves_again(house: House) -> None:
    first = house.live()
    step = house.shifted("v2")

    sentence = house.operate("abort").sentence

    assert "abort alarm trips within 30 s" in sentence
    assert house.metrics.aborts == [step.rollout_id]
    house.watching.watch(step)
    assert house.metrics.aborts == [step.rollout_id] * 2, "the watch says it again, in case it was lost"
    house.serving.roll_back(ENDPOINT)
    with pytest.raises(AbortedError, match="ana asked for its end: because; SageMaker rolled back") as aborted:
        house.watching.watch(step)
    settled = house.settle(step, "failed", "AbortedError", str(aborted.value))
    assert (settled.phase, settled.error) == (Phase.ABORTED, "ReleaseAborted")
    assert house.config_name(first) in settled.reason
    assert house.alarms.own == {}
    assert house.alarms.guards == {}


def test_an_abort_that_comes_too_late_is_told_with_the_way_back(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    house.baked(step)
    house.operate("abort")
    house.serving.arrive(ENDPOINT)
    house.watching.watch(step)

    settled = house.settle(step, "live")

    assert settled.phase is Phase.LIVE
    assert "the abort that ana asked for came after the finish line" in settled.reason


def test_after_the_finish_line_an_abort_is_refused_with_the_way_back(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    house.baked(step)
    house.serving.arrive(ENDPOINT)
    house.watching.watch(step)

    with pytest.raises(InvalidInputError, match=r"crossed its finish line at .*; bring another release back instead"):
        house.operate("abort")
    house.settle(step, "live")
    with pytest.raises(InvalidInputError, match="has ended as live; bring another release back instead"):
        house.operate("abort", rollout=step.rollout_id)
    assert house.metrics.aborts == []


def test_a_first_release_is_aborted_by_deleting_what_was_made_for_it(house: House) -> None:
    step = house.shifted()
    house.operate("abort")
    house.serving.arrive(ENDPOINT)

    with pytest.raises(AbortedError) as aborted:
        house.watching.watch(step)

    assert ended(house, step, aborted.value) is Phase.ABORTED
    assert ENDPOINT not in house.serving.endpoints


def test_asking_for_the_end_twice_is_written_once(house: House) -> None:
    house.live()
    step = house.shifted("v2")

    house.operate("abort")
    house.operate("abort")

    lines = [line for line in house.table.ledger("chat") if line.event == "abortRequested"]
    assert [(line.actor, line.reason, line.rollout_id) for line in lines] == [("ana", "because", step.rollout_id)]


def test_what_failed_shall_not_go_live_while_the_settlement_waits(house: House) -> None:
    house.live()
    step = house.shifted("v2")

    with pytest.raises(EndpointBusyError):
        house.settle(step, "failed", "Lambda.Unknown", "the watch crashed")

    assert house.metrics.aborts == [step.rollout_id]


def test_every_look_at_the_endpoint_is_a_heartbeat(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    before = len(house.metrics.beats)

    for _ in range(3):
        house.watching.watch(step)

    assert house.metrics.beats[before:] == [step.rollout_id] * 3


@pytest.mark.parametrize("asked", [{}, {"to": "blue"}])
def test_a_rollback_while_blue_stands_ends_the_rollout_that_replaces_it(house: House, asked: dict[str, str]) -> None:
    first = house.live()
    step = house.shifted("v2")
    wish = {"endpoint": "chat"} | ({"to": release_of(first)} if asked else {})
    asking = ExecutionInput(input=wish, execution_arn="arn:back")

    chosen = house.choosing.choose(asking)

    assert (chosen.rollout_id, chosen.release_id) == (step.rollout_id, release_of(first))
    assert house.choosing.choose(asking) == chosen
    assert house.metrics.aborts
    house.serving.roll_back(ENDPOINT)
    ended(house, step, AbortedError("a rollback"))
    followed = house.following.follow(FollowStep.parse(chosen.wire()))
    assert (followed.phase, followed.ended, followed.live) == (Phase.ABORTED, True, True)


def test_a_rollback_that_ends_a_rollout_starts_no_second_execution(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    house.table.note_execution(house.rollout(step), "arn:by-hand")
    chosen = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back"))
    started = list(house.machine.started)

    answer = house.starting.start(RolloutStep(endpoint="chat", rollout_id=chosen.rollout_id))

    assert answer.execution_arn == "arn:by-hand"
    assert house.machine.started == started


def test_an_ended_rollout_that_went_live_nevertheless_is_not_told_as_rolled_back(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    asking = ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back")
    house.baked(step)
    chosen = house.choosing.choose(asking)
    house.serving.arrive(ENDPOINT)
    house.watching.watch(step)
    house.settle(step, "live")

    followed = house.following.follow(FollowStep.parse(chosen.wire()))

    assert (followed.phase, followed.ended, followed.live) == (Phase.LIVE, True, False)
    assert house.choosing.choose(asking) == chosen


def test_the_way_back_to_any_of_many_releases_is_open(house: House) -> None:
    steps = [house.live(f"v{number}") for number in range(1, 8)]

    for past in steps[:-1]:
        asked = ExecutionInput(input={"endpoint": "chat", "to": release_of(past)}, execution_arn=past.rollout_id)
        assert house.choosing.choose(asked).release_id == release_of(past)


def test_why_tells_what_serves_what_moves_and_what_comes_next(house: House) -> None:
    first = house.live()
    step = house.shifted("v2")
    waits = house.planned("v3")
    house.asks(waits)

    answer = house.operate("why")

    assert answer.why is not None
    assert (answer.why.live_release_id, answer.why.status) == (release_of(first), "Updating")
    assert answer.why.lease_holder == step.rollout_id
    assert answer.why.alarms == {f"{house.config_name(step)}-{name}": "OK" for name in ("guard", "abort", "dead-man")}
    told = {one.rollout_id: one for one in answer.why.rollouts}
    # Provisioning 1,800 s, download and health check 600 s each, and the bake of 300 s after noon: 12:55:00.
    assert "gives up at about 2026-11-23T12:55:00" in told[step.rollout_id].next
    assert (told[waits].phase, told[waits].awaiting) == (Phase.WAITING, "turn")
    assert "woken when its turn comes" in told[waits].next
    assert step.rollout_id in answer.sentence


def test_why_tells_when_the_bake_is_over(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    house.serving.bake(ENDPOINT)
    house.watching.watch(step)

    answer = house.operate("why")

    assert answer.why is not None
    assert "green bakes until about 2026-11-23T12:05:00" in answer.why.rollouts[0].next


def test_why_of_an_endpoint_that_nobody_has_heard_of_says_so(house: House) -> None:
    answer = house.operate("why")

    assert "has never served a release; SageMaker knows no such endpoint; no rollout is under way" in answer.sentence


def test_a_lease_taken_away_by_hand_goes_to_the_next_and_the_holder_can_write_no_more(house: House) -> None:
    house.live()
    holder = house.created("v2")
    token = house.asks(house.planned("v3"))

    house.operate("release-lease")

    assert house.waiters.answers[token]["leaseToken"] == holder.lease_token + 1
    with pytest.raises(LeaseLostError) as lost:
        house.shifting.shift(holder)
    assert ended(house, holder, lost.value) is Phase.FAILED
    with pytest.raises(InvalidInputError, match="nobody holds the lease of endpoint other"):
        house.operate("release-lease", endpoint="other")


def test_an_unproved_release_that_serves_can_be_adopted(house: House) -> None:
    first = house.live()
    step = house.shifted("v2")
    house.serving.arrive(ENDPOINT)
    assert house.settle(step, "failed", "RolloutFailedError", "the probe timed out").phase is Phase.STUCK

    house.operate("adopt")

    assert house.rollout(step).phase is Phase.LIVE
    assert house.rollout(first).phase is Phase.SUPERSEDED
    endpoint = house.table.endpoint("chat")
    assert endpoint is not None
    assert endpoint.live_rollout_id == step.rollout_id
    assert "as its record says" in house.operate("adopt").sentence


def test_only_what_a_rollout_made_and_rests_can_be_adopted(house: House) -> None:
    with pytest.raises(InvalidInputError, match="is gone; only one that rests"):
        house.operate("adopt")
    house.live()
    house.serving.endpoints[ENDPOINT] = house.serving.endpoints[ENDPOINT].__class__(
        "InService", "made-by-hand", "", False, 1, "", ""
    )
    with pytest.raises(InvalidInputError, match="made-by-hand, which no rollout made; drop its artifact instead"):
        house.operate("adopt")
    house.created("v2")
    with pytest.raises(InvalidInputError, match="changes endpoint chat now; abort it or wait"):
        house.operate("adopt")


def test_a_skipped_gate_is_in_the_record_with_who_wished_it(house: House) -> None:
    house.live()
    step = house.shifted("v2")

    house.operate("skip-gate", gate="bake")
    house.operate("skip-gate", gate="bake")

    skipped = house.rollout(step).skipped_gates or ()
    assert [(one.gate, one.by, one.reason) for one in skipped] == [("bake", "ana", "because")]
    with pytest.raises(InvalidInputError, match="no lever but abort"):
        house.operate("skip-gate", gate="preflight")


def test_a_verb_without_a_rollout_means_the_only_one_or_none(house: House) -> None:
    with pytest.raises(InvalidInputError, match="no rollout is under way"):
        house.operate("abort")
    house.push()
    first, second = house.drop("v1"), house.drop("v2")
    with pytest.raises(InvalidInputError, match=f"name one of .*{min(str(first), str(second))}"):
        house.operate("abort")
    with pytest.raises(InvalidInputError, match="is not paused; it is received"):
        house.operate("resume", rollout=str(first))


def test_a_freeze_in_the_past_and_an_unfreeze_of_nothing_are_refused(house: House) -> None:
    with pytest.raises(InvalidInputError, match="would have ended"):
        house.operate("freeze", until="2026-11-23T11:00:00.000Z")
    with pytest.raises(InvalidInputError, match="is not frozen"):
        house.operate("unfreeze")


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        ({"verb": "abort", "endpoint": "chat"}, "say with 'reason' why you abort"),
        ({"verb": "skip-gate", "endpoint": "chat", "reason": "x"}, "name with 'gate'"),
        ({"verb": "pause", "endpoint": "chat", "reason": "x", "gate": "bake"}, "name with 'gate'"),
        ({"verb": "pause", "endpoint": "chat", "reason": "x", "until": "2026-11-23T13:00:00Z"}, "'until' is when a"),
        ({"verb": "destroy", "endpoint": "chat", "reason": "x"}, "verb"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_with_what_is_missing(
    house: House, asked: dict[str, str], because: str
) -> None:
    with pytest.raises(InvalidInputError, match=because):
        house.operating.operate(ExecutionInput(input=asked, execution_arn="arn"))


def test_the_ledger_of_a_busy_day_is_whole_and_tells_every_phase(house: House) -> None:
    house.live("v0")
    house.live()
    step = house.shifted("v2")
    house.operate("abort")
    house.serving.roll_back(ENDPOINT)
    ended(house, step, AbortedError("ana"))
    house.operate("freeze")
    house.operate("unfreeze")

    lines, endpoint = house.table.ledger("chat"), house.table.endpoint("chat")

    assert endpoint is not None
    head = Head(endpoint.ledger_seq or 0, endpoint.ledger_hash or "")
    assert verify_chain([line.wire() for line in lines], head) is None
    phases = [line.phase for line in lines if line.rollout_id == step.rollout_id and line.phase]
    assert phases == [entry.phase for entry in house.rollout(step).history]
    told = [phase for rollout_id, phase in house.table.told if rollout_id == step.rollout_id]
    assert told == phases


def test_a_step_that_finds_its_phase_written_tells_it_again(house: House) -> None:
    house.live()
    step = house.shifted("v2")
    told = house.table.told.count((step.rollout_id, Phase.SHIFTING))

    house.shifting.shift(step)

    assert house.table.told.count((step.rollout_id, Phase.SHIFTING)) == told + 1
    assert len(house.serving.updates) == 1


def test_an_execution_settles_no_rollout_but_its_own(house: House) -> None:
    step = house.created()
    house.table.note_execution(house.rollout(step), "arn:its own")

    wish = {"endpoint": "chat", "rolloutId": step.rollout_id, "outcome": "failed", "error": "X", "cause": "a bug"}
    settled = house.settling.settle(Settlement.parse({**wish, "executionArn": "arn:another"}))

    assert (settled.well, settled.error, settled.reason) == (False, "RolloutFailed", "a bug")
    assert house.rollout(step).phase is Phase.CREATING


def test_an_execution_that_failed_before_it_knew_its_rollout_settles_the_one_it_made(house: House) -> None:
    house.push()
    house.drop("v1")
    asked = {"endpoint": "chat", "artifact": "models/chat/v1"}
    made = house.registering.register(ExecutionInput(input=asked, execution_arn="arn:by-hand"))

    lost = {"endpoint": "chat", "rolloutId": "", "outcome": "failed", "error": "States.Timeout", "cause": ""}
    house.settling.settle(Settlement.parse({**lost, "executionArn": "arn:by-hand"}))
    nothing = house.settling.settle(Settlement.parse({**lost, "executionArn": "arn:nobody's"}))

    assert house.rollout(RolloutStep(endpoint="chat", rollout_id=made.rollout_id)).phase is Phase.FAILED
    assert (nothing.well, nothing.error) == (False, "RolloutFailed")
