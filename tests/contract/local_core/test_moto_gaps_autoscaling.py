"""What this moto's Application Auto Scaling lacks; when one of these turns red, its patch can go."""

from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

from local.moto_patches import application_autoscaling as patches
from tests.builders.gaps import justifies

TARGET: Any = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/nowhere/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@justifies(patches._act_on_targets)
@mock_aws
def test_moto_takes_a_variant_that_does_not_exist_and_makes_its_policy_no_alarm() -> None:
    scaling = boto3.client("application-autoscaling", region_name="us-east-1")
    scaling.register_scalable_target(**TARGET, MinCapacity=9, MaxCapacity=1)

    put = scaling.put_scaling_policy(
        **TARGET,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    )

    assert put["Alarms"] == []


@justifies(patches._act_on_targets)
@pytest.mark.parametrize("operation", ["describe_scaling_activities", "list_tags_for_resource"])
def test_moto_lacks_an_operation(operation: str) -> None:
    assert not hasattr(ApplicationAutoScalingResponse, operation)
