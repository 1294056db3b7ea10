"""Alarms on alarms, on expressions, and scaling, as a stack makes, changes and deletes them."""

import json
from typing import Any

import pytest

from local.alarms import AlarmEvaluator
from local.autoscaling.service import AutoScaling
from local.moto_patches import application_autoscaling
from local.moto_patches.patching import Patches
from local.world import World

METRIC = {"MetricStat": {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}}
TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/cluster/page",
    "ScalableDimension": "ecs:service:DesiredCount",
    "MaxCapacity": 4,
}
TRACKING = {
    "TargetValue": 50,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
}


def template(least: int = 1) -> str:
    """A rate of errors, an alarm on it and a target with a policy; numbers may be texts, as parameters are."""
    resources = {
        "Rate": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": "rate",
                "Metrics": [
                    {"Id": "m1", "ReturnData": False, **METRIC},
                    {"Id": "e1", "Expression": "100 * m1 / PERIOD(m1)", "ReturnData": True},
                ],
                "EvaluationPeriods": "2",
                "Threshold": "5",
                "ComparisonOperator": "GreaterThanThreshold",
            },
        },
        "Both": {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": {"AlarmName": "both", "AlarmRule": {"Fn::Sub": "ALARM(${Rate})"}},
        },
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {**TARGET, "MinCapacity": str(least)},
        },
        "Policy": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": "cpu",
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": {"Ref": "Target"},
                "TargetTrackingScalingPolicyConfiguration": TRACKING,
            },
        },
    }
    outputs = {"Target": {"Value": {"Ref": "Target"}}, "Policy": {"Value": {"Ref": "Policy"}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


@pytest.fixture
def cloudformation(world: World, patches: Patches) -> Any:
    AlarmEvaluator(world, lambda *_: None).install(patches)
    application_autoscaling.install(patches, AutoScaling(world))
    return world.client("cloudformation")


def test_a_stack_makes_changes_and_deletes_alarms_and_targets(world: World, cloudformation: Any) -> None:
    scaling, cloudwatch = world.client("application-autoscaling"), world.client("cloudwatch")
    cloudformation.create_stack(StackName="s", TemplateBody=template())
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    [stack] = cloudformation.describe_stacks(StackName="s")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    both = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])

    # "Return values" of AWS::ApplicationAutoScaling::ScalableTarget and ::ScalingPolicy.
    assert outputs["Target"] == "service/cluster/page|ecs:service:DesiredCount|ecs"
    assert outputs["Policy"].endswith(":resource/ecs/service/cluster/page:policyName/cpu")
    assert [alarm["AlarmName"] for alarm in both["MetricAlarms"]] == ["rate"]
    assert [alarm["AlarmRule"] for alarm in both["CompositeAlarms"]] == ["ALARM(rate)"]

    cloudformation.update_stack(StackName="s", TemplateBody=template(least=2))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]["MinCapacity"] == 2

    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    assert cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["CompositeAlarms"] == []
