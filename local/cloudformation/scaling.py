"""Composite alarms and Application Auto Scaling in a stack, which moto 5.2.5 skips."""

from typing import Any

from botocore.exceptions import ClientError

from local.cloudformation.resource import Made, Properties, ResourceType
from local.world import ACCOUNT, REGION, World

_IDENTITY = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def _put_composite_alarm(world: World, name: str, properties: Properties) -> Made:
    world.client("cloudwatch").put_composite_alarm(**{**properties, "AlarmName": name})
    return Made(name, {"Arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"})


def _drop_alarm(world: World, physical_id: str, _: Properties) -> None:
    world.client("cloudwatch").delete_alarms(AlarmNames=[physical_id])


def _target_of(properties: Properties) -> dict[str, Any]:
    """What identifies a scalable target: the three properties, or the Ref of one in ScalingTargetId."""
    if "ScalingTargetId" in properties:
        resource, dimension, namespace = properties["ScalingTargetId"].split("|")
        return dict(zip(_IDENTITY, (namespace, resource, dimension), strict=True))
    return {name: properties[name] for name in _IDENTITY}


def _put_target(world: World, _: str, properties: Properties) -> Made:
    scaling, target = world.client("application-autoscaling"), _target_of(properties)
    known = scaling.describe_scheduled_actions(**target)["ScheduledActions"]
    settings = {
        name: properties[name] for name in ("MinCapacity", "MaxCapacity", "SuspendedState") if name in properties
    }
    scaling.register_scalable_target(**target, **settings)
    wanted = {action["ScheduledActionName"]: action for action in properties.get("ScheduledActions", [])}
    for action in wanted.values():
        scaling.put_scheduled_action(**target, **action)
    for gone in {action["ScheduledActionName"] for action in known} - set(wanted):
        scaling.delete_scheduled_action(**target, ScheduledActionName=gone)
    made = "|".join((target["ResourceId"], target["ScalableDimension"], target["ServiceNamespace"]))
    return Made(made, {"Id": made})


def _drop_target(world: World, _: str, properties: Properties) -> None:
    _unless_gone(world.client("application-autoscaling").deregister_scalable_target, _target_of(properties))


def _put_policy(world: World, name: str, properties: Properties) -> Made:
    settings = {
        member: value
        for member, value in properties.items()
        if member == "PolicyType" or member.endswith("PolicyConfiguration")
    }
    put = world.client("application-autoscaling").put_scaling_policy(
        **_target_of(properties), PolicyName=name, **settings
    )
    return Made(put["PolicyARN"], {"Arn": put["PolicyARN"], "PolicyName": name})


def _drop_policy(world: World, physical_id: str, properties: Properties) -> None:
    name = physical_id.rpartition(":policyName/")[2]
    delete = world.client("application-autoscaling").delete_scaling_policy
    _unless_gone(delete, {**_target_of(properties), "PolicyName": name})


def _unless_gone(delete: Any, request: dict[str, Any]) -> None:
    try:
        delete(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ObjectNotFoundException":
            raise


TYPES = {
    "AWS::CloudWatch::CompositeAlarm": ResourceType(
        _put_composite_alarm, _drop_alarm, lambda name, _: name, "AlarmName"
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": ResourceType(
        _put_target, _drop_target, lambda _, properties: _target_of(properties), attributes="Id"
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ResourceType(
        _put_policy,
        _drop_policy,
        lambda name, properties: (name, _target_of(properties)),
        "PolicyName",
        attributes="Arn|PolicyName",
    ),
}
