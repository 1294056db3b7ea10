"""Which traffic steps a DeploymentConfig means, and which it may not mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.deployments.policy import DeploymentPolicy, TrafficStep, read_policy
from local.sagemaker.errors import AwsError
from local.sagemaker.service_model import service_model
from local.sagemaker.statuses import LEGAL_NEXT, EndpointStatus

PERCENT, COUNT = "CAPACITY_PERCENT", "INSTANCE_COUNT"


def blue_green(kind: str, wait_s: int = 0, policy: dict[str, Any] | None = None, **sizes: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait_s, **sizes}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **(policy or {})}}


def size(kind: str, value: int) -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def test_no_policy_means_all_at_once_unguarded() -> None:
    assert read_policy(None, 1) == DeploymentPolicy((TrafficStep(1.0, 0.0),), 0.0, None, (), guarded=False)


@pytest.mark.parametrize(
    ("config", "instances", "steps"),
    [
        pytest.param(blue_green("ALL_AT_ONCE", 300), 1, [(1.0, 300)], id="all at once bakes after its single shift"),
        pytest.param(
            blue_green("CANARY", 60, CanarySize=size(COUNT, 1)), 4, [(0.25, 60), (1.0, 60)], id="one of four, then all"
        ),
        pytest.param(
            blue_green("CANARY", 60, CanarySize=size(PERCENT, 30)), 4, [(0.5, 60), (1.0, 60)], id="30 % of 4 is 2"
        ),
        pytest.param(
            blue_green("LINEAR", 10, LinearStepSize=size(PERCENT, 50)), 2, [(0.5, 10), (1.0, 10)], id="two halves"
        ),
        pytest.param(
            blue_green("LINEAR", 0, LinearStepSize=size(COUNT, 2)), 5, [(0.4, 0), (0.8, 0), (1.0, 0)], id="2 + 2 + 1"
        ),
    ],
)
def test_a_policy_becomes_steps(config: dict[str, Any], instances: int, steps: list[tuple[float, float]]) -> None:
    read = read_policy(config, instances)

    assert [step.bake_s for step in read.steps] == [bake_s for _, bake_s in steps]
    assert [step.green_share for step in read.steps] == pytest.approx([share for share, _ in steps])


@pytest.mark.parametrize(
    ("config", "instances", "message"),
    [
        pytest.param(
            blue_green("CANARY", CanarySize=size(PERCENT, 51)), 10, "CanarySize must be at most 50 %", id="over half"
        ),
        pytest.param(
            blue_green("CANARY", CanarySize=size(COUNT, 1)),
            1,
            "CanarySize must be at most 50 %",
            id="1 of 1 is all",
        ),
        pytest.param(
            blue_green("CANARY", CanarySize=size(PERCENT, 50)), 1, "at most 50 %", id="half an instance is one"
        ),
        pytest.param(
            blue_green("LINEAR", LinearStepSize=size(PERCENT, 9)), 10, "must be 10-50 %", id="a linear step below 10 %"
        ),
        pytest.param(blue_green("CANARY"), 2, "CanarySize is required", id="a canary without its size"),
        pytest.param(
            blue_green("ALL_AT_ONCE", CanarySize=size(COUNT, 1)), 2, "CanarySize is not allowed", id="a size too many"
        ),
        pytest.param(
            blue_green("ALL_AT_ONCE", 600, policy={"MaximumExecutionTimeoutInSeconds": 600}),
            1,
            "must be larger than the total waiting time",
            id="no time but for waiting",
        ),
        pytest.param({"RollingUpdatePolicy": {}}, 2, "does not emulate RollingUpdatePolicy", id="rolling"),
        pytest.param(
            {"RollingUpdatePolicy": {}, **blue_green("ALL_AT_ONCE")}, 2, "Only one of", id="two policies at once"
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(config: dict[str, Any], instances: int, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        read_policy(config, instances)


@given(st.integers(2, 20), st.integers(10, 50), st.sampled_from(["CANARY", "LINEAR"]))
def test_steps_only_grow_and_end_with_everything(instances: int, percent: int, kind: str) -> None:
    name = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}[kind]
    try:
        policy = read_policy(blue_green(kind, 0, None, **{name: size(PERCENT, percent)}), instances)
    except AwsError as error:
        assert "instance(s)" in error.message  # noqa: PT017 - rounded up to more than half of few instances
        return

    shares = [step.green_share for step in policy.steps]
    assert shares == sorted(set(shares))
    assert 0 < shares[0] <= 0.5
    assert shares[-1] == 1.0


def test_every_status_is_one_of_sagemakers_and_every_path_can_end() -> None:
    known = service_model("sagemaker").shape_for("EndpointStatus").metadata["enum"]

    assert {status.value for status in EndpointStatus} <= set(known)
    assert set(LEGAL_NEXT) == set(EndpointStatus)
    for status in EndpointStatus:
        assert EndpointStatus.DELETING in reachable(status)


def reachable(status: EndpointStatus) -> set[EndpointStatus]:
    seen, ahead = {status}, [status]
    while ahead:
        ahead = [later for here in ahead for later in LEGAL_NEXT[here] if later not in seen]
        seen.update(ahead)
    return seen
