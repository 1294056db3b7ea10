"""The release machine, whatever its steps say."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.stack.conftest import Execution, Machines, eventually

BEGIN = ["Register rollout", "Examined already?"]
LOOK = ["Wait for endpoint", "Watch endpoint", "What next?"]
BEFORE_TRAFFIC = ["Await turn", "Create green", "Start preflight", "What next?", "Await approval"]
SETTLE = ["Settle rollout", "Did it end well?"]


def settlement(execution: Execution) -> dict[str, Any]:
    (sent,) = execution.sent["settle_rollout"]
    return sent


def test_a_good_artifact_goes_through_every_step_and_live(machines: Machines) -> None:
    execution = machines.run("release")

    assert execution.status == "SUCCEEDED"
    assert execution.states == [
        *BEGIN,
        "Examine artifact",
        "Anything to publish?",
        "Publish artifact",
        "Plan rollout",
        "Anything to do?",
        *BEFORE_TRAFFIC,
        "Shift traffic",
        "What next?",
        *LOOK,
        "Verify release",
        *SETTLE,
        "Ended well",
    ]
    assert execution.output["releaseId"] == "3f2a91c07d4e"
    assert settlement(execution)["outcome"] == "live"
    assert execution.sent["watch_endpoint"][0]["leaseToken"] == 7


def test_bytes_that_are_published_are_examined_with_what_is_new_and_not_copied_again(machines: Machines) -> None:
    execution = machines.run("release", {"register_rollout": [{"published": True}]})

    assert execution.status == "SUCCEEDED"
    assert {"examine_artifact", "publish_artifact"} & set(execution.sent) == {"examine_artifact"}


def test_a_way_back_is_neither_examined_nor_copied_again(machines: Machines) -> None:
    execution = machines.run("release", {"register_rollout": [{"examined": True, "published": True}]})

    assert execution.status == "SUCCEEDED"
    assert {"examine_artifact", "publish_artifact"} & set(execution.sent) == set()


def test_a_plan_only_run_changes_nothing_and_tells_the_plan(machines: Machines) -> None:
    settled = {"phase": "skipped", "reason": "planned only", "plan": {"strategy": "allAtOnce"}}

    execution = machines.run("release", {"register_rollout": [{"planOnly": True}], "settle_rollout": [settled]})

    assert execution.status == "SUCCEEDED"
    assert execution.output["plan"] == {"strategy": "allAtOnce"}
    assert execution.sent["plan_rollout"][0]["planOnly"] is True
    assert {"publish_artifact", "await_turn", "shift_traffic"} & set(execution.sent) == set()


def test_a_release_that_serves_already_is_settled_without_a_lease(machines: Machines) -> None:
    execution = machines.run("release", {"plan_rollout": [{"alreadyLive": True}]})

    assert execution.status == "SUCCEEDED"
    assert "await_turn" not in execution.sent
    assert settlement(execution)["outcome"] == "live"


def test_the_endpoint_is_watched_until_green_has_arrived(machines: Machines) -> None:
    moving = {"progress": "moving", "reason": "the endpoint is Updating"}

    execution = machines.run("release", {"watch_endpoint": [moving, moving, {}]})

    assert execution.status == "SUCCEEDED"
    assert execution.states.count("Wait for endpoint") == 3


def test_the_preflight_is_watched_in_the_same_loop_as_the_shift(machines: Machines) -> None:
    moving = {"progress": "moving", "reason": "the preflight endpoint is Creating"}

    execution = machines.run(
        "release", {"start_preflight": [moving], "watch_endpoint": [moving, {"progress": "preflightPassed"}, {}]}
    )

    assert execution.status == "SUCCEEDED"
    asked = [state for state in execution.states if state in {"Watch endpoint", "Await approval", "Shift traffic"}]
    assert asked == ["Watch endpoint", "Watch endpoint", "Await approval", "Shift traffic", "Watch endpoint"]


@pytest.mark.parametrize("step", ["await_turn", "await_approval"])
def test_whoever_waits_goes_on_when_somebody_else_answers_its_token(machines: Machines, step: str) -> None:
    def somebody(folder: Path) -> None:
        asked = folder / f"{step}.calls"
        eventually(asked.exists)
        token = json.loads(asked.read_text())["taskToken"]
        machines.client("stepfunctions").send_task_success(taskToken=token, output='{"leaseToken": 9}')

    execution = machines.run("release", {step: [{"wakes": False}]}, somebody)

    assert execution.status == "SUCCEEDED"
    assert execution.sent["shift_traffic"][0]["leaseToken"] == (9 if step == "await_turn" else 7)
    assert len(execution.sent[step]) == 1


@pytest.mark.parametrize("step", ["await_turn", "await_approval"])
def test_whoever_waits_is_sent_home_by_an_error_on_its_token(machines: Machines, step: str) -> None:
    def somebody(folder: Path) -> None:
        asked = folder / f"{step}.calls"
        eventually(asked.exists)
        token = json.loads(asked.read_text())["taskToken"]
        machines.client("stepfunctions").send_task_failure(taskToken=token, error="AbortedError", cause="ana says so")

    ended = {"phase": "aborted", "reason": "ana says so", "well": False, "error": "ReleaseAborted"}
    execution = machines.run("release", {step: [{"wakes": False}], "settle_rollout": [ended]}, somebody)

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "ReleaseAborted", "ana says so")
    assert settlement(execution)["error"] == "AbortedError"


def test_a_release_costs_few_transitions_and_events(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    """The issue's aim is at most 60 transitions; Step Functions' limit on events is 25,000."""
    execution = machines.run("release", {"watch_endpoint": [*[{"progress": "moving"}] * 9, {}]})

    # A transition is counted for each state that is entered and, by Step Functions' prices, for each retry.
    with capsys.disabled():
        counted = f"{len(execution.states)} transitions, {execution.events} history events"
        sys.stdout.write(f"\na release with 10 looks at the endpoint: {counted}\n")
    assert execution.states.count("Watch endpoint") == 10
    assert len(execution.states) <= 60
    assert execution.events < 250


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param("examine_artifact", "ArtifactIncompleteError", id="files that are still arriving"),
        pytest.param("shift_traffic", "AlarmsUnsettledError", id="an alarm that does not say OK yet"),
        pytest.param("shift_traffic", "EndpointBusyError", id="an endpoint that somebody else changes"),
        pytest.param("register_rollout", "ServiceUnavailableError", id="a service that throttles"),
        pytest.param("settle_rollout", "ServiceUnavailableError", id="a settlement that was throttled"),
    ],
)
def test_what_time_heals_is_waited_for(machines: Machines, step: str, error: str) -> None:
    hiccup = {"raise": error, "message": "not yet"}

    execution = machines.run("release", {step: [hiccup, hiccup, {}]})

    assert execution.status == "SUCCEEDED"
    assert len(execution.sent[step]) == 3


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param("examine_artifact", "ArtifactRejectedError", id="a bad artifact"),
        pytest.param("watch_endpoint", "RolloutFailedError", id="a silent rollback"),
        pytest.param("verify_release", "RolloutFailedError", id="another release answers, or nobody"),
    ],
)
def test_anything_but_proof_is_settled_as_a_failure_with_its_reason(machines: Machines, step: str, error: str) -> None:
    execution = machines.run("release", {step: [{"raise": error, "message": "the sentence"}]})

    assert execution.status == "FAILED"
    sent = settlement(execution)
    assert (sent["outcome"], sent["error"]) == ("failed", error)
    assert json.loads(sent["cause"])["errorMessage"] == "the sentence"
    assert sent["executionArn"].endswith(sent["rolloutId"])


def test_a_word_that_the_machine_does_not_know_is_settled_as_a_failure(machines: Machines) -> None:
    execution = machines.run("release", {"watch_endpoint": [{"progress": "?"}]})

    assert execution.status == "FAILED"
    assert settlement(execution)["error"] == "RolloutFailedError"
    assert "a word that this machine does not know" in settlement(execution)["cause"]


@pytest.mark.parametrize(
    "step",
    [
        "examine_artifact",
        "publish_artifact",
        "plan_rollout",
        "await_turn",
        "create_green",
        "start_preflight",
        "await_approval",
        "shift_traffic",
        "watch_endpoint",
        "verify_release",
    ],
)
def test_a_step_that_fails_is_settled_with_its_own_error(machines: Machines, step: str) -> None:
    execution = machines.run("release", {step: [{"raise": "LeaseLostError", "message": "another took it"}]})

    assert (execution.status, execution.error) == ("FAILED", "RolloutFailed")
    assert settlement(execution)["outcome"] == "failed"
    assert settlement(execution)["error"] == "LeaseLostError"
    assert json.loads(settlement(execution)["cause"])["errorMessage"] == "another took it"
    assert len(execution.sent[step]) == 1


@pytest.mark.parametrize("error", ["ReleaseRejected", "ReleaseRolledBack", "ReleaseAborted", "RolloutStuck"])
def test_a_failed_rollout_ends_with_the_settlement_s_error_and_sentence(machines: Machines, error: str) -> None:
    ended = {"phase": "rejected", "reason": "w.bin is a pickle", "well": False, "error": error}

    execution = machines.run(
        "release",
        {
            "examine_artifact": [{"raise": "ArtifactRejectedError", "message": "w.bin is a pickle"}],
            "settle_rollout": [ended],
        },
    )

    assert (execution.status, execution.states[-1]) == ("FAILED", "Ended badly")
    assert (execution.error, execution.cause) == (error, "w.bin is a pickle")


def test_a_rollout_that_a_later_one_overtakes_ends_without_failing(machines: Machines) -> None:
    overtaken = {"raise": "OvertakenError", "message": "a later rollout takes its place"}
    settled = {"phase": "skipped", "reason": "a later rollout takes its place", "well": True, "error": ""}

    execution = machines.run("release", {"await_turn": [overtaken], "settle_rollout": [settled]})

    assert (execution.status, execution.states[-1]) == ("SUCCEEDED", "Ended well")
    assert execution.output["phase"] == "skipped"
    assert settlement(execution)["error"] == "OvertakenError"


def test_a_failure_is_settled_when_the_endpoint_rests(machines: Machines) -> None:
    moving = {"raise": "EndpointBusyError", "message": "endpoint slipway-chat is still Updating"}

    execution = machines.run(
        "release",
        {
            "watch_endpoint": [{"raise": "KeyError", "message": "a bug"}],
            "settle_rollout": [moving, moving, {"error": "ReleaseRolledBack", "reason": "blue serves"}],
        },
    )

    assert (execution.error, execution.cause) == ("ReleaseRolledBack", "blue serves")
    assert len(execution.sent["settle_rollout"]) == 3


def test_a_failure_that_cannot_be_settled_is_stuck_with_the_first_cause(machines: Machines) -> None:
    execution = machines.run(
        "release",
        {
            "verify_release": [{"raise": "RolloutFailedError", "message": "another release answers"}],
            "settle_rollout": [{"raise": "KeyError", "message": "the table is gone"}],
        },
    )

    assert (execution.status, execution.error) == ("FAILED", "RolloutStuck")
    assert execution.cause == "another release answers"


def test_a_live_release_whose_record_fails_is_stuck_and_not_undone(machines: Machines) -> None:
    execution = machines.run("release", {"settle_rollout": [{"raise": "LeaseLostError", "message": "too late"}]})

    assert (execution.status, execution.error) == ("FAILED", "RolloutStuck")
    assert [sent["outcome"] for sent in execution.sent["settle_rollout"]] == ["live"]


def test_a_mistyped_input_fails_with_its_sentence_and_settles_nothing(machines: Machines) -> None:
    sentence = "ManualInput breaks its contract at endpoint: Field required"

    execution = machines.run("release", {"register_rollout": [{"raise": "InvalidInputError", "message": sentence}]})

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "RolloutFailed", sentence)
    assert "settle_rollout" not in execution.sent


def test_a_registered_rollout_that_cannot_begin_is_settled(machines: Machines) -> None:
    execution = machines.run("release", {"register_rollout": [{"raise": "AccessDenied", "message": "no right"}]})

    assert execution.status == "FAILED"
    assert settlement(execution)["error"] == "AccessDenied"
