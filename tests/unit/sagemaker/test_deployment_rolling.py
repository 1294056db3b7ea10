"""A rolling update, batch by batch, and its ways back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.faults import EndpointFailure, EndpointFault, FleetFailure, FleetFault
from local.sagemaker.errors import AwsError
from tests.fakes.twin import INSTANCE_TYPE, Twin

GUARD = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}]}}


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path, scale=1000)
    twin.world.alarms["guard"] = "OK"
    yield twin
    twin.stop()
    assert not twin.launcher.alive
    assert twin.twin.capacity.taken(INSTANCE_TYPE) == 0


def rolling(batch: int, wait_s: int = 3600, **more: Any) -> dict[str, Any]:
    size = {"Type": "INSTANCE_COUNT", "Value": batch}
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait_s, **more}, **GUARD}


def baking(twin: Twin, instances: int) -> None:
    twin.until(lambda: twin.stage()[0] == "Baking" and f"capacity of {instances} " in twin.stage()[1])


def test_batches_come_up_take_their_part_of_the_traffic_and_replace_old_ones(twin: Twin) -> None:
    """Source: the developer guide's page on rolling deployments, "How it works"."""
    twin.endpoint(twin.config("old", v=4))
    twin.update(twin.config("new", v=4), rolling(2))

    baking(twin, 2)
    assert twin.serving() == {"old": 4, "new": 2}, "old instances go after the baking period"
    assert twin.shares() == {"old": 0.5, "new": 0.5}
    twin.skip(3600)
    baking(twin, 4)
    assert len(twin.launcher.alive) == 6, "the second batch came in the place of the first old one"
    assert twin.serving() == {"new": 4}
    twin.skip(3600)

    after = twin.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "new")
    assert len(twin.launcher.alive) == 4


def test_a_stage_says_what_it_does_and_since_when(twin: Twin) -> None:
    """Source: the messages among the examples of SageMaker's events in the developer guide."""
    twin.endpoint(twin.config("old", v=2))
    twin.update(twin.config("new", v=2), rolling(1))
    baking(twin, 1)

    pending = twin.describe()["PendingDeploymentSummary"]
    (variant,) = pending["ProductionVariants"]
    (status,) = variant["VariantStatus"]

    assert status["StatusMessage"] == (
        "Baking for 3600 seconds (WaitIntervalInSeconds) with traffic enabled on batch capacity of 1 instance(s)."
    )
    assert status["StartTime"] >= pending["StartTime"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 2)


