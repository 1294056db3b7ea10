"""The sweep over fakes: what was lost is started once, what died is settled, what drifted is mended or told once."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from release.contracts.steps import ExecutionInput, RolloutStep
from release.contracts.sweep import ReportStep
from release.contracts.table import EndpointItem, ImageItem
from release.domain.ledger import Happened, Head, verify_chain
from release.domain.phases import Phase
from release.domain.truth import ProbeAnswer
from release.errors import EndpointBusyError, InvalidInputError, SweepIncompleteError
from release.flows.sweep_report import report
from release.ports import Push, Written
from tests.builders.artifacts import artifact
from tests.builders.house import DIGEST, ENDPOINT
from tests.builders.records import IMAGE
from tests.builders.sweeps import Sweeper

OTHER = "sha256:" + "1" * 64


@pytest.fixture
def sweeper() -> Sweeper:
    return Sweeper()


def upload(sweeper: Sweeper, version: str, at: datetime | None = None) -> str:
    """A drop whose event nobody got; returns its seal's key."""
    prefix = f"models/chat/{version}/"
    sweeper.house.artifacts.objects |= {prefix + path: body for path, body in artifact(version).items()}
    sweeper.house.artifacts.objects[prefix + "manifest.json"] = b"{}"
    if at:
        sweeper.uploads.written_at[prefix + "manifest.json"] = at
    return prefix + "manifest.json"


def kinds(sweeper: Sweeper) -> list[tuple[str, bool]]:
    return [(str(drift.kind), drift.mended) for drift in sweeper.sweep().drift]


# Lost events ---------------------------------------------------------------------------------------------------------


def test_a_lost_drop_is_started_once_and_its_late_event_starts_nothing_more(sweeper: Sweeper) -> None:
    sweeper.house.push()
    key = upload(sweeper, "v1")

    (started,) = sweeper.sweep().started
    sweeper.runs(started)

    assert sweeper.sweep().started == ()
    assert sweeper.house.seal(key) == started
    assert sweeper.house.machine.started == [("chat", started)]


def test_a_drop_whose_event_may_still_come_is_left_to_it(sweeper: Sweeper) -> None:
    sweeper.house.push()
    upload(sweeper, "v1", at=sweeper.house.now.at - timedelta(minutes=9))

    assert sweeper.sweep().started == ()


def test_a_lost_drop_does_not_replace_a_later_one(sweeper: Sweeper) -> None:
    sweeper.house.live("v2")
    sweeper.uploads.written_at["models/chat/v2/manifest.json"] = sweeper.house.now.at - timedelta(minutes=20)
    upload(sweeper, "v1", at=sweeper.house.now.at - timedelta(minutes=30))

    swept = sweeper.sweep()

    assert swept.started == ()
    (passed_over,) = swept.passed_over
    rollout = sweeper.house.table.rollout("chat", passed_over)
    assert rollout is not None
    assert rollout.phase is Phase.SKIPPED
    assert "models/chat/v2/manifest.json was sealed later" in rollout.reason


def test_of_several_lost_drops_the_newest_is_started(sweeper: Sweeper) -> None:
    sweeper.house.push()
    for minutes, version in ((40, "v1"), (20, "v3"), (30, "v2")):
        upload(sweeper, version, at=sweeper.house.now.at - timedelta(minutes=minutes))

    swept = sweeper.sweep()

    assert len(swept.passed_over) == 2
    (started,) = swept.started
    rollout = sweeper.house.table.rollout("chat", started)
    assert rollout is not None
    assert rollout.source.endswith("models/chat/v3/")


def test_a_lost_drop_goes_out_where_the_later_one_was_refused(sweeper: Sweeper) -> None:
    sweeper.house.push()
    refused = sweeper.house.drop("v2")
    assert refused is not None
    sweeper.house.registering.register(_execution(refused))
    sweeper.house.settle(_step(refused), "failed", "ArtifactRejectedError", "a pickle")
    sweeper.uploads.written_at["models/chat/v2/manifest.json"] = sweeper.house.now.at - timedelta(minutes=20)
    upload(sweeper, "v1", at=sweeper.house.now.at - timedelta(minutes=30))

    assert len(sweeper.sweep().started) == 1


