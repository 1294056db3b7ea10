"""A stack that was left in the middle of something can be worked on after a restart."""

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from local.cloudformation.stack import Stack
from local.cloudformation.stacks import Stacks
from local.world import World

# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html, StackStatus
SHAPE: Any = botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus")
STATUSES: list[str] = SHAPE.enum
# REVIEW_IN_PROGRESS waits for a person; nothing is ever imported here.
INTERRUPTED = [
    status for status in STATUSES if status.endswith("_IN_PROGRESS") and not status.startswith(("REVIEW", "IMPORT"))
]


def _restarted(world: World, status: str) -> Stack:
    no_types: Any = None
    stacks = Stacks(world, lambda _: no_types)
    stacks.add("s").becomes(status)
    again = Stacks(world, lambda _: no_types)
    again.restore(stacks.keep())
    return again.get("s")


@pytest.mark.parametrize("status", INTERRUPTED)
def test_what_was_under_way_is_over_and_says_why(tmp_path: Path, status: str) -> None:
    stack = _restarted(World(port=1, state_dir=tmp_path), status)

    assert stack.status in STATUSES
    assert not stack.busy
    assert stack.events[-1]["ResourceStatusReason"] == "The embedded AWS was stopped in the middle of it."


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "REVIEW_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"])
def test_what_was_at_rest_stays_as_it_was(tmp_path: Path, status: str) -> None:
    assert _restarted(World(port=1, state_dir=tmp_path), status).status == status
