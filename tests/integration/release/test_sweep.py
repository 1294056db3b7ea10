"""The sweep's functions on the embedded AWS: what was lost comes, what died ends, what was deleted is there again."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from release.wiring import clients
from tests.builders.artifacts import artifact
from tests.integration.release.conftest import Stack, execution_of
from tests.integration.release.test_rollouts import dropped, first_live, phase
from tests.integration.release.test_scaling import targets

_MOST_BACK = 20


def sweep(stack: Stack, *, grace_s: int = 0) -> dict[str, Any]:
    work = stack.call("find_sweep_work", {"input": {"endpoint": "chat"}, "executionArn": "arn:sweep"})
    assert work["endpoints"] == ["chat"]
    step = {"endpoint": "chat", "dryRun": False, "graceSeconds": grace_s}
    swept = stack.call("sweep_endpoint", step)
    stack.call("report_sweep", {"results": [swept], "dryRun": False})
    return swept


@pytest.fixture
def later(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The functions' clock is an hour ahead, so that no event can still be under way."""
    ahead = stack.world.clock.now
    monkeypatch.setattr(clients, "now", lambda: ahead() + timedelta(hours=1))
    return stack


def test_a_drop_whose_event_was_lost_goes_live(later: Stack) -> None:
    later.call("receive_image", later.push())
    later.drop("v1", artifact("v1"))

    (started,) = sweep(later)["started"]

    assert later.release(started)["phase"] == "live"
    assert later.answers().endswith(f"rollout={started}")
    assert sweep(later)["started"] == []


def test_a_push_whose_event_was_lost_lets_the_waiting_drop_go(later: Stack) -> None:
    assert later.call("receive_artifact", later.drop("v1", artifact("v1")))["rolloutId"] is None
    later.push()

    assert len(sweep(later)["started"]) == 1


def test_a_rollout_whose_execution_is_unknown_is_settled(later: Stack) -> None:
    later.call("receive_image", later.push())
    rollout = later.call("receive_artifact", later.drop("v1", artifact("v1")))["rolloutId"]
    step = {"endpoint": "chat", "rolloutId": rollout}
    later.call("register_rollout", {"input": step, "executionArn": execution_of(rollout)})

    assert sweep(later)["settled"] == [rollout]

    assert phase(later, rollout) == "failed"
    assert [message["phase"] for message in later.told()] == ["failed"]


def test_a_deleted_model_and_config_are_made_again_and_serve_again(stack: Stack) -> None:
    """SageMaker lets both be deleted under an endpoint that serves; the next scale-out or update would fail."""
    rollout = first_live(stack)
    name, sagemaker = f"slipway-chat-{rollout}", stack.client("sagemaker")
    before = sagemaker.describe_model(ModelName=name), sagemaker.describe_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)

    stack.told()
    drift = sweep(stack)["drift"]

    assert [(news["kind"], news["look"]) for news in stack.told()] == [
        ("modelGone", "slipway why chat"),
        ("configGone", "slipway why chat"),
    ]
    after = sagemaker.describe_model(ModelName=name), sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert [(each["kind"], each["mended"]) for each in drift] == [("modelGone", True), ("configGone", True)]
    assert [_content(each) for each in after] == [_content(each) for each in before]
    assert sweep(stack)["drift"] == []


def _content(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in {"CreationTime", "ResponseMetadata"}}


def test_published_bytes_that_were_written_again_are_told(stack: Stack) -> None:
    first_live(stack)
    (key,) = [
        found["Key"]
        for found in stack.client("s3").list_objects_v2(Bucket="slipway-artifacts", Prefix="published/")["Contents"]
        if found["Key"].endswith("/config.json")
    ]
    body = stack.client("s3").get_object(Bucket="slipway-artifacts", Key=key)["Body"].read()
    stack.client("s3").put_object(Bucket="slipway-artifacts", Key=key, Body=body.replace(b"llama", b"LLAMA"))

    (drift,) = sweep(stack)["drift"]

    assert (drift["kind"], drift["subject"]) == ("artifactChanged", key)
    assert [line["event"] for line in stack.ledger()][-1] == "driftFound"


@pytest.mark.parametrize("releases", [3, pytest.param(200, marks=[pytest.mark.prove, pytest.mark.timeout(3600)])])
def test_a_release_whose_model_and_config_were_collected_comes_back_the_same(stack: Stack, releases: int) -> None:
    """Describe says the same of both before and after, but for names, dates and the rollout's own id."""
    stack.client("ssm").put_parameter(
        Name="/slipway/endpoints/chat", Value='{"retention": {"rollbackWindow": 0}, "bakeSeconds": 0}', Type="String"
    )
    stack.call("receive_image", stack.push())
    past = [dropped(stack, f"v{number}") for number in range(releases)]
    before = {}
    for rollout in past:
        assert stack.release(rollout)["phase"] == "live"
        before[rollout] = _described(stack, rollout)
    assert sweep(stack)["collectedCount"] == releases - 1
    for rollout in past[:-1]:
        with pytest.raises(ClientError, match="Could not find"):
            stack.client("sagemaker").describe_model(ModelName=f"slipway-chat-{rollout}")

    for rollout in wanted_back(past[:-1]):
        asked = {"endpoint": "chat", "to": rollout.partition("-")[0]}
        back = stack.call("choose_release", {"input": asked, "executionArn": f"arn:back:{rollout}"})["rolloutId"]
        assert stack.release(back)["phase"] == "live"

        assert stack.answers().endswith(f"rollout={back}")
        assert _described(stack, back) == before[rollout]


def wanted_back(collected: list[str]) -> list[str]:
    """All of a few; of many the oldest and as many others as time allows, the same ones every time."""
    others = collected[1:]
    return collected[:1] + random.Random(4).sample(others, min(len(others), _MOST_BACK - 1))  # noqa: S311 - no secrets


def _described(stack: Stack, rollout: str) -> list[str]:
    name, sagemaker = f"slipway-chat-{rollout}", stack.client("sagemaker")
    found = sagemaker.describe_model(ModelName=name), sagemaker.describe_endpoint_config(EndpointConfigName=name)
    return [json.dumps(_content(each), sort_keys=True, default=str).replace(rollout, "<rollout>") for each in found]


@pytest.mark.parametrize("how", ["deregistered", "suspended"])
def test_a_live_fleet_that_was_kept_from_scaling_scales_again(stack: Stack, how: str) -> None:
    first_live(stack)
    scaling, (before,) = stack.client("application-autoscaling"), targets(stack)
    variant = {name: before[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    if how == "suspended":
        stopped = dict.fromkeys(before["SuspendedState"], True)
        scaling.register_scalable_target(**variant, SuspendedState=stopped)
    else:
        scaling.deregister_scalable_target(**variant)

    assert [(each["kind"], each["mended"]) for each in sweep(stack)["drift"]] == [("scalingLost", True)]

    (after,) = targets(stack)
    bounds = ("MinCapacity", "MaxCapacity", "SuspendedState")
    assert {name: after[name] for name in bounds} == {name: before[name] for name in bounds}
    assert sweep(stack)["drift"] == []