def test_one_drop_that_cannot_be_started_keeps_no_other_back(sweeper: Sweeper) -> None:
    sweeper.house.push()
    upload(sweeper, "v1", at=sweeper.house.now.at - timedelta(minutes=30))
    sweeper.house.settings.settings.clear()
    broken = upload(sweeper, "v2", at=sweeper.house.now.at - timedelta(minutes=20))
    read = sweeper.house.artifacts.read

    def refuse(key: str, **how: object) -> bytes:
        if key == broken:
            raise InvalidInputError("the settings break their contract")
        return read(key)

    sweeper.house.artifacts.read = refuse  # type: ignore[method-assign] # an error that the fake cannot be led to

    swept = sweeper.sweep()

    assert len(swept.passed_over) == 1
    assert [broken in problem for problem in swept.problems] == [True]


def test_more_objects_than_a_sweep_lists_are_a_problem_by_name(sweeper: Sweeper) -> None:
    sweeper.uploads.complete = False

    assert "lost drops may hide" in sweeper.sweep().problems[0]


def test_a_lost_push_reaches_the_endpoint_that_was_there(sweeper: Sweeper) -> None:
    sweeper.house.live()
    pushed_at = sweeper.house.now.at + timedelta(minutes=1)
    image = f"{IMAGE.partition('@')[0]}@{OTHER}"
    sweeper.pushes.pushed.append(Push(image, "release-2", pushed_at))
    sweeper.house.now.forward(3600)
    assert sweeper.find().endpoints == ("chat",)

    (started,) = sweeper.sweep().started

    rollout = sweeper.house.table.rollout("chat", started)
    assert rollout is not None
    assert rollout.kind == "push"
    sweeper.runs(started)
    assert sweeper.sweep().started == ()


def test_a_push_before_the_endpoint_s_first_rollout_was_not_lost(sweeper: Sweeper) -> None:
    sweeper.house.live()
    sweeper.house.now.forward(3600)

    assert sweeper.sweep().started == ()


def test_a_drop_that_waits_though_there_is_an_image_is_started(sweeper: Sweeper) -> None:
    assert sweeper.house.drop() is None
    at = "2026-11-23T12:00:30.000Z"
    # The push was remembered, and its handler died before it looked for waiting drops.
    sweeper.house.table.push_image(ImageItem(pk="image", sk="newest", image=IMAGE, tag="release-1", pushed_at=at))
    sweeper.house.now.forward(3600)

    assert len(sweeper.sweep().started) == 1


# Dead rollouts -------------------------------------------------------------------------------------------------------


def _step(rollout_id: str) -> RolloutStep:
    return RolloutStep(endpoint="chat", rollout_id=rollout_id)


def _execution(rollout_id: str) -> ExecutionInput:
    asked = {"endpoint": "chat", "rolloutId": rollout_id}
    return ExecutionInput(input=asked, execution_arn=f"arn:execution:{rollout_id}")


def test_a_rollout_whose_start_was_lost_is_started(sweeper: Sweeper) -> None:
    sweeper.house.push()
    rollout = sweeper.house.drop()
    assert rollout is not None
    sweeper.house.machine.started.clear()
    assert sweeper.sweep().started == (), "it may be starting just now"
    sweeper.house.now.forward(3600)

    assert sweeper.sweep().started == (rollout,)
    assert sweeper.house.machine.started == [("chat", rollout)]


def test_a_live_execution_is_left_alone(sweeper: Sweeper) -> None:
    step = sweeper.house.created()
    sweeper.runs(step.rollout_id)
    sweeper.house.now.forward(3600)

    assert sweeper.sweep().settled == ()
    assert sweeper.house.rollout(step).phase is Phase.CREATING


def test_a_dead_rollout_before_its_traffic_gives_the_lease_to_the_next(sweeper: Sweeper) -> None:
    dead = sweeper.house.created("v1")
    waits = sweeper.house.planned("v2")
    token = sweeper.house.asks(waits)
    sweeper.dies(dead.rollout_id)
    sweeper.runs(waits)

    assert sweeper.sweep().settled == (dead.rollout_id,)

    assert sweeper.house.rollout(dead).phase is Phase.FAILED
    assert "the sweep closes it" in sweeper.house.rollout(dead).reason
    assert "leaseToken" in sweeper.house.waiters.answers[token]
    assert sweeper.sweep().settled == ()
    assert len(sweeper.house.notices.told) == 1


