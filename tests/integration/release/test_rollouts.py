"""Drops, pushes and rollbacks, told to the end: who serves, what the records say, what people hear."""

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from release.errors import (
    ArtifactIncompleteError,
    ArtifactRejectedError,
    LeaseLostError,
    OvertakenError,
    ReleaseError,
    UnknownReleaseError,
)
from tests.builders.artifacts import artifact, sharded, tarball
from tests.integration.release.conftest import BUCKET, TABLE, Stack


def dropped(stack: Stack, version: str, **changes: bytes) -> str:
    files = artifact(version) | changes
    return str(stack.call("receive_artifact", stack.drop(version, files))["rolloutId"])


def first_live(stack: Stack) -> str:
    stack.call("receive_image", stack.push())
    rollout = dropped(stack, "v1")
    assert stack.release(rollout)["phase"] == "live"
    return rollout


def registered(stack: Stack, files: dict[str, bytes], manifest: bytes = b"{}") -> dict[str, Any]:
    """A drop with an image at hand, up to its registration; the step's input."""
    stack.call("receive_image", stack.push())
    rollout = stack.call("receive_artifact", stack.drop("v1", files, manifest))["rolloutId"]
    return {"endpoint": "chat", "rolloutId": rollout}


def phase(stack: Stack, rollout: str) -> str:
    item = stack.item(f"rollout#{rollout}")
    assert item is not None
    return str(item["phase"])


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
    assert phase(stack, first) == "superseded"
    replaced = stack.item(f"rollout#{second}")
    assert replaced is not None
    assert replaced["previousReleaseId"] == first.partition("-")[0]

    chosen = stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})
    back = chosen["rolloutId"]
    assert stack.release(back)["phase"] == "live"

    assert back == first.replace("-1", "-2")
    assert stack.answers().endswith(f"rollout={back}")
    followed = stack.call("follow_rollout", {"endpoint": "chat", **chosen})
    assert (followed["ended"], followed["live"]) == (True, True)


