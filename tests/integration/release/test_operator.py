"""A person stops, holds and explains rollouts on the twin; what serves afterwards is what served before."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from release.domain.ledger import Head, verify_chain
from release.errors import AlarmsUnsettledError, InvalidInputError, ReleaseError
from tests.builders.artifacts import artifact
from tests.integration.release.conftest import DEADLINE_S, Stack
from tests.integration.release.test_rollouts import awaits, dropped, first_live, phase, planned

LONG_BAKE = b'{"config": {"bakeSeconds": 1200}}'  # forty seconds here; whatever is tested ends it long before


def begun(stack: Stack, version: str, manifest: bytes = b"{}") -> dict[str, Any]:
    """A rollout up to its turn."""
    rollout = stack.call("receive_artifact", stack.drop(version, artifact(version), manifest))["rolloutId"]
    step = {"endpoint": "chat", "rolloutId": rollout}
    planned(stack, step)
    return step


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(stack: Stack, step: dict[str, Any], act: Callable[[], object]) -> dict[str, Any]:
    """The settlement after what the act raised, as the machine's Catch has it."""
    try:
        act()
    except ReleaseError as error:
        return stack.settled(step, error)
    raise AssertionError("it did not end")


def test_a_waiting_rollout_is_aborted_at_once(stack: Stack) -> None:
    first = first_live(stack)
    holder = begun(stack, "v2")
    stack.tokens.answer(awaits(stack, holder))
    waits = begun(stack, "v3")
    token = awaits(stack, waits)

    stack.operate("abort", rollout=waits["rolloutId"])

    assert ended(stack, waits, lambda: stack.tokens.answer(token))["phase"] == "aborted"
    assert phase(stack, holder["rolloutId"]) == "planned"
    assert stack.answers().endswith(f"rollout={first}")


def test_a_rollout_that_creates_its_green_is_aborted_before_any_traffic(stack: Stack) -> None:
    first = first_live(stack)
    step = begun(stack, "v2")
    leased = stack.created(stack.leased(step))

    stack.operate("abort")

    settled = ended(stack, step, lambda: stack.patiently("shift_traffic", leased, AlarmsUnsettledError))
    assert (settled["phase"], settled["error"]) == ("aborted", "ReleaseAborted")
    alarms = stack.client("cloudwatch").describe_alarms(AlarmNamePrefix="slipway-chat-")  # not those of blue's scaling
    assert alarms["MetricAlarms"] == []
    served = stack.client("sagemaker").describe_endpoint(EndpointName="slipway-chat")
    assert (served["EndpointStatus"], served["EndpointConfigName"]) == ("InService", f"slipway-chat-{first}")


@pytest.mark.parametrize("moment", ["shifting", "baking"])
def test_an_abort_under_way_brings_blue_back(stack: Stack, moment: str) -> None:
    first = first_live(stack)
    rollout = stack.call("receive_artifact", stack.drop("v2", artifact("v2"), LONG_BAKE))["rolloutId"]

    def abort() -> dict[str, Any]:
        eventually(lambda: phase(stack, rollout) in {moment, "baking"})
        return stack.operate("abort")

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(abort)
        settled = stack.release(rollout)

    assert "abort alarm trips" in asked.result()["sentence"]
    assert settled["phase"] == "aborted", settled
    assert stack.answers().endswith(f"rollout={first}")
    lines = stack.ledger()
    assert [line["event"] for line in lines if line["actor"] == "ana"] == ["abortRequested"]


def test_after_the_finish_line_an_abort_is_refused_with_a_sentence(stack: Stack) -> None:
    first_live(stack)
    second = dropped(stack, "v2")
    assert stack.release(second)["phase"] == "live"

    with pytest.raises(InvalidInputError, match="has ended as live; bring another release back instead"):
        stack.operate("abort", rollout=second)


def test_a_judge_that_died_in_the_bake_is_a_rollback(stack: Stack) -> None:
    """Nobody looks any more once green bakes; 120 s of AWS time later SageMaker goes back to blue by itself."""
    first = first_live(stack)
    step = begun(stack, "v2", LONG_BAKE)
    leased = stack.created(stack.leased(step))
    stack.patiently("shift_traffic", leased, AlarmsUnsettledError)
    while phase(stack, step["rolloutId"]) != "baking":
        stack.call("watch_endpoint", leased)

    def rested() -> bool:
        found = stack.client("sagemaker").describe_endpoint(EndpointName="slipway-chat")
        return bool(found["EndpointStatus"] == "InService")

    eventually(rested)
    assert stack.answers().endswith(f"rollout={first}")
    # The judge comes back to life and finds out.
    assert ended(stack, step, lambda: stack.watched(leased))["phase"] == "rolled_back"


