"""The rollback machine, whatever its steps say."""

from tests.integration.stack.conftest import Machines


def test_a_rollback_follows_its_rollout_until_the_release_serves(machines: Machines) -> None:
    under_way = {"phase": "baking", "ended": False, "live": False, "reason": "green serves"}

    execution = machines.run("rollback", {"follow_rollout": [under_way, under_way, {}]})

    assert execution.status == "SUCCEEDED"
    assert execution.states == [
        "Choose release",
        "Start rollout",
        *["Wait for rollout", "Follow rollout", "Ended?"] * 3,
        "Rolled back to the release",
    ]
    assert execution.output["releaseId"] == "3f2a91c07d4e"


def test_a_rollback_to_an_unknown_release_says_so_and_starts_nothing(machines: Machines) -> None:
    sentence = "endpoint chat never had a release 000000000000; choose one that it has had"

    execution = machines.run("rollback", {"choose_release": [{"raise": "UnknownReleaseError", "message": sentence}]})

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "RollbackFailed", sentence)
    assert "start_rollout" not in execution.sent


def test_a_rollback_whose_rollout_failed_fails_with_the_rollout_s_sentence(machines: Machines) -> None:
    ended = {"phase": "failed", "ended": True, "live": False, "reason": "the image is gone"}

    execution = machines.run("rollback", {"follow_rollout": [ended]})

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "RollbackFailed", "the image is gone")


def test_a_rollback_that_cannot_start_its_rollout_says_why(machines: Machines) -> None:
    execution = machines.run("rollback", {"start_rollout": [{"raise": "AccessDenied", "message": "no right to start"}]})

    assert (execution.status, execution.cause) == ("FAILED", "no right to start")


def test_a_hiccup_while_following_ends_nothing(machines: Machines) -> None:
    hiccup = {"raise": "ServiceUnavailableError", "message": "throttled"}

    execution = machines.run("rollback", {"follow_rollout": [hiccup, {}]})

    assert execution.status == "SUCCEEDED"
