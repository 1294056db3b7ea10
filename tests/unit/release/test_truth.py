from dataclasses import replace
from datetime import UTC, datetime

import pytest

from release.domain.outcome import (
    Aftermath,
    ending_after_traffic,
    ending_before_traffic,
    has_begun,
    must_be_deleted,
)
from release.domain.phases import Phase
from release.domain.rollback import NoRelease, PhaseEntered, last_good, live_at
from release.domain.truth import (
    EndpointState,
    ProbeAnswer,
    Progress,
    Verdict,
    judge_answer,
    judge_description,
    look,
)

IMAGE = "repository@sha256:" + "0" * 64
GREEN = EndpointState("InService", "green", "", baking=False, fleet_size=1, image=IMAGE, failure="")
STATUSES = {  # every EndpointStatus of SageMaker's service model
    "OutOfService": Progress.LOST,
    "Creating": Progress.MOVING,
    "Updating": Progress.MOVING,
    "SystemUpdating": Progress.MOVING,
    "RollingBack": Progress.MOVING,
    "InService": Progress.ARRIVED,
    "Deleting": Progress.MOVING,
    "Failed": Progress.LOST,
    "UpdateRollbackFailed": Progress.LOST,
}


@pytest.mark.parametrize(("status", "progress"), STATUSES.items())
def test_every_status_of_an_endpoint_means_something(status: str, progress: Progress) -> None:
    assert look(replace(GREEN, status=status), "green").progress is progress


@pytest.mark.parametrize(
    ("state", "progress", "because"),
    [
        pytest.param(None, Progress.LOST, "gone", id="no endpoint"),
        pytest.param(replace(GREEN, config_name="blue"), Progress.LOST, "gave no reason", id="a silent rollback"),
        pytest.param(
            replace(GREEN, config_name="blue", failure="alarm"),
            Progress.LOST,
            "on blue, not on green: alarm",
            id="told",
        ),
        pytest.param(
            replace(GREEN, config_name="blue", pending_config="green"), Progress.MOVING, "InService", id="not begun yet"
        ),
        pytest.param(
            replace(GREEN, status="Updating", baking=True), Progress.MOVING, "green serves and bakes", id="baking"
        ),
        pytest.param(replace(GREEN, status="Failed", failure="no GPU"), Progress.LOST, "Failed: no GPU", id="failed"),
    ],
)
def test_a_look_tells_what_it_saw(state: EndpointState | None, progress: Progress, because: str) -> None:
    seen = look(state, "green")

    assert seen.progress is progress
    assert because in seen.reason


@pytest.mark.parametrize(
    ("state", "verdict", "because"),
    [
        pytest.param(GREEN, Verdict.PASSED, "InService on green", id="all four hold"),
        pytest.param(None, Verdict.FAILED, "gone", id="no endpoint"),
        pytest.param(replace(GREEN, config_name="blue"), Verdict.FAILED, "rolled back", id="another config"),
        pytest.param(replace(GREEN, pending_config="x"), Verdict.INCONCLUSIVE, "nothing moves", id="still moving"),
        pytest.param(replace(GREEN, image=""), Verdict.INCONCLUSIVE, "does not say", id="an image untold"),
        pytest.param(
            replace(GREEN, image="repository@sha256:" + "1" * 64),
            Verdict.FAILED,
            "the release pins",
            id="another image",
        ),
    ],
)
def test_a_description_is_judged_by_all_its_conditions(
    state: EndpointState | None, verdict: Verdict, because: str
) -> None:
    judgement = judge_description(state, config_name="green", image=IMAGE)

    assert judgement.verdict is verdict
    assert because in judgement.reason


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(ProbeAnswer("r", "r-1", ""), Verdict.PASSED, id="the rollout itself answers"),
        pytest.param(ProbeAnswer("r", "r-2", ""), Verdict.FAILED, id="another rollout of the release"),
        pytest.param(ProbeAnswer("q", "q-1", ""), Verdict.FAILED, id="another release"),
        pytest.param(ProbeAnswer("", "", ""), Verdict.INCONCLUSIVE, id="an answer from nobody"),
        pytest.param(ProbeAnswer("", "", "ModelError: 500"), Verdict.FAILED, id="an error"),
    ],
)
def test_an_answer_proves_only_who_gave_it(answer: ProbeAnswer, verdict: Verdict) -> None:
    assert judge_answer(answer, release_id="r", rollout_id="r-1").verdict is verdict


