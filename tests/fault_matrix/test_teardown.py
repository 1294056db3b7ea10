"""The end of the stack, which is the last thing that happens in this folder's world."""

from typing import Any

from tests.builders.stacks import deleted
from tests.fault_matrix.paths import Stage
from tests.fault_matrix.world import STACK, Slipway


def test_the_stack_goes_when_its_last_endpoint_is_gone_and_not_before(slipway: Slipway) -> None:
    stage = Stage(slipway, "last")
    stage.drop()
    stage.rest(1)
    cloudformation = slipway.client("cloudformation")
    before = resources(cloudformation)

    assert deleted(cloudformation, STACK)["StackStatus"] == "DELETE_FAILED"

    assert f"endpoint {STACK}-last would go on serving" in why(cloudformation)
    assert resources(cloudformation) == before
    take_down_all(slipway)
    stack_id = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackId"]
    assert deleted(cloudformation, STACK)["StackStatus"] == "DELETE_COMPLETE", why(cloudformation, stack_id)
    assert slipway.client("sagemaker").list_endpoints()["Endpoints"] == []


def resources(cloudformation: Any) -> set[str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    found = [each for page in pages for each in page["StackResourceSummaries"]]
    return {each["LogicalResourceId"] for each in found if not each["ResourceStatus"].startswith("DELETE_COMPLETE")}


def why(cloudformation: Any, stack: str = STACK) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = [each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "DELETE_FAILED"]
    return " ".join(reasons)


def take_down_all(slipway: Slipway) -> None:
    """Every endpoint that a test of this folder has left, as the refusal says."""
    standing = [each["EndpointName"] for each in slipway.client("sagemaker").list_endpoints()["Endpoints"]]
    for name in standing:
        Stage(slipway, name.removeprefix(f"{STACK}-")).remove()
