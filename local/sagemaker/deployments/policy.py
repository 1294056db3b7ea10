"""A DeploymentConfig, read: how a policy moves traffic, step by step. Free of effects."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from local.sagemaker.errors import not_emulated, validation


@dataclass(frozen=True)
class TrafficStep:
    green_share: float
    """Part of the endpoint's traffic that the new fleet gets, 0 < share <= 1."""
    bake_s: float
    """AWS seconds under that traffic before the next step."""


@dataclass(frozen=True)
class DeploymentPolicy:
    """A DeploymentConfig, read: the default is all at once, without bake and without alarms."""

    steps: tuple[TrafficStep, ...] = (TrafficStep(1.0, 0.0),)
    termination_wait_s: float = 0.0
    max_execution_s: float | None = None
    alarms: tuple[str, ...] = ()
    guarded: bool = False
    """Whether a policy was given: only then SageMaker sends deployment events and demands equal variant names."""

    @property
    def waits_s(self) -> float:
        return sum(step.bake_s for step in self.steps) + self.termination_wait_s


def read_policy(config: Mapping[str, Any] | None, instances: int) -> DeploymentPolicy:
    """Read a DeploymentConfig for a fleet of this many instances.

    Raises:
        AwsError: ValidationException: contradictory, a size outside its bounds, or a policy that is not emulated.
    """
    if not config:
        return DeploymentPolicy()
    if "RollingUpdatePolicy" in config:
        if "BlueGreenUpdatePolicy" in config:
            raise validation("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
        raise not_emulated("RollingUpdatePolicy")
    alarms = tuple(alarm["AlarmName"] for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", []))
    policy = DeploymentPolicy(alarms=alarms, guarded=True)
    if (blue_green := config.get("BlueGreenUpdatePolicy")) is None:
        return policy
    policy = replace(
        policy,
        steps=_steps(blue_green["TrafficRoutingConfiguration"], instances),
        termination_wait_s=blue_green.get("TerminationWaitInSeconds", 0),
        max_execution_s=blue_green.get("MaximumExecutionTimeoutInSeconds"),
    )
    if policy.max_execution_s is not None and policy.max_execution_s <= policy.waits_s:
        raise validation(
            f"MaximumExecutionTimeoutInSeconds ({policy.max_execution_s:g}) must be larger than the total waiting time "
            f"of TerminationWaitInSeconds and WaitIntervalInSeconds ({policy.waits_s:g})."
        )
    return policy


def _steps(routing: Mapping[str, Any], instances: int) -> tuple[TrafficStep, ...]:
    kind, bake_s = routing["Type"], routing["WaitIntervalInSeconds"]
    needed = {"ALL_AT_ONCE": None, "CANARY": "CanarySize", "LINEAR": "LinearStepSize"}[kind]
    for size in ("CanarySize", "LinearStepSize"):
        if (size in routing) != (size == needed):
            verb = "is required" if size == needed else "is not allowed"
            raise validation(f"{size} {verb} when the traffic routing type is {kind}.")
    if needed is None:
        return (TrafficStep(1.0, bake_s),)
    share = _share(needed, routing[needed], instances)
    if kind == "CANARY":
        return TrafficStep(share, bake_s), TrafficStep(1.0, bake_s)
    count = math.ceil(round(1 / share, 9))
    return tuple(TrafficStep(min(1.0, share * number), bake_s) for number in range(1, count + 1))


def _share(name: str, size: Mapping[str, Any], instances: int) -> float:
    in_percent = size["Type"] == "CAPACITY_PERCENT"
    # Traffic moves with whole instances, so a percentage is rounded up to the next one.
    count = math.ceil(instances * size["Value"] / 100) if in_percent else size["Value"]
    asked = size["Value"] if in_percent else 100 * count / instances
    low = 10 if name == "LinearStepSize" else 0
    if not low <= asked <= 50 or count / instances > 0.5:  # noqa: PLR2004 - the API's bounds, in percent
        bounds = "10-50 %" if low else "at most 50 %"
        raise validation(
            f"{name} must be {bounds} of the variant's total instance count; "
            f"{size['Value']} {size['Type']} of {instances} is {count} instance(s)."
        )
    return float(count / instances)