def test_a_dead_rollout_that_moves_traffic_is_aborted_and_settled_when_sagemaker_rests(sweeper: Sweeper) -> None:
    first = sweeper.house.live("v1")
    dead = sweeper.house.shifted("v2")
    sweeper.runs(first.rollout_id)
    sweeper.dies(dead.rollout_id)

    with pytest.raises(EndpointBusyError):
        sweeper.sweep()
    assert sweeper.house.metrics.aborts == [dead.rollout_id]
    sweeper.house.serving.roll_back(ENDPOINT)

    assert sweeper.sweep().settled == (dead.rollout_id,)
    assert sweeper.house.rollout(dead).phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(("answerer", "phase"), [("", Phase.LIVE), ("f" * 12, Phase.STUCK)])
def test_a_dead_rollout_past_its_finish_line_goes_live_only_on_proof(
    sweeper: Sweeper,
    answerer: str,
    phase: Phase,
) -> None:
    sweeper.house.live("v1")
    dead = sweeper.house.shifted("v2")
    sweeper.house.baked(dead)
    sweeper.house.serving.arrive(ENDPOINT)
    sweeper.house.watching.watch(dead)
    release_id = answerer or dead.rollout_id.partition("-")[0]
    sweeper.house.probes.answers[ENDPOINT] = ProbeAnswer(release_id, dead.rollout_id, "")
    sweeper.dies(dead.rollout_id)

    assert dead.rollout_id in sweeper.sweep().settled
    assert sweeper.house.rollout(dead).phase is phase


def test_a_lease_that_only_the_dead_hold_is_freed(sweeper: Sweeper) -> None:
    step = sweeper.house.live()
    sweeper.house.table.take_lease(
        sweeper.house.rollout(step), now="2026-11-23T12:00:00.000Z", expires_at="2026-11-24T12:00:00.000Z"
    )

    sweeper.sweep()

    lease = sweeper.house.table.lease("chat")
    assert lease is not None
    assert lease.holder == ""


# Drift ---------------------------------------------------------------------------------------------------------------


def test_an_endpoint_as_its_record_says_has_not_drifted(sweeper: Sweeper) -> None:
    sweeper.house.live()

    assert kinds(sweeper) == []
    assert sweeper.news.told == []


def test_a_hand_made_update_is_told_once_and_its_end_once(sweeper: Sweeper) -> None:
    sweeper.house.live()
    serving = sweeper.house.serving
    as_it_was = serving.endpoints[ENDPOINT]
    serving.endpoints[ENDPOINT] = replace(as_it_was, config_name="by-hand")

    assert kinds(sweeper) == [("handMadeUpdate", False)]
    assert kinds(sweeper) == [("handMadeUpdate", False)]
    serving.endpoints[ENDPOINT] = as_it_was
    assert kinds(sweeper) == kinds(sweeper) == []

    lines = [line for line in sweeper.house.table.ledger("chat") if line.actor == "sweep"]
    assert [line.event for line in lines] == [Happened.DRIFT_FOUND, Happened.DRIFT_ENDED]
    assert [(str(drift.kind), drift.look) for drift in sweeper.news.told] == [("handMadeUpdate", "slipway why chat")]


def test_an_endpoint_under_a_lease_is_its_rollout_s_business(sweeper: Sweeper) -> None:
    sweeper.house.live("v1")
    step = sweeper.house.shifted("v2")
    sweeper.runs(step.rollout_id)
    sweeper.house.serving.endpoints.pop(ENDPOINT)

    assert kinds(sweeper) == []


