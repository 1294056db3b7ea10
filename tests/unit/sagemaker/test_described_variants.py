"""What DescribeEndpoint tells of its variants, serving and pending: images, instance pools, routing.

Source: ProductionVariantSummary, PendingProductionVariantSummary, InstancePoolSummary and DeployedImage of SageMaker's
API reference.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.twin import Twin

G5, G6 = "ml.g5.4xlarge", "ml.g6.4xlarge"
BAKE = {
    "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 3600}}
}


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path, scale=100)
    yield twin
    twin.stop()


def with_pools(twin: Twin, name: str, instances: int, **more: Any) -> str:
    pools = [{"InstanceType": kind, "Priority": number} for number, kind in enumerate((G5, G6), 1)]
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": instances, "InstancePools": pools, **more}
    twin.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant])
    return name


def pools_of(summary: dict[str, Any]) -> dict[str, int]:
    return {pool["InstanceType"]: pool["CurrentInstanceCount"] for pool in summary["InstancePools"]}


def test_pools_tell_their_types_and_how_many_instances_each_has(twin: Twin) -> None:
    twin.twin.capacity.limit(G5, 1)

    twin.endpoint(with_pools(twin, "one", 3))

    assert pools_of(twin.describe()["ProductionVariants"][0]) == {G5: 1, G6: 2}


def test_a_pending_variant_with_pools_tells_them_in_place_of_an_instance_type(twin: Twin) -> None:
    twin.endpoint(twin.config("plain", v=1))
    twin.update(with_pools(twin, "pooled", 2), BAKE)
    twin.until(lambda: twin.stage()[0] == "Baking")

    pending = twin.describe()["PendingDeploymentSummary"]["ProductionVariants"][0]

    assert pools_of(pending) == {G5: 2, G6: 0}
    assert "InstanceType" not in pending


def test_a_pending_variant_without_pools_tells_its_instance_type(twin: Twin) -> None:
    twin.endpoint(twin.config("one", v=1))
    twin.update(twin.config("two", v=1), BAKE)

    pending = twin.describe()["PendingDeploymentSummary"]["ProductionVariants"][0]

    assert pending["InstanceType"] == G5
    assert "InstancePools" not in pending


def test_routing_is_told_as_the_config_gives_it(twin: Twin) -> None:
    routing = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}

    twin.endpoint(with_pools(twin, "one", 1, RoutingConfig=routing))
    twin.endpoint(twin.config("plain", v=1), "plain")

    assert twin.describe()["ProductionVariants"][0]["RoutingConfig"] == routing
    assert "RoutingConfig" not in twin.describe("plain")["ProductionVariants"][0]


def test_an_image_was_resolved_when_its_deployment_was_accepted(twin: Twin) -> None:
    def resolved(summary: dict[str, Any]) -> float:
        return float(summary["DeployedImages"][0]["ResolutionTime"])

    twin.endpoint(twin.config("one", v=1))
    first = resolved(twin.describe()["ProductionVariants"][0])
    twin.skip(5000)
    twin.update(twin.config("two", v=1), BAKE)
    twin.until(lambda: twin.stage()[0] == "Baking")
    pending = resolved(twin.describe()["PendingDeploymentSummary"]["ProductionVariants"][0])
    twin.skip(3700)
    second = resolved(twin.settled()["ProductionVariants"][0])

    assert pending - first >= 5000
    assert second == pending