@pytest.mark.parametrize(
    ("phase", "error", "end"),
    [
        ("received", "ArtifactRejectedError", "rejected"),
        ("received", "ArtifactIncompleteError", "rejected"),
        ("creating", "ArtifactRejectedError", "failed"),
        ("planned", "RolloutFailedError", "failed"),
        ("received", "States.Timeout", "failed"),
        ("planned", "OvertakenError", "skipped"),
        ("waiting", "OvertakenError", "skipped"),
    ],
)
def test_before_traffic_the_error_decides(phase: str, error: str, end: str) -> None:
    assert ending_before_traffic(Phase(phase), error).phase is Phase(end)


@pytest.mark.parametrize(
    ("state", "first", "end"),
    [
        pytest.param(replace(GREEN, config_name="blue"), False, "rolled_back", id="blue serves"),
        pytest.param(GREEN, False, "stuck", id="green serves unproved"),
        pytest.param(replace(GREEN, status="Failed"), False, "stuck", id="nothing serves"),
        pytest.param(replace(GREEN, status="UpdateRollbackFailed"), False, "stuck", id="a mix serves"),
        pytest.param(None, False, "stuck", id="somebody deleted it"),
        pytest.param(None, True, "failed", id="a first release that left nothing"),
    ],
)
def test_after_traffic_only_the_endpoint_tells_how_it_ended(
    state: EndpointState | None,
    first: bool,  # noqa: FBT001 - a table's column
    end: str,
) -> None:
    assert ending_after_traffic(Aftermath("green", first, state)).phase is Phase(end)


@pytest.mark.parametrize(
    ("state", "first", "deleted"),
    [
        pytest.param(replace(GREEN, status="Failed"), True, True, id="a first release that failed"),
        pytest.param(GREEN, True, True, id="a first release that was not proved"),
        pytest.param(GREEN, False, False, id="others are served by it"),
        pytest.param(replace(GREEN, config_name="blue"), True, False, id="it is somebody else's"),
        pytest.param(None, True, False, id="there is none"),
    ],
)
def test_only_a_failed_first_release_takes_its_endpoint_along(
    state: EndpointState | None,
    first: bool,  # noqa: FBT001 - a table's column
    deleted: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert must_be_deleted(Aftermath("green", first, state)) is deleted


def test_a_shift_has_begun_where_its_config_is_current_or_pending() -> None:
    assert has_begun(GREEN, "green")
    assert has_begun(replace(GREEN, config_name="blue", pending_config="green"), "green")
    assert not has_begun(replace(GREEN, config_name="blue"), "green")
    assert not has_begun(None, "green")


def at(hour: int) -> datetime:
    return datetime(2026, 11, 23, hour, tzinfo=UTC)


HISTORY = [
    PhaseEntered("a", Phase.LIVE, at(9)),
    PhaseEntered("b", Phase.SHIFTING, at(10)),
    PhaseEntered("b", Phase.LIVE, at(11)),
    PhaseEntered("a", Phase.SUPERSEDED, at(11)),
]


@pytest.mark.parametrize(("hour", "release"), [(9, "a"), (10, "a"), (11, "b"), (23, "b")])
def test_what_served_at_an_instant_is_what_had_gone_live_by_then(hour: int, release: str) -> None:
    assert live_at(HISTORY, at(hour), "chat") == release


def test_before_the_first_release_nothing_served() -> None:
    answer = live_at(HISTORY, at(8), "chat")

    assert isinstance(answer, NoRelease)
    assert "chat at 2026-11-23T08" in answer.reason


@pytest.mark.parametrize(
    ("later", "before", "aim"),
    [
        pytest.param((), "a", "a", id="b replaced a"),
        pytest.param((Phase.STUCK,), "a", "b", id="c may serve unproved in b's place"),
        pytest.param((Phase.STUCK,), None, "b", id="c may serve in the place of the first release"),
        pytest.param((Phase.STUCK, Phase.LIVE), "a", "a", id="a proved release followed the stuck one"),
        pytest.param((Phase.ROLLED_BACK,), "a", "a", id="c was rolled back and b serves"),
    ],
)
def test_a_rollback_without_aim_goes_to_the_last_proved_release_before_what_serves(
    later: tuple[Phase, ...], before: str | None, aim: str
) -> None:
    history = [*HISTORY, *(PhaseEntered("c", phase, at(12 + hour)) for hour, phase in enumerate(later))]

    assert last_good(history, live_release="b", last_good_release=before, endpoint="chat") == aim


@pytest.mark.parametrize("stuck", [False, True])
def test_where_nothing_was_ever_proved_there_is_no_way_back(stuck: bool) -> None:  # noqa: FBT001 - a case
    history = [PhaseEntered("c", Phase.STUCK, at(9))] if stuck else []

    assert isinstance(last_good(history, live_release=None, last_good_release=None, endpoint="chat"), NoRelease)
