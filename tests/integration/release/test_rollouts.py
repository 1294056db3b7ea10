"""Drops, pushes and rollbacks, told to the end: who serves, what the records say, what people hear."""

from tests.builders.artifacts import artifact, sharded, tarball
from tests.integration.release.conftest import Stack


def dropped(stack: Stack, version: str, **changes: bytes) -> str:
    files = artifact(version) | changes
    return str(stack.call("receive_artifact", stack.drop(version, files))["rolloutId"])


def first_live(stack: Stack) -> str:
    stack.call("receive_image", stack.push())
    rollout = dropped(stack, "v1")
    assert stack.release(rollout)["phase"] == "live"
    return rollout


def test_a_first_drop_becomes_a_live_endpoint_that_says_who_it_is(stack: Stack) -> None:
    rollout = first_live(stack)

    release = rollout.partition("-")[0]
    assert stack.answers() == f"release={release};rollout={rollout}"
    endpoint = stack.item("endpoint")
    assert endpoint is not None
    assert (endpoint["liveReleaseId"], endpoint["liveRolloutId"]) == (release, rollout)
    assert [message["phase"] for message in stack.told()] == ["live"]


def test_a_second_drop_replaces_the_first_and_a_rollback_brings_it_back(stack: Stack) -> None:
    first = first_live(stack)
    second = dropped(stack, "v2")
    assert stack.release(second)["phase"] == "live"
    assert stack.answers().endswith(f"rollout={second}")
    superseded = stack.item(f"rollout#{first}")
    assert superseded is not None
    assert superseded["phase"] == "superseded"

    chosen = stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})
    back = chosen["rolloutId"]
    assert stack.release(back)["phase"] == "live"

    assert back == first.replace("-1", "-2")
    assert stack.answers().endswith(f"rollout={back}")
    followed = stack.call("follow_rollout", {"endpoint": "chat", "rolloutId": back})
    assert (followed["ended"], followed["live"]) == (True, True)
