"""The statuses that no ordinary update reaches, scaling, and what each of them takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.faults import EndpointFailure, EndpointFault, FleetFailure, FleetFault
from tests.fakes.twin import Twin

CALLS: dict[str, dict[str, Any]] = {
    "UpdateEndpoint": {"EndpointName": "chat", "EndpointConfigName": "new"},
    "UpdateEndpointWeightsAndCapacities": {
        "EndpointName": "chat",
        "DesiredWeightsAndCapacities": [{"VariantName": "v", "DesiredInstanceCount": 3}],
    },
    "DeleteEndpoint": {"EndpointName": "chat"},
}


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path, scale=1000)
    twin.endpoint(twin.config("old", v=2))
    twin.config("new", v=2)
    yield twin
    twin.stop()
    assert not twin.launcher.alive


def status_is(twin: Twin, status: str) -> None:
    twin.until(lambda: twin.describe()["EndpointStatus"] == status)


def test_maintenance_serves_and_takes_nothing_until_it_is_over(twin: Twin) -> None:
    """Source: SystemUpdating in DescribeEndpoint's reference: it "cannot be updated or deleted or re-scaled"."""
    fault = EndpointFault(times=1, delay_s=30_000, failure=EndpointFailure.MAINTENANCE, endpoint="chat")
    twin.world.faults.set(fault)
    status_is(twin, "SystemUpdating")

    assert twin.serving() == {"old": 2}
    for operation, request in CALLS.items():
        assert "Cannot update in-progress endpoint" in twin.refusal(operation, **request)
    twin.deployer._maintenance.stop()
    assert [d["EndpointStatus"] for k, d in twin.events if k.endswith("Endpoint State Change")][-1] == "SYSTEM_UPDATING"


def test_maintenance_ends(twin: Twin) -> None:
    twin.world.faults.set(EndpointFault(times=1, delay_s=60, failure=EndpointFailure.MAINTENANCE))

    twin.until(lambda: [d["EndpointStatus"] for _, d in twin.events][-2:] == ["SYSTEM_UPDATING", "IN_SERVICE"])

    assert twin.describe()["EndpointStatus"] == "InService"


def out_of_service(twin: Twin, aws_seconds: float) -> None:
    fault = EndpointFault(times=1, delay_s=aws_seconds, failure=EndpointFailure.OUT_OF_SERVICE)
    twin.world.faults.set(fault)
    status_is(twin, "OutOfService")


def test_an_endpoint_out_of_service_answers_nothing_until_it_is_back(twin: Twin) -> None:
    """Source: OutOfService in DescribeEndpoint's reference: "not available to take incoming requests"."""
    out_of_service(twin, 200)

    assert twin.record().reserve(None) is None
    status_is(twin, "InService")
    assert twin.serving() == {"old": 2}


@pytest.mark.parametrize("takes", [True, False])
def test_whether_an_endpoint_out_of_service_takes_an_update_is_a_switch(tmp_path: Path, *, takes: bool) -> None:
    """AWS does not document it; that it can be deleted follows from every status but those in progress."""
    twin = Twin(tmp_path, scale=1000, out_of_service_takes_updates=takes)
    twin.endpoint(twin.config("old", v=1))
    twin.config("new", v=1)
    out_of_service(twin, 100_000)

    if takes:
        twin.call("UpdateEndpoint", **CALLS["UpdateEndpoint"])
        assert twin.settled()["EndpointConfigName"] == "new"
        assert twin.serving() == {"new": 1}
    else:
        assert "is OutOfService and takes no UpdateEndpoint" in twin.refusal(
            "UpdateEndpoint", **CALLS["UpdateEndpoint"]
        )
        twin.call("DeleteEndpoint", EndpointName="chat")
        twin.until(lambda: not twin.call("ListEndpoints")["Endpoints"])
    twin.stop()


