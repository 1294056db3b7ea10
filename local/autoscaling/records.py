"""What Application Auto Scaling remembers: targets, policies, scheduled actions and activities."""

import threading
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.sagemaker.errors import AwsError
from local.world import ACCOUNT, REGION

Json = dict[str, Any]

_KEPT_ACTIVITIES = 10_000
_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


class Key(NamedTuple):
    """What identifies a scalable target."""

    namespace: str
    resource_id: str
    dimension: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Key":
        return cls(request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"])

    def described(self) -> Json:
        return {
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource_id,
            "ScalableDimension": self.dimension,
        }

    def said(self) -> str:
        """As in the messages of errors."""
        return (
            f"service namespace: {self.namespace}, resource ID: {self.resource_id}, "
            f"scalable dimension: {self.dimension}"
        )


@dataclass
class ScalableTarget:
    key: Key
    minimum: int
    maximum: int
    role_arn: str
    created_s: float
    suspended: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(_SUSPENDED, False))
    tags: dict[str, str] = field(default_factory=dict)
    scaled_in_until_s: float = 0.0
    """AWS time at which the cooldown of the last scale-in ends; infinite while that scale-in is under way."""
    arn: str = field(
        default_factory=lambda: f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/{uuid.uuid4().hex}"
    )

    def described(self) -> Json:
        return {
            **self.key.described(),
            "MinCapacity": self.minimum,
            "MaxCapacity": self.maximum,
            "RoleARN": self.role_arn,
            "CreationTime": self.created_s,
            "ScalableTargetARN": self.arn,
            "SuspendedState": dict(self.suspended),
        }


@dataclass
class ScalingPolicy:
    key: Key
    name: str
    kind: str
    """TargetTrackingScaling or StepScaling."""
    config: Json
    created_s: float
    arn: str
    alarms: list[str] = field(default_factory=list)
    """Names of the alarms that target tracking made: AlarmHigh, then AlarmLow unless scale-in is disabled."""
    cooling_until_s: float = 0.0
    """AWS time at which the scale-out cooldown ends; infinite while the scale-out is under way."""
    base: int = 0
    """The capacity before the scale-out whose cooldown runs: what was added since counts as part of the next one."""

    def described(self, alarms: list[str]) -> Json:
        return {
            **self.key.described(),
            "PolicyARN": self.arn,
            "PolicyName": self.name,
            "PolicyType": self.kind,
            f"{self.kind}PolicyConfiguration": self.config,
            "Alarms": alarms_told(alarms),
            "CreationTime": self.created_s,
        }


def alarms_told(names: list[str]) -> list[Json]:
    return [{"AlarmName": name, "AlarmARN": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"} for name in names]


@dataclass
class ScheduledAction:
    key: Key
    name: str
    schedule: str
    timezone: str | None
    start_s: float | None
    end_s: float | None
    action: Json
    created_s: float
    looked_s: float
    """AWS time until which the schedule has been carried out."""

    @property
    def arn(self) -> str:
        return (
            f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scheduledAction:{self.key.namespace}/{self.key.resource_id}"
            f":scheduledActionName/{self.name}"
        )

    def described(self) -> Json:
        optional = {"Timezone": self.timezone, "StartTime": self.start_s, "EndTime": self.end_s}
        return {
            **self.key.described(),
            "ScheduledActionName": self.name,
            "ScheduledActionARN": self.arn,
            "Schedule": self.schedule,
            "ScalableTargetAction": self.action,
            "CreationTime": self.created_s,
            **{member: value for member, value in optional.items() if value is not None},
        }


@dataclass
class Activity:
    """One attempt to scale. `not_scaled` holds the reasons of one that changed nothing."""

    key: Key
    description: str
    cause: str
    started_s: float
    status: str = "Pending"
    message: str | None = None
    ended_s: float | None = None
    not_scaled: list[Json] = field(default_factory=list)
    wanted: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def end(self, status: str, message: str, now_s: float) -> None:
        self.status, self.message, self.ended_s = status, message, now_s

    def described(self) -> Json:
        optional = {
            "EndTime": self.ended_s,
            "StatusMessage": self.message,
            "NotScaledReasons": self.not_scaled or None,
        }
        return {
            **self.key.described(),
            "ActivityId": self.id,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": self.started_s,
            "StatusCode": self.status,
            **{member: value for member, value in optional.items() if value is not None},
        }


class Book:
    """All records. Whoever reads several of them, or changes one, holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.targets: dict[Key, ScalableTarget] = {}
        self.policies: dict[tuple[Key, str], ScalingPolicy] = {}
        self.actions: dict[tuple[Key, str], ScheduledAction] = {}
        self.activities: deque[Activity] = deque(maxlen=_KEPT_ACTIVITIES)

    def target(self, key: Key) -> ScalableTarget:
        """Raises AwsError ObjectNotFoundException."""
        if (target := self.targets.get(key)) is None:
            raise AwsError("ObjectNotFoundException", f"No scalable target found for {key.said()}")
        return target

    def policies_of(self, key: Key) -> list[ScalingPolicy]:
        return [policy for policy in self.policies.values() if policy.key == key]

    def policy_by_arn(self, arn: str) -> ScalingPolicy | None:
        """The policy that an alarm's action names; target tracking's alarms add a suffix of their own."""
        return next((one for one in self.policies.values() if arn.split(":createdBy/", maxsplit=1)[0] == one.arn), None)

    # What survives a restart (`local.parts.Part`)

    def keep(self) -> tuple[Any, ...]:
        return self.targets, self.policies, self.actions, self.activities

    def restore(self, kept: tuple[Any, ...]) -> None:
        """What was under way when the embedded AWS stopped has no one to end it."""
        self.targets, self.policies, self.actions, self.activities = kept
        for activity in self.activities:
            if activity.status in {"Pending", "InProgress"}:
                activity.end("Unfulfilled", "The embedded AWS was stopped.", activity.started_s)
        for policy in self.policies.values():
            policy.cooling_until_s = 0.0
        for target in self.targets.values():
            target.scaled_in_until_s = 0.0
