"""The sweep of the running product, with the rights that the template gives it."""

import json
from typing import Any

from tests.e2e.running import ENDPOINT, STACK, Running, eventually


def sweep(slipway: Running, **asked: object) -> dict[str, Any]:
    """Start the sweep machine by hand; its output."""
    client = slipway.client("stepfunctions")
    machine = f"arn:aws:states:us-east-1:123456789012:stateMachine:{STACK}-sweep"
    started = client.start_execution(stateMachineArn=machine, input=json.dumps(asked))["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_execution(executionArn=started)
        return None if found["status"] == "RUNNING" else found

    execution = eventually("the sweep ends", ended)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    output: dict[str, Any] = json.loads(execution["output"])
    return output


def drift(slipway: Running) -> list[dict[str, Any]]:
    """What the endpoint's ledger says of drift."""
    lines = slipway.client("dynamodb").query(
        TableName=f"{STACK}-releases",
        KeyConditionExpression="pk = :endpoint AND begins_with(sk, :ledger)",
        FilterExpression="#event = :drift",
        ExpressionAttributeNames={"#event": "event"},
        ExpressionAttributeValues={
            ":endpoint": {"S": "endpoint#chat"},
            ":ledger": {"S": "ledger#"},
            ":drift": {"S": "driftFound"},
        },
    )["Items"]
    return [line["evidence"]["M"] for line in lines]


def test_a_deleted_endpoint_config_is_there_again_after_a_sweep(slipway: Running) -> None:
    sagemaker = slipway.client("sagemaker")
    name = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
    sagemaker.delete_endpoint_config(EndpointConfigName=name)

    sweep(slipway, endpoint="chat")

    # By the ledger: a sweep that a failed rollout started just before may have been the quicker one.
    assert [(found["kind"]["S"], found["mended"]["S"]) for found in drift(slipway)] == [("configGone", "yes")]
    assert sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigName"] == name


def test_a_sweep_of_everything_finds_nothing_more(slipway: Running) -> None:
    output = sweep(slipway)

    assert (output["report"]["drift"], output["report"]["problems"]) == (0, [])
    assert output["report"]["endpoints"] >= 1
