"""What the account may have and what AWS has to give: quotas refuse at once, capacity fails later."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.faults import FleetFailure, FleetFault
from local.sagemaker.control.quotas import (
    ACTIVE_INSTANCES,
    ENDPOINT_CONFIGS,
    ENDPOINTS,
    INSTANCES_OF_AN_ENDPOINT,
    Demand,
    Quotas,
)
from tests.integration.sagemaker.conftest import Aws

G5, G6 = "ml.g5.4xlarge", "ml.g6.4xlarge"
G5_QUOTA = "ml.g5.4xlarge for endpoint usage"
# Source: FailureReason of a real endpoint, as aws/deep-learning-containers#6673 quotes it.
NO_CAPACITY = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."


def set_quota(aws: Aws, name: str, value: float) -> None:
    aws.twin._api.quotas.set(name, value, since=0.0)


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    # Source: botocore models ResourceLimitExceeded for each of the calls here.
    assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    message: str = caught.value.response["Error"]["Message"]
    return message


def scale(aws: Aws, count: int) -> None:
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="chat",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
    )


def counts(aws: Aws) -> tuple[int, int]:
    variant = aws.describe()["ProductionVariants"][0]
    return variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]


def test_blue_and_green_count_together(aws: Aws) -> None:
    set_quota(aws, G5_QUOTA, 1)
    aws.endpoint(aws.config("one"))
    aws.config("two")

    said = refusal(aws.sagemaker.update_endpoint, EndpointName="chat", EndpointConfigName="two")
    set_quota(aws, G5_QUOTA, 2)
    aws.update("two")

    assert "is 1 Instances, with current utilization of 1 Instances and a request delta of 1 Instances" in said
    assert aws.settled()["EndpointConfigName"] == "two"


def test_a_green_fleet_in_progress_leaves_no_room_for_others(aws: Aws) -> None:
    set_quota(aws, G5_QUOTA, 2)
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600)
    aws.until(aws.baking)

    said = refusal(aws.sagemaker.create_endpoint, EndpointName="other", EndpointConfigName="one")

    assert "current utilization of 2 Instances" in said


def test_what_ended_is_free_again(aws: Aws) -> None:
    set_quota(aws, G5_QUOTA, 2)
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"))
    aws.settled()

    aws.endpoint("one", "other")
    said = refusal(aws.sagemaker.create_endpoint, EndpointName="third", EndpointConfigName="one")

    assert "current utilization of 2 Instances" in said


def test_scaling_out_counts_what_it_adds_and_scaling_in_nothing(aws: Aws) -> None:
    set_quota(aws, G5_QUOTA, 2)
    aws.endpoint(aws.config("one"))

    with pytest.raises(ClientError, match="a request delta of 2 Instances"):
        scale(aws, 3)
    scale(aws, 2)
    aws.settled()
    set_quota(aws, G5_QUOTA, 1)
    scale(aws, 1)
    aws.settled()

    assert counts(aws) == (1, 1)


def test_a_rolling_update_needs_room_for_one_batch(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))
    aws.config("two", instances=2)
    set_quota(aws, G5_QUOTA, 3)
    batch = {"Type": "INSTANCE_COUNT", "Value": 1}
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 0}}

    said = refusal(aws.sagemaker.update_endpoint, EndpointName="chat", EndpointConfigName="two")
    # Source: "Rolling deployments" of SageMaker's guide: capacity for one batch, not for a whole second fleet.
    aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName="two", DeploymentConfig=rolling)

    assert "a request delta of 2 Instances" in said
    assert aws.settled()["EndpointConfigName"] == "two"


def test_of_many_at_once_only_those_within_the_quota_begin(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.config("one")
    set_quota(aws, G5_QUOTA, 2)
    check = Quotas.check_instances

    def check_slowly(quotas: Quotas, used: Counter[str], demands: Sequence[Demand]) -> None:
        check(quotas, used, demands)
        time.sleep(0.02)  # room for the others between the look and the deed

    monkeypatch.setattr(Quotas, "check_instances", check_slowly)

    def create(number: int) -> str:
        try:
            aws.sagemaker.create_endpoint(EndpointName=f"chat-{number}", EndpointConfigName="one")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "begun"

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(create, range(8)))

    assert sorted(ends) == ["ResourceLimitExceeded"] * 6 + ["begun"] * 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param(ACTIVE_INSTANCES, 1, "'Number of instances across active endpoints' is 1 Instances", id="account"),
        pytest.param(ENDPOINTS, 1, "'Endpoints' is 1 Endpoints, with current utilization of 1", id="endpoints"),
        pytest.param(INSTANCES_OF_AN_ENDPOINT, 0, "'Instances of one endpoint' is 0 Instances", id="one endpoint"),
    ],
)
def test_every_limit_refuses_an_endpoint(aws: Aws, name: str, value: float, words: str) -> None:
    aws.endpoint(aws.config("one"))
    set_quota(aws, name, value)

    assert words in refusal(aws.sagemaker.create_endpoint, EndpointName="other", EndpointConfigName="one")
    assert len(aws.sagemaker.list_endpoints()["Endpoints"]) == 1


def test_endpoint_configs_have_a_limit_where_it_is_set(aws: Aws) -> None:
    aws.config("one")
    set_quota(aws, ENDPOINT_CONFIGS, 1)
    variant = {"VariantName": "v", "ModelName": "one", "InstanceType": G5, "InitialInstanceCount": 1}

    said = refusal(aws.sagemaker.create_endpoint_config, EndpointConfigName="two", ProductionVariants=[variant])

    assert "'Endpoint configs' is 1 Endpoint configs" in said


# Capacity: what a request found within its quotas may still not be had.


def test_an_endpoint_without_capacity_fails_later_and_says_so(aws: Aws) -> None:
    aws.config("one")
    aws.twin.capacity.limit(G5, 0)

    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one")

    after = aws.settled()
    assert after["EndpointStatus"] == "Failed"
    assert after["FailureReason"].startswith(NO_CAPACITY)


def test_an_update_without_capacity_goes_back_and_says_so(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.twin.capacity.limit(G5, 1)

    aws.update(aws.config("two"))

    after = aws.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "one")
    assert after["FailureReason"].startswith(NO_CAPACITY)
    assert aws.invoke()["Body"].read().startswith(b"one")


def test_scaling_out_without_capacity_keeps_the_count(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.twin.capacity.limit(G5, 1)

    scale(aws, 3)

    aws.until(lambda: aws.describe()["EndpointStatus"] == "InService")
    assert counts(aws) == (1, 1)


def test_a_fault_takes_capacity_from_one_endpoint(aws: Aws) -> None:
    aws.config("one")
    aws.world.faults.set(FleetFault(failure=FleetFailure.NO_CAPACITY, endpoint="chat"))

    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one")

    assert aws.settled()["FailureReason"].startswith(NO_CAPACITY)
    assert aws.endpoint("one", "other") == "other"


# Instance pools: other types where the best has none.


def pools(aws: Aws, name: str, *types: str, instances: int = 1, **overrides: str) -> str:
    """A config with these instance pools, the best first; an override is a model by its type's family."""
    aws.model(name)
    listed = [
        {"InstanceType": kind, "Priority": number}
        | ({"ModelNameOverride": overrides[kind.split(".")[1]]} if kind.split(".")[1] in overrides else {})
        for number, kind in enumerate(types, 1)
    ]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": instances,
        "InstancePools": listed[::-1],  # priority says, not place
    }
    aws.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    return name


