"""A DeploymentConfig, read: how a policy moves capacity and traffic, step by step. Free of effects.

Sources: the API reference's BlueGreenUpdatePolicy, RollingUpdatePolicy, TrafficRoutingConfig, CapacitySize and
AutoRollbackConfig (bounds), and the developer guide's pages on deployment guardrails (what a step is).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local.sagemaker.behaviour import Behaviour, PartialInstances
from local.sagemaker.errors import validation

Counts = Mapping[str, int]
"""Instances by variant."""

_CANARY, _LINEAR, _BATCH, _BACK = "CanarySize", "LinearStepSize", "MaximumBatchSize", "RollbackMaximumBatchSize"
# Per cent of the variant's total instance count, inclusive. A rollback's batch is bounded by its default alone.
_BOUNDS = {_CANARY: (0, 50), _LINEAR: (10, 50), _BATCH: (5, 50), _BACK: (0, 100)}


@dataclass(frozen=True)
class TrafficStep:
    """One shift.

    Attributes:
        capacity: instances of each new variant that have traffic after it, 1 <= count <= all of them.
        of: all instances of each new variant.
        bake_s: AWS seconds under that traffic before the next step.
    """

    capacity: Counts
    of: Counts
    bake_s: float

    def share(self, variant: str) -> float:
        """Part of the variant's traffic that the new fleet gets, 0 < share <= 1."""
        return self.capacity[variant] / self.of[variant]

    @property
    def is_full(self) -> bool:
        return self.capacity == self.of


@dataclass(frozen=True)
class DeploymentPolicy:
    """A DeploymentConfig, read: the default is blue/green, all at once, without bake and without alarms."""

    steps: tuple[TrafficStep, ...]
    termination_wait_s: float = 0.0
    max_execution_s: float | None = None
    alarms: tuple[str, ...] = ()
    guarded: bool = False
    """Whether a policy was given: only then SageMaker demands equal variant names."""
    rolling: bool = False
    back: Counts = field(default_factory=dict)
    """Instances of each old variant that a rolling update's rollback brings up at once."""

    @property
    def waits_s(self) -> float:
        return sum(step.bake_s for step in self.steps) + self.termination_wait_s


def read_policy(
    config: Mapping[str, Any] | None, counts: Counts, behaviour: Behaviour, old: Counts | None = None
) -> DeploymentPolicy:
    """Read a DeploymentConfig for new variants of these sizes.

    Args:
        old: the sizes of what serves now; absent for a first deployment.

    Raises:
        AwsError: ValidationException: contradictory, a size outside its bounds, or a policy that these variants cannot
            have.
    """
    plain = DeploymentPolicy((TrafficStep(counts, counts, 0.0),))
    if not config:
        return plain
    alarms = tuple(alarm["AlarmName"] for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", []))
    policy = replace(plain, alarms=alarms, guarded=True)
    if "RollingUpdatePolicy" in config:
        if "BlueGreenUpdatePolicy" in config:
            raise validation("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
        policy = _rolling(policy, config["RollingUpdatePolicy"], counts, behaviour)
        return replace(policy, back=_back(config["RollingUpdatePolicy"], old or counts, behaviour))
    if "BlueGreenUpdatePolicy" in config:
        return _blue_green(policy, config["BlueGreenUpdatePolicy"], counts, behaviour)
    return policy


def _blue_green(
    policy: DeploymentPolicy, update: Mapping[str, Any], counts: Counts, behaviour: Behaviour
) -> DeploymentPolicy:
    policy = replace(
        policy,
        steps=tuple(_traffic_steps(update["TrafficRoutingConfiguration"], counts, behaviour)),
        termination_wait_s=update.get("TerminationWaitInSeconds", 0),
        max_execution_s=update.get("MaximumExecutionTimeoutInSeconds"),
    )
    if policy.max_execution_s is not None and policy.max_execution_s <= policy.waits_s:
        raise validation(
            f"MaximumExecutionTimeoutInSeconds ({policy.max_execution_s:g}) must be larger than the total waiting time "
            f"of TerminationWaitInSeconds and WaitIntervalInSeconds ({policy.waits_s:g})."
        )
    return policy


def _rolling(
    policy: DeploymentPolicy, update: Mapping[str, Any], counts: Counts, behaviour: Behaviour
) -> DeploymentPolicy:
    if len(counts) > 1:
        # Developer guide, deployment guardrails, exclusions: "Multi-variant inference endpoints".
        raise validation(
            f"A rolling deployment is not supported for an endpoint with {len(counts)} production variants; use a "
            "BlueGreenUpdatePolicy."
        )
    batch = _sizes(_BATCH, update[_BATCH], counts, behaviour)
    return replace(
        policy,
        steps=tuple(_growing(batch, counts, update["WaitIntervalInSeconds"])),
        max_execution_s=update.get("MaximumExecutionTimeoutInSeconds"),
        rolling=True,
    )


def _back(update: Mapping[str, Any], old: Counts, behaviour: Behaviour) -> Counts:
    return _sizes(_BACK, update[_BACK], old, behaviour) if _BACK in update else old


def _traffic_steps(routing: Mapping[str, Any], counts: Counts, behaviour: Behaviour) -> Iterator[TrafficStep]:
    kind, bake_s = routing["Type"], routing["WaitIntervalInSeconds"]
    needed = {"ALL_AT_ONCE": None, "CANARY": _CANARY, "LINEAR": _LINEAR}[kind]
    for size in (_CANARY, _LINEAR):
        if (size in routing) != (size == needed):
            verb = "is required" if size == needed else "is not allowed"
            raise validation(f"{size} {verb} when the traffic routing type is {kind}.")
    if needed is None:
        return iter([TrafficStep(counts, counts, bake_s)])
    step = _sizes(needed, routing[needed], counts, behaviour)
    if kind == "LINEAR":
        return _growing(step, counts, bake_s)
    return iter([TrafficStep(step, counts, bake_s), TrafficStep(counts, counts, bake_s)])


def _growing(step: Counts, counts: Counts, bake_s: float) -> Iterator[TrafficStep]:
    for number in range(1, max(math.ceil(counts[name] / step[name]) for name in counts) + 1):
        capacity = {name: min(count, step[name] * number) for name, count in counts.items()}
        yield TrafficStep(capacity, counts, bake_s)


def _sizes(name: str, size: Mapping[str, Any], counts: Counts, behaviour: Behaviour) -> Counts:
    return {variant: _size(name, size, count, behaviour) for variant, count in counts.items()}


def _size(name: str, size: Mapping[str, Any], of: int, behaviour: Behaviour) -> int:
    """A CapacitySize in instances of a variant that has `of` of them."""
    percent = size["Value"] if size["Type"] == "CAPACITY_PERCENT" else 100 * size["Value"] / of
    count = size["Value"] if size["Type"] == "INSTANCE_COUNT" else _whole(of * percent / 100, behaviour)
    low, high = _BOUNDS[name]
    strict = behaviour.partial_instances is PartialInstances.UP_TO_HALF
    lone = of == 1 and not strict  # there is no smaller part of one instance
    if (low <= percent <= high or lone) and (100 * count / of <= high or not strict):
        return int(min(count, of))
    bounds = f"{low}-{high} %" if low else f"at most {high} %"
    raise validation(
        f"{name} must be {bounds} of the variant's total instance count; "
        f"{size['Value']} {size['Type']} of {of} is {count} instance(s)."
    )


def _whole(instances: float, behaviour: Behaviour) -> int:
    if behaviour.partial_instances is PartialInstances.DOWN:
        return max(1, math.floor(round(instances, 9)))
    return math.ceil(round(instances, 9))
