"""The preflight gate on the twin: a short-lived endpoint of one instance is asked before any traffic moves."""

import json
import re
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from release.errors import AbortedError, RolloutFailedError
from tests.builders.artifacts import artifact
from tests.integration.release.conftest import TABLE, Stack

PREFLIGHT = "slipway-chat-preflight"
ON = b'{"config": {"preflight": true}}'
PARIS = {
    "id": "capital-of-france",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "expect": {"contains": ["Paris"], "reference": "The capital of France is Paris.", "similarity": 0.9},
}


def dropped(stack: Stack, version: str, marker: str, *golden: dict[str, Any], manifest: bytes = ON) -> str:
    stack.call("receive_image", stack.push())
    lines = "".join(json.dumps(line) + "\n" for line in golden).encode()
    files = artifact(marker) | ({"golden.jsonl": lines} if golden else {})
    return str(stack.call("receive_artifact", stack.drop(version, files, manifest))["rolloutId"])


def record(stack: Stack, rollout: str) -> dict[str, Any]:
    key = {"pk": {"S": "endpoint#chat"}, "sk": {"S": f"rollout#{rollout}"}}
    item = stack.client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def is_there(stack: Stack, endpoint: str) -> bool:
    try:
        status: str = stack.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
    except ClientError:
        return False
    return status != "Deleting"


def created(stack: Stack, rollout: str) -> dict[str, Any]:
    """A rollout up to its green; the leased step."""
    step = {"endpoint": "chat", "rolloutId": rollout}
    execution = f"arn:{rollout}"
    stack.call("register_rollout", {"input": step, "executionArn": execution})
    stack.call("examine_artifact", step)
    stack.call("publish_artifact", step)
    stack.call("plan_rollout", step | {"planOnly": False})
    leased = stack.leased(step)
    stack.call("create_green", leased)
    return leased


def test_a_first_release_that_meets_its_golden_prompts_goes_live_and_leaves_no_preflight_behind(stack: Stack) -> None:
    rollout = dropped(stack, "v1", "v1", PARIS)

    assert stack.release(rollout)["phase"] == "live"

    gate, bake = record(stack, rollout)["gates"]
    assert (gate["gate"], gate["verdict"]) == ("preflight", "passed")
    assert (bake["gate"], bake["verdict"]) == ("bake", "skipped")  # nothing serves beside a first release
    assert gate["evidence"] == {"asked": "3", "prompts": "3", "unmet": "0"}
    assert not is_there(stack, PREFLIGHT)
    config = stack.client("sagemaker").describe_endpoint_config(EndpointConfigName=f"slipway-chat-{rollout}-pf")
    (variant,) = config["ProductionVariants"]
    assert (variant["InitialInstanceCount"], variant["ModelName"]) == (1, f"slipway-chat-{rollout}")
    assert [line["event"] for line in stack.ledger()].count("gateJudged") == 2


@pytest.mark.parametrize(
    ("marker", "because"),
    [
        pytest.param("lost", r"golden\.jsonl line 1 \(capital-of-france\): contains", id="a golden prompt is not met"),
        pytest.param("stutters", r"built-in prompt 1 .*: one word makes 40 of the answer's 40", id="it stutters"),
        pytest.param("rude", r"built-in prompt 1 .*: answered with ModelError \(status 500\)", id="it answers 500"),
        pytest.param("impostor", "answered by rollout .* of release 000000000000", id="another release answers"),
        pytest.param("sick", "the preflight's endpoint is Failed", id="it never gets healthy"),
    ],
)
def test_a_green_that_fails_its_preflight_gets_no_traffic(stack: Stack, marker: str, because: str) -> None:
    rollout = dropped(stack, "v1", marker, PARIS)

    settled = stack.release(rollout)

    assert settled["phase"] == "failed"
    (gate,) = record(stack, rollout)["gates"]
    assert gate["verdict"] == "failed"
    assert gate["reason"] in settled["reason"]
    assert re.search(because, settled["reason"]), settled["reason"]
    assert not is_there(stack, PREFLIGHT)
    assert not is_there(stack, "slipway-chat")


def test_a_golden_file_that_cannot_be_read_is_refused_with_its_line(stack: Stack) -> None:
    rollout = dropped(stack, "v1", "v1", PARIS, PARIS | {"id": "b", "expect": {"perplexity": 20}})

    settled = stack.release(rollout)

    assert settled["phase"] == "rejected"
    assert "golden.jsonl line 2: perplexity cannot be measured" in settled["reason"]


def test_a_skipped_preflight_is_recorded_with_the_person_and_the_reason(stack: Stack) -> None:
    rollout = dropped(stack, "v1", "lost", PARIS)
    leased = created(stack, rollout)
    assert stack.call("start_preflight", leased)["progress"] == "moving"

    stack.operate("skip-gate", rollout=rollout, gate="preflight")

    assert stack.watched(leased)["progress"] == "preflightPassed"
    (gate,) = record(stack, rollout)["gates"]
    assert (gate["verdict"], gate["reason"]) == ("skipped", "ana skipped it: the test says so")
    assert not is_there(stack, PREFLIGHT)


def test_an_abort_in_the_preflight_ends_it_and_its_endpoint(stack: Stack) -> None:
    rollout = dropped(stack, "v1", "v1", PARIS)
    leased = created(stack, rollout)
    stack.call("start_preflight", leased)
    stack.operate("abort", rollout=rollout)

    with pytest.raises(AbortedError) as aborted:
        stack.call("watch_endpoint", leased)

    assert stack.settled(leased, aborted.value)["phase"] == "aborted"
    assert not is_there(stack, PREFLIGHT)


def test_what_serves_people_under_the_preflight_s_name_is_not_touched(stack: Stack) -> None:
    rollout = dropped(stack, "v1", "v1")
    leased = created(stack, rollout)
    stack.client("sagemaker").create_endpoint(EndpointName=PREFLIGHT, EndpointConfigName=f"slipway-chat-{rollout}")

    with pytest.raises(RolloutFailedError, match="so that the preflight cannot have its name"):
        stack.call("start_preflight", leased)

    assert is_there(stack, PREFLIGHT)