def types_in_use(aws: Aws) -> dict[str, int]:
    return {kind: aws.twin.capacity.taken(kind) for kind in (G5, G6) if aws.twin.capacity.taken(kind)}


def test_a_pool_without_capacity_falls_to_the_next(aws: Aws) -> None:
    # Source: "Deploy to multiple instance types with instance pools" of SageMaker's guide.
    aws.twin.capacity.limit(G5, 1)

    aws.endpoint(pools(aws, "one", G5, G6, instances=2))

    assert types_in_use(aws) == {G5: 1, G6: 1}


def test_a_pool_may_run_a_model_of_its_own(aws: Aws) -> None:
    aws.model("for-g6")
    aws.twin.capacity.limit(G5, 0)

    aws.endpoint(pools(aws, "one", G5, G6, g6="for-g6"))

    assert aws.invoke()["Body"].read().startswith(b"for-g6")


def test_all_pools_without_capacity_fail_the_endpoint(aws: Aws) -> None:
    aws.twin.capacity.limit(G5, 0)
    aws.twin.capacity.limit(G6, 0)
    pools(aws, "one", G5, G6)

    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one")

    assert aws.settled()["FailureReason"].startswith(NO_CAPACITY)


def test_pools_need_room_in_their_quotas_together(aws: Aws) -> None:
    set_quota(aws, G5_QUOTA, 0)
    pools(aws, "one", G5, G6)
    set_quota(aws, "ml.g6.4xlarge for endpoint usage", 0)

    said = refusal(aws.sagemaker.create_endpoint, EndpointName="chat", EndpointConfigName="one")
    set_quota(aws, "ml.g6.4xlarge for endpoint usage", 1)

    assert "'ml.g5.4xlarge for endpoint usage' is 0 Instances" in said
    assert aws.endpoint("one") == "chat"
