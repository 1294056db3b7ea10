"""Stacks change in the background; a test waits for the end of it."""

import time
from typing import Any

LIMIT_S = 60.0


def settled(cloudformation: Any, stack_id: str) -> dict[str, Any]:
    """The stack as DescribeStacks shows it once nothing is in progress.

    Args:
        stack_id: its ARN if it is being deleted; the name is free again at the end.
    """
    deadline = time.monotonic() + LIMIT_S
    while True:
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        if not described["StackStatus"].endswith("_IN_PROGRESS") or described["StackStatus"] == "REVIEW_IN_PROGRESS":
            return described
        assert time.monotonic() < deadline, f"{stack_id} is still {described['StackStatus']} after {LIMIT_S:g} s"
        time.sleep(0.02)


def deleted(cloudformation: Any, name: str) -> dict[str, Any]:
    """Delete the stack and wait for the end of it."""
    stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=name)
    return settled(cloudformation, stack_id)
