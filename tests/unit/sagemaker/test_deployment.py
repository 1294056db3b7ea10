"""Which traffic steps a DeploymentConfig means, and which it may not mean; which status may follow which."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.behaviour import Behaviour, PartialInstances
from local.sagemaker.deployments.policy import DeploymentPolicy, TrafficStep, read_policy
from local.sagemaker.errors import AwsError
from local.sagemaker.service_model import service_model
from local.sagemaker.statuses import IN_PROGRESS, LEGAL_NEXT, EndpointStatus, VariantStage

EVENTS = Path(__file__).parents[3] / "events" / "aws"
PERCENT, COUNT = "CAPACITY_PERCENT", "INSTANCE_COUNT"


def blue_green(kind: str, wait_s: int = 0, policy: dict[str, Any] | None = None, **sizes: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait_s, **sizes}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **(policy or {})}}


def size(kind: str, value: int) -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def rolling(batch: dict[str, Any], wait_s: int = 0, **more: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": wait_s, **more}}


def read(
    config: dict[str, Any] | None,
    instances: int,
    partial: PartialInstances = PartialInstances.UP_TO_HALF,
    old: int | None = None,
) -> DeploymentPolicy:
    behaviour = Behaviour(partial_instances=partial)
    return read_policy(config, {"v": instances}, behaviour, {"v": old} if old else None)


def test_no_policy_means_all_at_once_unguarded() -> None:
    everything = TrafficStep({"v": 1}, {"v": 1}, 0.0)

    assert read(None, 1) == DeploymentPolicy((everything,), 0.0, None, (), guarded=False, rolling=False)


@pytest.mark.parametrize(
    ("config", "instances", "steps"),
    [
        pytest.param(blue_green("ALL_AT_ONCE", 300), 1, [(1, 300)], id="all at once bakes after its single shift"),
        pytest.param(
            blue_green("CANARY", 60, CanarySize=size(COUNT, 1)), 4, [(1, 60), (4, 60)], id="one of four, then all"
        ),
        pytest.param(
            blue_green("CANARY", 60, CanarySize=size(PERCENT, 30)), 4, [(2, 60), (4, 60)], id="30 % of 4 is 2"
        ),
        pytest.param(
            blue_green("LINEAR", 10, LinearStepSize=size(PERCENT, 50)), 2, [(1, 10), (2, 10)], id="two halves"
        ),
        pytest.param(
            blue_green("LINEAR", 0, LinearStepSize=size(COUNT, 2)), 5, [(2, 0), (4, 0), (5, 0)], id="2 + 2 + 1"
        ),
        pytest.param(rolling(size(COUNT, 2), 30), 5, [(2, 30), (4, 30), (5, 30)], id="batches of 2 of 5"),
        pytest.param(rolling(size(PERCENT, 5), 1), 20, [(n, 1) for n in range(1, 21)], id="5 % of 20 is 1"),
        pytest.param(rolling(size(PERCENT, 50)), 2, [(1, 0), (2, 0)], id="rolling over two in halves"),
    ],
)
def test_a_policy_becomes_steps(config: dict[str, Any], instances: int, steps: list[tuple[int, float]]) -> None:
    policy = read(config, instances)

    assert [(step.capacity["v"], step.bake_s) for step in policy.steps] == steps
    assert [step.share("v") for step in policy.steps] == pytest.approx([count / instances for count, _ in steps])


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
        pytest.param(rolling(size(PERCENT, 4)), 50, "MaximumBatchSize must be 5-50 %", id="a batch below 5 %"),
        pytest.param(rolling(size(COUNT, 2)), 3, "2 INSTANCE_COUNT of 3 is 2 instance", id="a batch over half"),
        pytest.param(
            rolling(size(COUNT, 1), RollbackMaximumBatchSize=size(COUNT, 5)),
            4,
            "RollbackMaximumBatchSize must be at most 100 %",
            id="going back by more than there is",
        ),
        pytest.param(
            {**rolling(size(COUNT, 1)), **blue_green("ALL_AT_ONCE")}, 2, "Only one of", id="two policies at once"
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(config: dict[str, Any], instances: int, message: str) -> None:
    """The bounds are those of the API reference: CanarySize, LinearStepSize and MaximumBatchSize."""
    with pytest.raises(AwsError, match=message):
        read(config, instances)


def test_a_rolling_update_of_several_variants_is_refused() -> None:
    """Source: the developer guide, deployment guardrails, exclusions."""
    with pytest.raises(AwsError, match="not supported for an endpoint with 2 production variants"):
        read_policy(rolling(size(COUNT, 1)), {"a": 2, "b": 2}, Behaviour())


def test_each_variant_moves_by_its_own_instances() -> None:
    config = blue_green("CANARY", 0, CanarySize=size(PERCENT, 25))

    canary = read_policy(config, {"a": 4, "b": 8}, Behaviour()).steps[0]

    assert canary.capacity == {"a": 1, "b": 2}
    assert (canary.share("a"), canary.share("b")) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        pytest.param({}, 6, id="absent means all of the old fleet at once"),
        pytest.param({"RollbackMaximumBatchSize": size(PERCENT, 50)}, 3, id="half of the old fleet"),
        pytest.param({"RollbackMaximumBatchSize": size(PERCENT, 100)}, 6, id="100 %"),
        pytest.param({"RollbackMaximumBatchSize": size(COUNT, 1)}, 1, id="one by one"),
    ],
)
def test_going_back_is_measured_by_the_old_fleet(back: dict[str, Any], expected: int) -> None:
    """Source: RollbackMaximumBatchSize in the API reference's RollingUpdatePolicy."""
    policy = read(rolling(size(COUNT, 1), **back), 4, old=6)

    assert policy.back == {"v": expected}