def test_a_tarball_is_unpacked_and_served(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    packed = tarball({f"./{path}": body for path, body in sharded().items()})
    event = stack.upload("models/chat/v1/model.tar.gz", packed)

    rollout = stack.call("receive_artifact", event)["rolloutId"]

    assert stack.release(rollout)["phase"] == "live"
    assert stack.answers().endswith(f"rollout={rollout}")


def test_green_that_never_gets_healthy_leaves_blue_serving(stack: Stack) -> None:
    first = first_live(stack)

    settled = stack.release(dropped(stack, "sick"))

    assert settled["phase"] == "rolled_back"
    assert f"slipway-chat-{first}" in settled["reason"]
    assert stack.answers().endswith(f"rollout={first}")


@pytest.mark.parametrize("marker", ["sick", "rude"])
def test_a_first_release_that_cannot_answer_leaves_no_endpoint_behind(stack: Stack, marker: str) -> None:
    stack.call("receive_image", stack.push())

    settled = stack.release(dropped(stack, marker))

    assert settled["phase"] == "failed"
    assert "was deleted" in settled["reason"]
    assert stack.item("endpoint#chat") is None
    # The way is free for the next one.
    assert stack.release(dropped(stack, "v2"))["phase"] == "live"


def test_a_guard_alarm_in_the_bake_brings_blue_back(stack: Stack) -> None:
    first = first_live(stack)
    # Forty seconds here: time enough to trip the alarm on a busy machine, and the rollback ends the bake.
    second = stack.call("receive_artifact", stack.drop("v2", artifact("v2"), b'{"config": {"bakeSeconds": 1200}}'))[
        "rolloutId"
    ]

    def trip() -> None:
        while phase(stack, second) != "baking":
            time.sleep(0.02)
        while phase(stack, second) == "baking":  # the next evaluation takes a state back that was only set
            stack.client("cloudwatch").set_alarm_state(
                AlarmName=f"slipway-chat-{second}-guard", StateValue="ALARM", StateReason="the test says so"
            )
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        tripping = pool.submit(trip)
        settled = stack.release(second)
        tripping.result(timeout=1)

    assert settled["phase"] == "rolled_back"
    assert stack.answers().endswith(f"rollout={first}")


def test_green_that_fails_every_answer_is_rolled_back_though_nobody_else_asks_it(stack: Stack) -> None:
    first = first_live(stack)
    # Forty seconds here; the rollback ends the bake long before.
    rude = stack.drop("v2", artifact("rude"), b'{"config": {"bakeSeconds": 1200}}')
    settled = stack.release(stack.call("receive_artifact", rude)["rolloutId"])

    assert settled["phase"] == "rolled_back", settled["reason"]
    assert stack.answers().endswith(f"rollout={first}")


@pytest.mark.parametrize(
    ("files", "manifest", "because"),
    [
        pytest.param({"pytorch_model.bin": b"x"}, b"{}", "pytorch_model.bin may be a pickle", id="a pickle"),
        pytest.param(
            sharded() | {"model-2.safetensors": b""}, b"{}", "model-2.safetensors is empty", id="an empty shard"
        ),
        pytest.param({}, b"{nonsense", "manifest.json cannot be used", id="a manifest that is not JSON"),
        pytest.param({}, b'{"files": []}', "manifest.json cannot be used", id="a manifest that breaks its contract"),
    ],
)
def test_a_bad_artifact_is_refused_by_name_and_nothing_is_touched(
    stack: Stack, files: dict[str, bytes], manifest: bytes, because: str
) -> None:
    first = first_live(stack)
    stack.told()

    event = stack.drop("bad", artifact("bad") | files, manifest)
    rollout = stack.call("receive_artifact", event)["rolloutId"]
    settled = stack.release(rollout)

    assert settled["phase"] == "rejected"
    assert because in settled["reason"]
    assert [message["reason"] for message in stack.told()] == [settled["reason"]]
    assert stack.answers().endswith(f"rollout={first}")


def test_a_missing_shard_is_refused_at_once(stack: Stack) -> None:
    files = sharded()
    del files["model-2.safetensors"]

    with pytest.raises(ArtifactRejectedError, match=r"model-2\.safetensors is missing"):
        stack.call("examine_artifact", registered(stack, files))


def test_a_seal_before_its_files_waits_for_them(stack: Stack) -> None:
    files = artifact()
    listed = [
        {"path": path, "sizeBytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for path, body in files.items()
    ]
    weights = files.pop("model.safetensors")
    step = registered(stack, files, json.dumps({"files": listed}).encode())

    with pytest.raises(ArtifactIncompleteError, match=r"model\.safetensors is missing"):
        stack.call("examine_artifact", step)
    stack.upload("models/chat/v1/model.safetensors", weights)

    assert stack.call("examine_artifact", step)["verdict"] == "passed"
    assert stack.call("publish_artifact", step)["files"] == 4


def test_a_file_that_is_not_the_one_that_the_manifest_lists_is_never_served(stack: Stack) -> None:
    files = artifact()
    listed = [{"path": path, "sizeBytes": len(body), "sha256": "0" * 64} for path, body in files.items()]

    settled = stack.release(registered(stack, files, json.dumps({"files": listed}).encode())["rolloutId"])

    assert settled["phase"] == "rejected"
    assert "SHA-256" in settled["reason"]


def test_a_drop_that_changes_after_its_seal_is_refused(stack: Stack) -> None:
    step = registered(stack, artifact())
    stack.upload("models/chat/v1/config.json", b'{"model_type": "other"}')

    with pytest.raises(ArtifactRejectedError, match="changed after the drop was sealed"):
        stack.call("examine_artifact", step)


def test_one_seal_starts_one_rollout_however_often_its_event_comes(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    event = stack.drop("v1", artifact())
    stack.call("receive_artifact", event)  # imports and clients are not what is tested in parallel

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stack.call("receive_artifact", event), range(8)))

    assert len({answer["rolloutId"] for answer in answers}) == 1
    machine = stack.client("stepfunctions").list_state_machines()["stateMachines"][0]["stateMachineArn"]
    executions = stack.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert [execution["name"] for execution in executions] == [answers[0]["rolloutId"]]


def test_racing_deliveries_of_a_new_seal_agree_on_one_rollout(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    stack.call("receive_artifact", stack.drop("v0", artifact("v0")))
    event = stack.drop("v1", artifact("v1"))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stack.call("receive_artifact", event), range(4)))

    assert len({answer["rolloutId"] for answer in answers}) == 1


def test_the_same_bytes_sealed_again_are_live_already(stack: Stack) -> None:
    first = first_live(stack)

    again = stack.call("receive_artifact", stack.upload("models/chat/v1/manifest.json", b"{}"))["rolloutId"]
    settled = stack.release(again)

    assert again == first.replace("-1", "-2")
    assert settled["phase"] == "skipped"
    assert stack.answers().endswith(f"rollout={first}")


def test_a_drop_waits_for_the_first_image_and_goes_when_it_comes(stack: Stack) -> None:
    event = stack.drop("v1", artifact())
    assert stack.call("receive_artifact", event)["rolloutId"] is None
    assert stack.call("receive_artifact", event)["rolloutId"] is None
    push = stack.push()

    (rollout,) = stack.call("receive_image", push)["rolloutIds"]

    assert stack.item("endpoint#chat", "waiting") is None
    assert stack.call("receive_artifact", event)["rolloutId"] == rollout
    assert stack.release(rollout)["phase"] == "live"