def test_a_rollback_while_blue_stands_ends_the_rollout_and_says_that_blue_serves(stack: Stack) -> None:
    first = first_live(stack)
    rollout = stack.call("receive_artifact", stack.drop("v2", artifact("v2"), LONG_BAKE))["rolloutId"]

    def roll_back() -> dict[str, Any]:
        eventually(lambda: phase(stack, rollout) == "baking")
        return stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(roll_back)
        assert stack.release(rollout)["phase"] == "aborted"

    chosen = asked.result()
    assert (chosen["rolloutId"], chosen["releaseId"]) == (rollout, first.partition("-")[0])
    followed = stack.call("follow_rollout", {"endpoint": "chat", **chosen})
    assert (followed["ended"], followed["live"]) == (True, True)
    assert stack.answers().endswith(f"rollout={first}")


def test_why_tells_where_a_rollout_stands_and_the_ledger_is_whole(stack: Stack) -> None:
    first = first_live(stack)
    step = begun(stack, "v2")
    stack.created(stack.leased(step))

    why = stack.operate("why")["why"]

    assert (why["liveRolloutId"], why["status"], why["leaseHolder"]) == (first, "InService", step["rolloutId"])
    assert {name.rpartition("-")[2] for name in why["alarms"]} == {"guard", "abort", "man"}
    lines, endpoint = stack.ledger(), stack.item("endpoint")
    assert endpoint is not None
    assert verify_chain(lines, Head(int(endpoint["ledgerSeq"]), endpoint["ledgerHash"])) is None
    assert {line["rolloutId"] for line in lines} == {first, step["rolloutId"]}


def test_a_paused_rollout_goes_on_when_it_is_resumed(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    step = begun(stack, "v1")
    stack.operate("pause", rollout=step["rolloutId"])
    token = awaits(stack, step)
    assert token not in stack.tokens.answers

    stack.operate("resume", rollout=step["rolloutId"])

    assert stack.tokens.answer(token)["leaseToken"] == 1


def test_an_aborted_first_release_leaves_no_endpoint(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    step = begun(stack, "v1")
    leased = stack.created(stack.leased(step))
    stack.call("shift_traffic", leased)
    stack.operate("abort")

    assert ended(stack, step, lambda: stack.watched(leased))["phase"] == "aborted"
    eventually(lambda: stack.client("sagemaker").list_endpoints()["Endpoints"] == [])


def test_the_end_of_a_freeze_is_an_execution_that_waits_for_it(stack: Stack) -> None:
    first_live(stack)
    for _ in range(2):
        stack.operate("freeze", until="2999-01-01T00:00:00Z")

    client = stack.client("stepfunctions")
    machine = next(one for one in client.list_state_machines()["stateMachines"] if one["name"] == "slipway-operate")
    (execution,) = client.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    asked = json.loads(client.describe_execution(executionArn=execution["executionArn"])["input"])
    assert (execution["name"], asked["verb"]) == ("wake-chat-29990101T000002000Z", "wake")
    assert asked["at"] == "2999-01-01T00:00:02.000Z"


def test_a_removed_endpoint_leaves_nothing_and_can_be_brought_back(stack: Stack) -> None:
    first = first_live(stack)
    stack.operate("freeze")

    stack.operate("remove")

    client = stack.client("sagemaker")
    assert client.list_models()["Models"] + client.list_endpoint_configs()["EndpointConfigs"] == []
    served = stack.item("endpoint")
    assert served is not None
    assert "liveReleaseId" not in served
    assert stack.ledger()[-1]["event"] == "endpointRemoved"
    eventually(lambda: not client.list_endpoints()["Endpoints"])
    chosen = stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})
    assert stack.release(chosen["rolloutId"])["phase"] == "live"
    assert stack.answers().endswith(f"rollout={first.replace('-1', '-2')}")
