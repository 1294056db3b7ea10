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


def test_a_deleted_endpoint_config_is_there_again_after_a_sweep(slipway: Running) -> None:
    sagemaker = slipway.client("sagemaker")
    name = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
    sagemaker.delete_endpoint_config(EndpointConfigName=name)

    (swept,) = sweep(slipway, endpoint="chat")["endpoints"]

    assert [(each["kind"], each["mended"]) for each in swept["drift"]] == [("configGone", True)]
    assert sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigName"] == name


def test_a_sweep_of_everything_finds_nothing_more(slipway: Running) -> None:
    output = sweep(slipway)

    assert (output["report"]["drift"], output["report"]["problems"]) == (0, [])
    assert output["report"]["endpoints"] >= 1
