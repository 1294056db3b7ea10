"""Scaling policies and the alarms that target tracking makes for them."""

import uuid
from typing import Any

from botocore.exceptions import ClientError

from local.autoscaling import steps, tracking
from local.autoscaling.records import Json, Key, ScalingPolicy
from local.autoscaling.variants import Variant
from local.moto_patches import cloudwatch
from local.sagemaker.errors import AwsError, validation
from local.world import ACCOUNT, REGION, World

TRACKING, STEPS = "TargetTrackingScaling", "StepScaling"


def config_of(request: Json) -> tuple[str, Json]:
    """The kind of the policy that a request puts, and its configuration.

    Raises:
        AwsError: ValidationException: a kind that is not emulated, or a configuration that does not fit it.
    """
    kind = request.get("PolicyType")
    if kind not in {TRACKING, STEPS}:
        raise validation(f"The local AWS does not emulate policies of type {kind}; use {TRACKING} or {STEPS}.")
    config = request.get(f"{kind}PolicyConfiguration")
    if config is None:
        raise validation(f"A policy of type {kind} needs {kind}PolicyConfiguration.")
    if kind == STEPS:
        steps.check_steps(config)
    elif float(config["TargetValue"]) <= 0:
        raise validation(f"TargetValue must be greater than 0, not {config['TargetValue']}.")
    return kind, config


def new_arn(key: Key, name: str) -> str:
    resource = f"resource/{key.namespace}/{key.resource_id}:policyName/{name}"
    return f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:{uuid.uuid4()}:{resource}"


def check_metric_is_free(policy_name: str, config: Json, others: list[ScalingPolicy]) -> None:
    """Raises AwsError ValidationException: another target tracking policy of the target has the same metric."""
    for other in others:
        if other.name != policy_name and other.kind == TRACKING and _metric(other.config) == _metric(config):
            raise validation(
                f"Only one {TRACKING} policy for a given metric specification is allowed; {other.name} has it."
            )


def _metric(config: Json) -> Json:
    return {name: config.get(name) for name in ("PredefinedMetricSpecification", "CustomizedMetricSpecification")}


def make_alarms(world: World, policy: ScalingPolicy) -> list[str]:
    """Create AlarmHigh and AlarmLow of a target tracking policy.

    Returns:
        Their names.

    Raises:
        AwsError: ValidationException: an alarm cannot watch the metric.
    """
    variant = Variant.of(policy.key.resource_id)
    metric = tracking.watched(policy.config, variant.endpoint, variant.name)
    action = f"{policy.arn}:createdBy/{uuid.uuid4()}"
    names: list[str] = []
    for kind, settings in tracking.alarm_settings(policy.config, metric).items():
        name = f"TargetTracking-{policy.key.resource_id}-{kind}-{uuid.uuid4()}"
        description = f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}."
        wanted = {**settings, "AlarmName": name, "AlarmDescription": description, "AlarmActions": [action]}
        if "Metrics" in wanted:
            wanted.pop("Period", None)
        try:
            world.client("cloudwatch").put_metric_alarm(**wanted)
        except ClientError as error:
            drop_alarms(world, names)
            raise validation(error.response["Error"]["Message"]) from error
        names.append(name)
    return names


def drop_alarms(world: World, names: list[str]) -> None:
    if names:
        world.client("cloudwatch").delete_alarms(AlarmNames=names)


def release_alarms(policy: ScalingPolicy) -> None:
    """A step scaling policy goes out of the actions of the alarms that triggered it; the alarms stay."""
    for alarm in alarms_that_name(policy):
        for actions in (alarm.alarm_actions, alarm.ok_actions, alarm.insufficient_data_actions):
            actions[:] = [arn for arn in actions or [] if arn != policy.arn]


def alarms_that_name(policy: ScalingPolicy) -> list[Any]:
    """The alarms that have the policy among their actions, as moto keeps them."""
    return [
        alarm
        for alarm in list(cloudwatch.backend().alarms.values())
        if policy.arn in {*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions}
    ]


def not_found(key: Key, name: str) -> AwsError:
    return AwsError("ObjectNotFoundException", f"No scaling policy found for {key.said()}, policy name: {name}")
