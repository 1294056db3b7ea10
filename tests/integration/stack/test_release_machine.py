"""The release machine, whatever its steps say."""

import json
from typing import Any

import pytest

from tests.integration.stack.conftest import Execution, Machines

BEFORE_TRAFFIC = ["Register rollout", "Published already?"]
SHIFT = ["Acquire lease", "Create green", "Shift traffic", "Wait for endpoint", "Watch endpoint", "Arrived?"]


def settlement(execution: Execution) -> dict[str, Any]:
    (sent,) = execution.sent["settle_rollout"]
    return sent


def test_a_good_artifact_goes_through_every_step_and_live(machines: Machines) -> None:
    execution = machines.run("release")

    assert execution.status == "SUCCEEDED"
    assert execution.states == [
        *BEFORE_TRAFFIC,
        "Examine artifact",
        "Examined?",
        "Publish artifact",
        "Plan rollout",
        "Anything to shift?",
        *SHIFT,
        "Verify release",
        "Verified?",
        "Settle live",
        "Live",
    ]
    assert execution.output["releaseId"] == "3f2a91c07d4e"
    assert settlement(execution)["outcome"] == "live"
    assert execution.sent["watch_endpoint"][0]["leaseToken"] == 7


def test_bytes_that_are_published_are_neither_examined_nor_copied_again(machines: Machines) -> None:
    execution = machines.run("release", {"register_rollout": [{"published": True}]})

    assert execution.status == "SUCCEEDED"
    assert {"examine_artifact", "publish_artifact"} & set(execution.sent) == set()


def test_a_plan_only_run_changes_nothing_and_tells_the_plan(machines: Machines) -> None:
    execution = machines.run("release", {"register_rollout": [{"planOnly": True}]})

    assert execution.status == "SUCCEEDED"
    assert execution.states[-1] == "Planned"
    assert execution.output["strategy"] == "allAtOnce"
    assert execution.sent["plan_rollout"][0]["planOnly"] is True
    assert {"publish_artifact", "acquire_lease", "shift_traffic", "settle_rollout"} & set(execution.sent) == set()


def test_a_release_that_serves_already_is_settled_without_a_lease(machines: Machines) -> None:
    execution = machines.run("release", {"plan_rollout": [{"alreadyLive": True}]})

    assert execution.status == "SUCCEEDED"
    assert "acquire_lease" not in execution.sent
    assert settlement(execution)["outcome"] == "live"


def test_the_endpoint_is_watched_until_green_has_arrived(machines: Machines) -> None:
    moving = {"progress": "moving", "reason": "the endpoint is Updating"}

    execution = machines.run("release", {"watch_endpoint": [moving, moving, {}]})

    assert execution.status == "SUCCEEDED"
    assert execution.states.count("Wait for endpoint") == 3


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param("examine_artifact", "ArtifactIncompleteError", id="files that are still arriving"),
        pytest.param("acquire_lease", "LeaseHeldError", id="another rollout's lease"),
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
    ("step", "answer", "error"),
    [
        pytest.param("examine_artifact", {"verdict": "failed"}, "ArtifactRejectedError", id="a bad artifact"),
        pytest.param(
            "examine_artifact", {"verdict": "inconclusive"}, "ArtifactRejectedError", id="an unclear artifact"
        ),
        pytest.param("watch_endpoint", {"progress": "lost"}, "RolloutFailedError", id="a silent rollback"),
        pytest.param("watch_endpoint", {"progress": "?"}, "RolloutFailedError", id="an unknown word"),
        pytest.param("verify_release", {"verdict": "failed"}, "RolloutFailedError", id="another release answers"),
        pytest.param("verify_release", {"verdict": "inconclusive"}, "RolloutFailedError", id="silence"),
    ],
)
def test_anything_but_proof_is_settled_as_a_failure_with_its_reason(
    machines: Machines, step: str, answer: dict[str, str], error: str
) -> None:
    execution = machines.run("release", {step: [answer | {"reason": "the sentence"}]})

    assert execution.status == "FAILED"
    assert settlement(execution) | {"rolloutId": ""} == {
        "endpoint": "chat",
        "rolloutId": "",
        "outcome": "failed",
        "error": error,
        "cause": "the sentence",
    }


@pytest.mark.parametrize(
    "step",
    [
        "examine_artifact",
        "publish_artifact",
        "plan_rollout",
        "acquire_lease",
        "create_green",
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


@pytest.mark.parametrize(
    ("phase", "end", "error"),
    [
        ("rejected", "Rejected", "ReleaseRejected"),
        ("rolled_back", "Rolled back", "ReleaseRolledBack"),
        ("failed", "Failed", "RolloutFailed"),
        ("aborted", "Failed", "RolloutFailed"),
        ("stuck", "Stuck", "RolloutStuck"),
    ],
)
def test_a_failed_rollout_ends_by_its_phase_with_the_settlement_s_sentence(
    machines: Machines, phase: str, end: str, error: str
) -> None:
    execution = machines.run(
        "release",
        {
            "examine_artifact": [{"verdict": "failed"}],
            "settle_rollout": [{"phase": phase, "reason": "w.bin is a pickle"}],
        },
    )

    assert (execution.status, execution.states[-1]) == ("FAILED", end)
    assert (execution.error, execution.cause) == (error, "w.bin is a pickle")


def test_a_rollout_that_a_later_one_overtakes_ends_without_failing(machines: Machines) -> None:
    overtaken = {"raise": "OvertakenError", "message": "a later rollout takes its place"}
    settled = {"phase": "skipped", "reason": "a later rollout takes its place"}

    execution = machines.run("release", {"acquire_lease": [overtaken], "settle_rollout": [settled]})

    assert (execution.status, execution.states[-1]) == ("SUCCEEDED", "Skipped")
    assert execution.output["phase"] == "skipped"
    assert settlement(execution)["error"] == "OvertakenError"


def test_a_failure_is_settled_when_the_endpoint_rests(machines: Machines) -> None:
    moving = {"raise": "EndpointBusyError", "message": "endpoint slipway-chat is still Updating"}

    execution = machines.run(
        "release",
        {
            "watch_endpoint": [{"raise": "KeyError", "message": "a bug"}],
            "settle_rollout": [moving, moving, {"phase": "rolled_back", "reason": "blue serves"}],
        },
    )

    assert (execution.error, execution.cause) == ("ReleaseRolledBack", "blue serves")
    assert len(execution.sent["settle_rollout"]) == 3


def test_a_failure_that_cannot_be_settled_is_stuck_with_the_first_cause(machines: Machines) -> None:
    execution = machines.run(
        "release",
        {
            "verify_release": [{"verdict": "failed", "reason": "another release answers"}],
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