def test_a_pushed_image_is_rolled_out_with_the_newest_artifact(stack: Stack) -> None:
    first = first_live(stack)
    push = stack.push("release-2", "another image")

    (rollout,) = stack.call("receive_image", push)["rolloutIds"]

    assert stack.call("receive_image", push)["rolloutIds"] == [rollout]
    assert stack.release(rollout)["phase"] == "live"
    assert rollout.partition("-")[0] != first.partition("-")[0]
    served = stack.client("sagemaker").describe_endpoint(EndpointName="slipway-chat")["ProductionVariants"][0]
    assert served["DeployedImages"][0]["ResolvedImage"].endswith(push["detail"]["image-digest"])


@pytest.mark.parametrize(
    "change", [{"image-tag": "latest"}, {"result": "FAILURE"}, {"action-type": "DELETE"}, {"repository-name": "other"}]
)
def test_other_image_actions_start_nothing(stack: Stack, change: dict[str, str]) -> None:
    event = stack.push()
    event["detail"] |= change

    assert stack.call("receive_image", event)["rolloutIds"] == []
    assert stack.item("newest", "image") is None


def test_a_rollback_to_an_unknown_release_leaves_a_record_and_a_sentence(stack: Stack) -> None:
    first = first_live(stack)
    asked = {"input": {"endpoint": "chat", "to": "0123456789ab"}, "executionArn": "arn:rollback"}

    for _ in range(2):
        with pytest.raises(UnknownReleaseError, match="never had a release 0123456789ab"):
            stack.call("choose_release", asked)

    assert phase(stack, "0123456789ab-1") == "rejected"
    assert stack.item("rollout#0123456789ab-2") is None
    assert stack.answers().endswith(f"rollout={first}")


def test_there_is_no_way_back_from_the_first_release(stack: Stack) -> None:
    first_live(stack)

    with pytest.raises(UnknownReleaseError, match="no release before this one"):
        stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})


def test_a_rollback_to_an_instant_goes_to_what_served_then(stack: Stack) -> None:
    first = first_live(stack)
    live = stack.item(f"rollout#{first}")
    assert live is not None
    stack.release(dropped(stack, "v2"))

    asked = {"endpoint": "chat", "at": live["updatedAt"]}
    before = {"endpoint": "chat", "at": "2020-01-01T00:00:00Z"}

    with pytest.raises(UnknownReleaseError, match="nothing was live"):
        stack.call("choose_release", {"input": before, "executionArn": "arn:1"})
    chosen = stack.call("choose_release", {"input": asked, "executionArn": "arn:2"})
    assert chosen["releaseId"] == first.partition("-")[0]


def planned(stack: Stack, step: dict[str, Any]) -> None:
    stack.call("examine_artifact", step)
    stack.call("publish_artifact", step)
    stack.call("plan_rollout", step | {"planOnly": False})


def awaits(stack: Stack, step: dict[str, Any]) -> str:
    """The rollout's execution asks for its turn; the token that it waits with."""
    token = stack.tokens.new()
    stack.call("await_turn", step | {"taskToken": token})
    return token


def test_of_two_drops_that_wait_the_newer_one_goes_on_whichever_asks_first(stack: Stack) -> None:
    first = first_live(stack)
    older = {"endpoint": "chat", "rolloutId": dropped(stack, "v2")}
    newer = {"endpoint": "chat", "rolloutId": dropped(stack, "v3")}
    for step in (newer, older):
        planned(stack, step)

    with pytest.raises(OvertakenError, match=newer["rolloutId"]) as overtaken:
        stack.tokens.answer(awaits(stack, older))

    assert stack.settled(older, overtaken.value)["phase"] == "skipped"
    assert stack.tokens.answer(awaits(stack, newer))["leaseToken"] > 1
    assert stack.answers().endswith(f"rollout={first}")