@pytest.mark.parametrize(
    ("back", "together"),
    [
        pytest.param({}, 4, id="by default all of the old fleet at once"),
        pytest.param({"RollbackMaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}}, 1, id="one by one"),
    ],
)
def test_an_alarm_brings_the_old_fleet_back_in_batches(
    twin: Twin, back: dict[str, Any], together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source: RollbackMaximumBatchSize in the API reference's RollingUpdatePolicy."""
    twin.endpoint(twin.config("old", v=4))
    twin.update(twin.config("new", v=4), rolling(2, **back))
    baking(twin, 2)
    twin.skip(3600)
    baking(twin, 4)
    asked: list[int] = []
    provision = twin.launcher.provision

    def counted(*arguments: Any) -> Any:
        asked.append(arguments[3])
        return provision(*arguments)

    monkeypatch.setattr(twin.launcher, "provision", counted)

    twin.world.alarms["guard"] = "ALARM"
    after = twin.settled()

    assert asked == {4: [2], 1: [1, 1]}[together], "two of four were gone"
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "old")
    assert "guard" in after["FailureReason"]
    assert twin.serving() == {"old": 4}
    assert len(twin.launcher.alive) == 4


def test_a_batch_that_finds_no_capacity_leaves_the_old_fleet_as_it_was(twin: Twin) -> None:
    twin.endpoint(twin.config("old", v=3))
    twin.twin.capacity.limit(INSTANCE_TYPE, 3)

    twin.update(twin.config("new", v=3), rolling(1, 0))

    after = twin.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "old")
    assert "InsufficientInstanceCapacity" in after["FailureReason"]
    assert twin.serving() == {"old": 3}


def test_rolling_needs_one_batch_of_spare_capacity_and_no_more(twin: Twin) -> None:
    """Source: the guide: "the benefit of reduced capacity requirements when compared to blue/green deployments"."""
    twin.endpoint(twin.config("old", v=4))
    twin.twin.capacity.limit(INSTANCE_TYPE, 5)

    twin.update(twin.config("new", v=4), rolling(1, 0))

    assert twin.settled()["EndpointConfigName"] == "new"


def test_rolling_needs_a_whole_batch_of_the_quota(twin: Twin) -> None:
    # 30 % of 5 instances are 1.5, and the policy takes the next whole instance: 2 come up at once.
    twin.endpoint(twin.config("old", v=5))
    twin.config("new", v=5)
    policy = rolling(30)
    policy["RollingUpdatePolicy"]["MaximumBatchSize"]["Type"] = "CAPACITY_PERCENT"
    quota = f"{INSTANCE_TYPE} for endpoint usage"
    twin.twin._api.quotas.set(quota, 6, since=0.0)

    with pytest.raises(AwsError, match="current utilization of 5 Instances and a request delta of 2 Instances"):
        twin.update("new", policy)
    twin.twin._api.quotas.set(quota, 7, since=0.0)
    twin.update("new", policy)

    baking(twin, 2)


def fail_to_return(twin: Twin) -> dict[str, Any]:
    """A rolling update at half way whose alarm trips when AWS has no instance left."""
    twin.endpoint(twin.config("old", v=4))
    twin.update(twin.config("new", v=4), rolling(2))
    baking(twin, 2)
    twin.skip(3600)
    baking(twin, 4)
    twin.world.faults.set(FleetFault(failure=FleetFailure.NO_CAPACITY))
    twin.world.alarms["guard"] = "ALARM"
    return twin.settled()


def test_where_the_old_fleet_cannot_come_back_a_mix_serves(twin: Twin) -> None:
    """Source: DescribeEndpoint's reference on UpdateRollbackFailed."""
    after = fail_to_return(twin)

    assert after["EndpointStatus"] == "UpdateRollbackFailed"
    assert after["EndpointConfigName"] == "old"
    assert "PendingDeploymentSummary" not in after
    assert "guard" in after["FailureReason"]
    assert "InsufficientInstanceCapacity" in after["FailureReason"]
    assert twin.serving() == {"old": 2, "new": 4}
    (variant,) = after["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (6, 4)


@pytest.mark.parametrize("policy", [None, rolling(1, 0)], ids=["blue/green", "rolling"])
@pytest.mark.parametrize("target", ["new", "old", "newer"])
def test_another_update_leads_out_of_the_mix(twin: Twin, policy: dict[str, Any] | None, target: str) -> None:
    """Source: DescribeEndpoint's reference: InService can be restored, and no operation but an update could do it."""
    fail_to_return(twin)
    twin.world.faults.clear()
    twin.world.alarms["guard"] = "OK"
    twin.config("newer", v=4)

    twin.update(target, policy)

    after = twin.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", target)
    assert "FailureReason" not in after
    assert twin.serving() == {target: 4}
    assert len(twin.launcher.alive) == 4


def test_the_mix_is_no_count_to_retain(twin: Twin) -> None:
    fail_to_return(twin)
    twin.world.faults.clear()

    twin.update(twin.config("newer", v=1), RetainAllVariantProperties=True)

    twin.settled()
    assert twin.serving() == {"newer": 4}, "as many as the endpoint shall have, not as many as it happened to have"


def test_an_update_of_the_mix_that_fails_leaves_a_mix(twin: Twin) -> None:
    fail_to_return(twin)

    twin.update(twin.config("newer", v=4))  # there is no capacity yet

    after = twin.settled()
    assert after["EndpointStatus"] == "UpdateRollbackFailed"
    assert twin.serving() == {"old": 2, "new": 4}
    assert after["ProductionVariants"][0]["DesiredInstanceCount"] == 4


@pytest.mark.parametrize("allowed", [False, True])
def test_whether_a_mix_can_be_scaled_is_a_switch(tmp_path: Path, *, allowed: bool) -> None:
    """AWS does not document it."""
    twin = Twin(tmp_path, scale=1000, mixed_endpoint_scales=allowed)
    twin.world.alarms["guard"] = "OK"
    fail_to_return(twin)
    wish = [{"VariantName": "v", "DesiredInstanceCount": 5}]
    scale = {"EndpointName": "chat", "DesiredWeightsAndCapacities": wish}

    if allowed:
        twin.call("UpdateEndpointWeightsAndCapacities", **scale)
        assert twin.settled()["EndpointStatus"] == "UpdateRollbackFailed"
        assert twin.serving() == {"old": 2, "new": 3}
    else:
        said = twin.refusal("UpdateEndpointWeightsAndCapacities", **scale)
        assert "is UpdateRollbackFailed and takes no UpdateEndpointWeightsAndCapacities" in said
    twin.stop()


def test_a_mix_can_be_deleted(twin: Twin) -> None:
    fail_to_return(twin)

    twin.call("DeleteEndpoint", EndpointName="chat")

    twin.until(lambda: not twin.call("ListEndpoints")["Endpoints"])
    assert not twin.launcher.alive


def test_a_fault_makes_any_rollback_fail(twin: Twin) -> None:
    twin.endpoint(twin.config("old", v=4))
    twin.world.faults.set(EndpointFault(failure=EndpointFailure.ROLLBACK_FAILS, endpoint="chat"))
    twin.update(twin.config("new", v=4), rolling(1))
    baking(twin, 1)

    twin.world.alarms["guard"] = "ALARM"

    assert twin.settled()["EndpointStatus"] == "UpdateRollbackFailed"
    assert twin.serving() == {"old": 4, "new": 1}


@pytest.mark.parametrize(("before", "after"), [(6, 2), (2, 6), (5, 3)])
def test_old_and_new_may_differ_in_size(twin: Twin, before: int, after: int) -> None:
    twin.endpoint(twin.config("old", v=before))

    twin.update(twin.config("new", v=after), rolling(1, 0))

    assert twin.settled()["EndpointConfigName"] == "new"
    assert twin.serving() == {"new": after}
    assert len(twin.launcher.alive) == after


def test_a_rolling_update_ends_with_its_time_limit(twin: Twin) -> None:
    """Source: MaximumExecutionTimeoutInSeconds of RollingUpdatePolicy: "Exceeding this limit causes a timeout"."""
    twin.endpoint(twin.config("old", v=2))
    twin.update(twin.config("new", v=2), rolling(1, MaximumExecutionTimeoutInSeconds=600))
    baking(twin, 1)

    twin.skip(601)

    after = twin.settled()
    assert after["EndpointConfigName"] == "old"
    assert "MaximumExecutionTimeoutInSeconds (600 s)" in after["FailureReason"]


def test_capacity_never_falls_below_what_served(twin: Twin) -> None:
    endpoint = twin.endpoint(twin.config("old", v=4))
    lowest = 4
    twin.update(twin.config("new", v=4), rolling(1, 30))

    while twin.describe()["EndpointStatus"] == "Updating":
        fleets = {share.fleet for share in endpoint.traffic}
        lowest = min(lowest, sum(len(v.healthy()) for fleet in fleets for v in fleet.variants.values()))

    assert twin.settled()["EndpointConfigName"] == "new"
    assert lowest == 4
