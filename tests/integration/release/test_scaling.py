"""Who changes the size of a fleet, on the embedded Application Auto Scaling."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from release.adapters.scaling import VariantScaling
from release.errors import AccessDeniedError, ServiceUnavailableError
from tests.builders.artifacts import artifact
from tests.integration.release.conftest import Stack
from tests.integration.release.test_rollouts import dropped, first_live, phase

VARIANT = "endpoint/slipway-chat/variant/AllTraffic"


def targets(stack: Stack) -> list[dict[str, Any]]:
    found = stack.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    return [dict(target) for target in found["ScalableTargets"]]


def suspended(stack: Stack) -> set[bool]:
    return {value for target in targets(stack) for value in target["SuspendedState"].values()}


def policies(stack: Stack) -> list[dict[str, Any]]:
    found = stack.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")
    return [dict(policy) for policy in found["ScalingPolicies"]]


def test_a_live_endpoint_is_scaled_by_the_requests_that_each_instance_answers_at_once(stack: Stack) -> None:
    """Developer Guide, "Automatically scale": the predefined metric by ten seconds, on the variant's instance count."""
    first_live(stack)

    (target,), (policy,) = targets(stack), policies(stack)
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (VARIANT, 1, 5)
    assert suspended(stack) == {False}
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 12
    assert tracking["PredefinedMetricSpecification"]["PredefinedMetricType"].endswith("PerModelHighResolution")


def test_scaling_is_suspended_while_traffic_moves_and_goes_on_when_green_was_lost(stack: Stack) -> None:
    first = first_live(stack)
    manifest = b'{"config": {"bakeSeconds": 1200, "maxInstanceCount": 2}}'
    second = stack.call("receive_artifact", stack.drop("v2", artifact("rude"), manifest))["rolloutId"]
    seen: list[set[bool]] = []

    def look() -> None:
        while phase(stack, second) != "baking":
            time.sleep(0.02)
        seen.append(suspended(stack))

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        settled = stack.release(second)
        looking.result(timeout=1)

    assert (settled["phase"], seen) == ("rolled_back", [{True}])
    assert stack.answers().endswith(f"rollout={first}")
    (target,) = targets(stack)
    assert (suspended(stack), target["MaxCapacity"]) == ({False}, 5)
    assert stack.ledger()[-1]["evidence"] == {"scaling": "1 to 5 instances, 12 concurrent requests each"}


def test_a_fleet_of_one_size_is_scaled_no_more(stack: Stack) -> None:
    first_live(stack)
    one = stack.drop("v2", artifact("v2"), b'{"config": {"maxInstanceCount": 1}}')

    assert stack.release(stack.call("receive_artifact", one)["rolloutId"])["phase"] == "live"

    assert (targets(stack), policies(stack)) == ([], [])


def test_a_first_release_that_fails_leaves_no_scaling_behind(stack: Stack) -> None:
    stack.call("receive_image", stack.push())

    assert stack.release(dropped(stack, "rude"))["phase"] == "failed"

    assert targets(stack) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param("ConcurrentUpdateException", ServiceUnavailableError, id="another update of the target"),
        pytest.param("ThrottlingException", ServiceUnavailableError, id="throttled"),
        pytest.param("AccessDeniedException", AccessDeniedError, id="no right"),
    ],
)
def test_what_application_auto_scaling_says_is_told_apart(code: str, error: type[Exception]) -> None:
    client = boto3.client(
        "application-autoscaling", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stub:
        stub.add_client_error("deregister_scalable_target", code, "because")

        with pytest.raises(error, match=f"{code}: because"):
            VariantScaling(client).remove("slipway-chat")