@pytest.mark.parametrize(("status", "kind"), [("gone", "endpointGone"), ("Failed", "endpointFailed")])
def test_an_endpoint_that_serves_nobody_is_told_with_the_way_back(sweeper: Sweeper, status: str, kind: str) -> None:
    """The release that served is wanted, and not the one before it, to which a rollback without a name goes."""
    house = sweeper.house
    house.live("v1")
    release_id = house.live("v2").rollout_id.partition("-")[0]
    state = sweeper.house.serving.endpoints.pop(ENDPOINT)
    if status == "Failed":
        sweeper.house.serving.endpoints[ENDPOINT] = replace(state, status="Failed", failure="the disk is full")

    (drift,) = sweeper.sweep().drift

    (told,) = sweeper.news.told
    assert (str(drift.kind), told.undo) == (kind, f"slipway rollback chat --to {release_id}")
    assert drift.reason.endswith(told.undo)
    asked = ExecutionInput(input={"endpoint": "chat", "to": release_id}, execution_arn="arn:back")
    back = house.choosing.choose(asked)
    house.registering.register(_execution(back.rollout_id))
    assert (back.release_id, house.plan(back.rollout_id).already_live) == (release_id, False)


@pytest.mark.parametrize("what", ["models", "configs"])
def test_a_deleted_model_or_config_is_made_again_the_same(sweeper: Sweeper, what: str) -> None:
    step = sweeper.house.live()
    kept = getattr(sweeper.house.serving, what)
    before = dict(kept)
    del kept[sweeper.house.config_name(step)]

    assert sweeper.sweep(dry_run=True).drift[0].mended is False
    assert kept == {}
    assert [mended for _, mended in kinds(sweeper)] == [True]

    assert kept == before
    assert kinds(sweeper) == []


@pytest.mark.parametrize("how", ["gone", "suspended"])
def test_a_live_fleet_that_scales_no_more_scales_again(sweeper: Sweeper, how: str) -> None:
    sweeper.house.live()
    scaling = sweeper.house.scaling
    before = dict(scaling.bounds)
    assert before
    scaling.remove(ENDPOINT) if how == "gone" else scaling.suspend(ENDPOINT)

    assert kinds(sweeper) == [("scalingLost", True)]

    assert (scaling.bounds, scaling.suspended) == (before, set())
    assert kinds(sweeper) == []


def test_scaling_that_is_refused_is_told_with_the_refusal(sweeper: Sweeper) -> None:
    sweeper.house.live()
    sweeper.house.scaling.remove(ENDPOINT)
    sweeper.house.scaling.refused = "the account has no room for another target"

    (drift,) = sweeper.sweep().drift

    assert (str(drift.kind), drift.mended) == ("scalingLost", False)
    assert "no room for another target" in drift.reason


def test_a_suspension_under_a_lease_is_left_alone(sweeper: Sweeper) -> None:
    sweeper.house.live("v1")
    step = sweeper.house.shifted("v2")
    sweeper.runs(step.rollout_id)
    assert sweeper.house.scaling.suspended == {ENDPOINT}

    assert kinds(sweeper) == []
    assert sweeper.house.scaling.suspended == {ENDPOINT}


def test_a_deleted_alarm_of_a_rollout_that_moves_traffic_is_made_again(sweeper: Sweeper) -> None:
    sweeper.house.live("v1")
    step = sweeper.house.shifted("v2")
    sweeper.runs(step.rollout_id)
    gone = f"{sweeper.house.config_name(step)}-abort"
    sweeper.house.alarms.delete([gone])

    assert kinds(sweeper) == [("alarmGone", True)]
    assert gone in sweeper.house.alarms.own


def test_published_bytes_that_changed_are_named(sweeper: Sweeper) -> None:
    step = sweeper.house.live()
    release = sweeper.house.table.release("chat", step.rollout_id.partition("-")[0])
    assert release is not None
    prefix = f"published/{release.artifact_id}/"
    objects = sweeper.house.artifacts.objects
    objects[prefix + "config.json"] += b" "
    objects[prefix + "extra.bin"] = b"x"
    del objects[prefix + "tokenizer.json"]
    sweeper.uploads.more.append(Written("model.safetensors", "6", 1, "other", latest=False, deleted=False))

    subjects = {drift.subject.removeprefix(prefix): drift.reason for drift in sweeper.sweep().drift}

    assert subjects.keys() == {"config.json", "extra.bin", "tokenizer.json", "model.safetensors"}
    assert "its manifest says" in subjects["config.json"]
    assert "does not belong there" in subjects["extra.bin"]
    assert "is missing" in subjects["tokenizer.json"]
    assert "2 different contents" in subjects["model.safetensors"]