def test_one_rollout_at_a_time_changes_an_endpoint(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    one = {"endpoint": "chat", "rolloutId": dropped(stack, "v1")}
    two = {"endpoint": "chat", "rolloutId": dropped(stack, "v2")}
    planned(stack, one)
    held = stack.tokens.answer(awaits(stack, one))
    planned(stack, two)

    assert stack.tokens.answer(awaits(stack, one)) == held
    waits = awaits(stack, two)
    assert waits not in stack.tokens.answers
    assert phase(stack, two["rolloutId"]) == "waiting"

    # The first holder dies; its lease runs out, and the second asks again as it does every five minutes.
    stack.client("dynamodb").update_item(
        TableName=TABLE,
        Key={"pk": {"S": "endpoint#chat"}, "sk": {"S": "lease"}},
        UpdateExpression="SET expiresAt = :past",
        ExpressionAttributeValues={":past": {"S": "2020-01-01T00:00:00.000Z"}},
    )
    assert stack.tokens.answer(awaits(stack, two))["leaseToken"] == held["leaseToken"] + 1
    with pytest.raises(LeaseLostError, match="another rollout") as lost:
        stack.call("create_green", one | held)
    assert stack.settled(one, lost.value)["phase"] == "failed"
    lease = stack.item("lease")
    assert lease is not None
    assert lease["holder"] == two["rolloutId"]


def test_whoever_ends_wakes_the_next(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    one = {"endpoint": "chat", "rolloutId": dropped(stack, "v1")}
    planned(stack, one)
    stack.tokens.answer(awaits(stack, one))
    two = {"endpoint": "chat", "rolloutId": dropped(stack, "v2")}
    planned(stack, two)
    waits = awaits(stack, two)

    stack.settled(one, ReleaseError("it failed before any traffic"))

    assert waits in stack.tokens.answers
    assert stack.tokens.answer(waits)["leaseToken"] == 2


def test_every_step_can_be_taken_twice(stack: Stack) -> None:
    step = registered(stack, artifact())
    call = stack.call
    for function in ("examine_artifact", "publish_artifact"):
        assert call(function, step) == call(function, step)
    plan = step | {"planOnly": False}
    assert call("plan_rollout", plan) == call("plan_rollout", plan)
    leased = stack.leased(step)
    assert stack.leased(step) == leased
    for function in ("create_green", "start_preflight", "shift_traffic"):
        assert call(function, leased) == call(function, leased)

    assert stack.watched(leased)["progress"] == "arrived"
    assert call("watch_endpoint", leased)["progress"] == "arrived"
    assert call("verify_release", leased) == call("verify_release", leased)
    settled = stack.settled(step)

    assert settled["phase"] == "live"
    assert stack.settled(step) == settled
    assert stack.settled(step, ReleaseError("too late")) == settled


def test_published_bytes_are_examined_again_for_a_new_config_and_not_for_a_way_back(stack: Stack) -> None:
    """An instance type that EC2's table lacks is refused, whoever has examined the bytes before (decision 0014)."""
    first = first_live(stack)
    assert stack.release(dropped(stack, "v2"))["phase"] == "live"
    other = stack.drop("v1-again", artifact("v1"), b'{"config": {"instanceTypes": ["ml.z9.large"]}}')

    settled = stack.release(stack.call("receive_artifact", other)["rolloutId"])

    assert settled["phase"] == "rejected"
    assert "ml.z9.large" in settled["reason"]
    chosen = stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})
    step = {"endpoint": "chat", "rolloutId": chosen["rolloutId"]}
    registered = stack.call("register_rollout", {"input": step, "executionArn": "arn:back"})
    assert (registered["releaseId"], registered["examined"]) == (first.partition("-")[0], True)


def test_a_rollout_by_hand_can_name_a_drop_or_published_bytes(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    stack.drop("v1", artifact())
    by_drop = {"endpoint": "chat", "artifact": "models/chat/v1", "config": {"bakeSeconds": 5}, "planOnly": True}

    first = stack.call("register_rollout", {"input": by_drop, "executionArn": "arn:1"})
    assert stack.call("register_rollout", {"input": by_drop, "executionArn": "arn:1"}) == first
    assert (first["planOnly"], first["examined"], first["published"]) == (True, False, False)
    step = {"endpoint": "chat", "rolloutId": first["rolloutId"]}
    stack.call("examine_artifact", step)
    artifact_id = stack.call("publish_artifact", step)["artifactId"]

    by_id = {"endpoint": "chat", "artifact": artifact_id}
    second = stack.call("register_rollout", {"input": by_id, "executionArn": "arn:2"})
    assert (second["planOnly"], second["examined"], second["published"]) == (False, False, True)
    release = stack.item(f"release#{second['releaseId']}")
    assert release is not None
    assert release["artifactId"] == artifact_id


def test_an_upload_to_another_bucket_or_of_another_file_starts_nothing(stack: Stack) -> None:
    event = stack.upload("models/chat/v1/config.json", b"{}")
    assert stack.call("receive_artifact", event)["rolloutId"] is None
    event = stack.drop("v1", artifact())
    event["detail"]["bucket"]["name"] = f"not-{BUCKET}"

    assert stack.call("receive_artifact", event)["rolloutId"] is None


@pytest.mark.parametrize("version", ["v+1", "v%2B1", "v 1"])
def test_a_version_with_signs_in_it_is_found_whether_or_not_the_event_encodes_its_key(
    stack: Stack, version: str
) -> None:
    stack.call("receive_image", stack.push())
    raw = stack.drop(version, artifact())

    assert stack.call("receive_artifact", raw)["rolloutId"] is not None