@pytest.mark.parametrize(
    ("partial", "percent", "of", "expected"),
    [
        pytest.param(PartialInstances.UP, 50, 3, 2, id="1.5 is rounded up"),
        pytest.param(PartialInstances.DOWN, 50, 3, 1, id="1.5 is rounded down"),
        pytest.param(PartialInstances.DOWN, 10, 3, 1, id="0.3 is one nevertheless"),
        pytest.param(PartialInstances.UP, 50, 1, 1, id="a canary on one instance is that instance"),
        pytest.param(PartialInstances.DOWN, 50, 1, 1, id="rounded down it is one too"),
        pytest.param(PartialInstances.UP_TO_HALF, 50, 3, None, id="1.5 rounded up is more than half: refused"),
        pytest.param(PartialInstances.UP_TO_HALF, 50, 1, None, id="a canary on one instance is refused"),
    ],
)
def test_what_becomes_of_part_of_an_instance_is_a_switch(
    partial: PartialInstances, percent: int, of: int, expected: int | None
) -> None:
    """AWS documents no rounding, and no canary on one instance."""
    config = blue_green("CANARY", 0, CanarySize=size(PERCENT, percent))

    if expected is None:
        with pytest.raises(AwsError, match="at most 50 %"):
            read(config, of, partial)
    else:
        assert read(config, of, partial).steps[0].capacity == {"v": expected}


@given(
    st.integers(2, 20), st.integers(10, 50), st.sampled_from(["CANARY", "LINEAR"]), st.sampled_from(PartialInstances)
)
def test_steps_only_grow_and_end_with_everything(
    instances: int, percent: int, kind: str, partial: PartialInstances
) -> None:
    name = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}[kind]
    try:
        policy = read(blue_green(kind, 0, None, **{name: size(PERCENT, percent)}), instances, partial)
    except AwsError as error:
        assert partial is PartialInstances.UP_TO_HALF
        assert "instance(s)" in error.message  # noqa: PT017 - rounded up to more than half of few instances
        return

    capacity = [step.capacity["v"] for step in policy.steps]
    assert capacity == sorted(set(capacity))
    assert capacity[0] >= 1
    assert capacity[-1] == instances


def test_the_statuses_are_sagemakers() -> None:
    known = service_model("sagemaker").shape_for("EndpointStatus").metadata["enum"]
    stages = service_model("sagemaker").shape_for("VariantStatus").metadata["enum"]

    assert {status.value for status in EndpointStatus} == set(known)
    assert {stage.value for stage in VariantStage} == set(stages)


def test_every_status_has_a_way_to_the_end() -> None:
    assert set(LEGAL_NEXT) == set(EndpointStatus)
    for status in EndpointStatus:
        assert EndpointStatus.DELETING in reachable(status)


def test_only_an_operation_or_maintenance_begins_something() -> None:
    """An endpoint at rest takes up only what DescribeEndpoint's reference calls executing."""
    at_rest = set(EndpointStatus) - IN_PROGRESS

    for status in at_rest - {EndpointStatus.OUT_OF_SERVICE}:
        assert LEGAL_NEXT[status] <= IN_PROGRESS | {EndpointStatus.OUT_OF_SERVICE}


def test_events_spell_a_status_in_capitals() -> None:
    """Source: events/aws, after the developer guide's page on SageMaker's events."""
    schema = json.loads((EVENTS / "sagemaker-endpoint-state-change.schema.json").read_text())
    spelled = schema["properties"]["detail"]["properties"]["EndpointStatus"]["enum"]

    assert {status.in_events for status in EndpointStatus} == set(spelled)


def reachable(status: EndpointStatus) -> set[EndpointStatus]:
    seen, ahead = {status}, [status]
    while ahead:
        ahead = [later for here in ahead for later in LEGAL_NEXT[here] if later not in seen]
        seen.update(ahead)
    return seen