def test_published_bytes_without_their_manifest_are_named(sweeper: Sweeper) -> None:
    step = sweeper.house.live()
    release = sweeper.house.table.release("chat", step.rollout_id.partition("-")[0])
    assert release is not None
    del sweeper.house.artifacts.objects[f"published/{release.artifact_id}/manifest.json"]

    assert kinds(sweeper) == [("artifactChanged", False)]


def test_an_image_that_is_gone_and_a_tag_that_moved_are_told(sweeper: Sweeper) -> None:
    sweeper.house.live()
    sweeper.house.images.gone.add(f"{IMAGE.partition('@')[0]}@{DIGEST}")
    sweeper.pushes.tags["release-1"] = OTHER

    assert kinds(sweeper) == [("imageGone", False), ("tagMoved", False)]


def test_a_ledger_that_was_rewritten_is_told(sweeper: Sweeper) -> None:
    sweeper.house.live()
    table = sweeper.house.table
    line = table.ledger("chat")[2]
    table._put(line.model_copy(update={"reason": "nothing happened"}))

    (drift,) = sweeper.sweep().drift

    assert str(drift.kind) == "ledgerBroken"
    assert "line 3" in drift.subject


def test_what_the_sweep_tells_keeps_the_ledger_whole(sweeper: Sweeper) -> None:
    sweeper.house.live()
    sweeper.house.serving.endpoints.pop(ENDPOINT)
    sweeper.sweep()

    record = sweeper.house.table.endpoint("chat")
    assert isinstance(record, EndpointItem)
    assert record.ledger_seq
    assert record.ledger_hash
    lines = [line.wire() for line in sweeper.house.table.ledger("chat")]
    assert verify_chain(lines, Head(record.ledger_seq, record.ledger_hash)) is None


# The whole -----------------------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(sweeper: Sweeper) -> None:
    dead = sweeper.house.created("v1")
    sweeper.dies(dead.rollout_id)
    upload(sweeper, "v2")
    before = dict(sweeper.house.table.items)

    swept = sweeper.sweep(dry_run=True)

    assert swept.would == (f"settle rollout {dead.rollout_id}", "start models/chat/v2/manifest.json")
    assert sweeper.house.table.items == before


def test_the_work_is_every_endpoint_with_a_record_or_a_drop(sweeper: Sweeper) -> None:
    sweeper.house.live()
    sweeper.house.artifacts.objects |= {"models/other/v1/manifest.json": b"{}", "models/Not-One/v1/x": b""}

    assert sweeper.find().endpoints == ("chat", "other")
    assert sweeper.find(endpoint="other").endpoints == ("other",)


def test_a_failed_execution_s_endpoint_is_the_work(sweeper: Sweeper) -> None:
    sweeper.executions.inputs["arn:aws:states:x"] = {"endpoint": "chat", "rolloutId": "1"}
    sweeper.executions.inputs["arn:aws:states:y"] = "nonsense"

    assert sweeper.find(execution="arn:aws:states:x").endpoints == ("chat",)
    assert sweeper.find(execution="arn:aws:states:y").endpoints == ()
    assert sweeper.find(execution="arn:aws:states:gone").endpoints == ()


def test_a_report_adds_up_and_fails_by_name_where_an_endpoint_was_not_swept(sweeper: Sweeper) -> None:
    sweeper.house.live()
    sweeper.house.serving.endpoints.pop(ENDPOINT)
    swept = sweeper.sweep().wire()

    whole = report(ReportStep(results=[swept], dry_run=False))

    assert (whole.endpoints, whole.drift, whole.mended) == (1, 1, 0)
    with pytest.raises(SweepIncompleteError, match="1 of 2 endpoints were not swept: other: AccessDenied"):
        report(ReportStep(results=[swept, {"endpoint": "other", "failed": "AccessDenied"}], dry_run=False))