def test_an_update_can_end_as_failed_which_takes_deletion_alone(twin: Twin) -> None:
    """Source: Failed in DescribeEndpoint's reference."""
    twin.world.faults.set(EndpointFault(failure=EndpointFailure.UPDATE_FAILS))
    twin.world.faults.set(FleetFault(failure=FleetFailure.FAILS_TO_START, config="new"))
    twin.update("new")

    after = twin.settled()
    assert after["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in after["FailureReason"]
    assert twin.record().reserve(None) is None
    assert "can only be deleted" in twin.refusal("UpdateEndpoint", **CALLS["UpdateEndpoint"])
    twin.call("DeleteEndpoint", EndpointName="chat")
    twin.until(lambda: not twin.launcher.alive)


def test_scaling_says_what_is_wished_and_what_is(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source: ProductionVariantSummary's reference, and the second example of a deployment event in the guide."""
    seen: list[dict[str, Any]] = []
    provision = twin.launcher.provision

    def observed(*arguments: Any) -> Any:
        seen.append(twin.describe())
        return provision(*arguments)

    monkeypatch.setattr(twin.launcher, "provision", observed)
    twin.scale(DesiredInstanceCount=6, DesiredWeight=3.0)
    after = twin.settled()

    (during,) = seen
    (variant,) = during["ProductionVariants"]
    assert during["EndpointStatus"] == "Updating"
    assert "PendingDeploymentSummary" not in during
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (2, 6)
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (1.0, 3.0)
    (status,) = variant["VariantStatus"]
    assert (status["Status"], status["StatusMessage"]) == ("Updating", "Scaling out desired instance count to 6.")
    (variant,) = after["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (6, 3.0)


@pytest.mark.parametrize("autoscaled", [True, False])
def test_scaling_that_fails_rolls_back_to_what_was(twin: Twin, *, autoscaled: bool) -> None:
    """Source: RollingBack in DescribeEndpoint's reference, which it gives to autoscaled endpoints alone."""
    twin.world.autoscaled = autoscaled
    twin.twin.capacity.limit("ml.g5.4xlarge", 3)

    twin.scale(DesiredInstanceCount=6, DesiredWeight=3.0)

    after = twin.settled()
    (variant,) = after["ProductionVariants"]
    assert after["EndpointStatus"] == "InService"
    assert "InsufficientInstanceCapacity" in after["FailureReason"]
    assert (variant["DesiredInstanceCount"], variant["CurrentWeight"], variant["DesiredWeight"]) == (2, 1.0, 1.0)
    assert ("ROLLING_BACK" in {detail["EndpointStatus"] for _, detail in twin.events}) is autoscaled


def test_scaling_in_ends_instances_one_variant_at_a_time(twin: Twin) -> None:
    twin.update(twin.config("pair", v=3, w=3))
    twin.settled()

    twin.scale(DesiredInstanceCount=1)

    assert {v["VariantName"]: v["CurrentInstanceCount"] for v in twin.settled()["ProductionVariants"]} == {
        "v": 1,
        "w": 3,
    }
    assert len(twin.launcher.alive) == 4


def test_several_variants_shift_each_by_its_own_instances(twin: Twin) -> None:
    """CanarySize is a part "of the variant's total instance count", says the API's reference."""
    twin.update(twin.config("before", v=4, w=2))
    twin.settled()
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": 3600, "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}

    twin.update(twin.config("after", v=4, w=2), policy)
    twin.until(lambda: twin.stage()[0] == "Baking")
    green = next(share for share in twin.record().traffic if share.fleet.config_name == "after")
    parts = dict.fromkeys(("v", "w"), 0)
    for name in parts:
        for _ in range(1000):
            fleet, instance = twin.record().reserve(name) or pytest.fail("nothing serves")
            instance.release()
            parts[name] += fleet.config_name == "after"

    assert (green.of("v"), green.of("w")) == (0.25, 0.5)
    # Seven standard deviations of 1000 draws: a false alarm once in 10**11 runs.
    assert abs(parts["v"] - 250) < 96
    assert abs(parts["w"] - 500) < 111
