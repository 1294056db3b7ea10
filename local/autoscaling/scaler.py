"""Acts: on alarms that trigger policies, on schedules, and on targets whose capacity lies out of their range."""

import json
import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from local.alarm_actions import ActionFailedError, ScalingTrigger
from local.autoscaling import schedules, tracking
from local.autoscaling.decisions import NotScaled, Scale, Situation, decide
from local.autoscaling.policies import TRACKING
from local.autoscaling.records import Activity, Book, Key, ScalableTarget, ScalingPolicy, ScheduledAction
from local.autoscaling.variants import NAMESPACE, Capacity, Variant, Variants
from local.looking import Looking, pause_s
from local.metrics.store import MetricId
from local.moto_patches import cloudwatch
from local.world import World

logger = logging.getLogger(__name__)

# Real seconds until the endpoints' own metrics of a period have arrived, and only silence is left to tell.
_SETTLE_S = 1.0
_SILENT_PERIODS = 20
_MINUTE_S = 60


@dataclass(frozen=True)
class _Cooldown:
    """What begins when a change of capacity is done."""

    seconds: float
    begin: Callable[[float], None]
    """Called with the AWS time at which the cooldown ends."""


# Cooldowns are for scaling policies alone.
_NONE = _Cooldown(0.0, lambda _: None)


class Scaler(Looking):
    """Scales SageMaker's variants, in a thread of its own but for what alarms trigger."""

    def __init__(self, world: World, book: Book, variants: Variants) -> None:
        self._world = world
        self._book = book
        self._variants = variants
        self._following: list[tuple[Activity, _Cooldown]] = []
        self._acting = threading.RLock()
        self._silent_until_s: dict[MetricId, float] = {}
        super().__init__("autoscaling", pause_s(world.clock), self.look)

    def look(self) -> None:
        """Follow what is under way, carry out what is scheduled, and tell of variants without traffic."""
        self._follow()
        self._carry_out_schedules()
        self._tell_of_silence()

    # Alarms ------------------------------------------------------------------------------------------------------

    def on_alarm(self, trigger: ScalingTrigger) -> None:
        """A policy's alarm is in the state that triggers it; alarms say so once per minute while it lasts.

        Raises:
            ActionFailedError: there is no such policy.
        """
        with self._acting, self._book.lock:
            policy = self._book.policy_by_arn(trigger.policy_arn)
            target = self._book.targets.get(policy.key) if policy else None
            if policy is None or target is None:
                raise ActionFailedError(f"no scaling policy {trigger.policy_arn} exists")
            if policy.key.namespace != NAMESPACE or trigger.value is None:
                return
            cause = f"monitor alarm {trigger.alarm_name} in state ALARM triggered policy {policy.name}"
            capacity = self._capacity(target, cause)
            if capacity is None:
                return
            values = [(one, self._low_value(one)) for one in self._book.policies_of(policy.key) if _may_scale_in(one)]
            decision = decide(
                policy, Situation(target, capacity, trigger.value, trigger.threshold, values, self._now_s)
            )
            if isinstance(decision, NotScaled):
                note = Activity(target.key, "Attempting to scale due to alarm triggered", cause, self._now_s, "Failed")
                note.not_scaled = [decision.reason]
                self._book.activities.append(note)
            elif decision is not None:
                self._scale(target, policy, capacity, decision, cause)

    def _capacity(self, target: ScalableTarget, cause: str) -> Capacity | None:
        capacity = self._variants.capacity(Variant.of(target.key.resource_id))
        if capacity is None:
            lost = Activity(target.key, "Attempting to scale due to alarm triggered", cause, self._now_s)
            lost.end("Failed", f"SageMaker endpoint variant doesn't exist: {target.key.resource_id}", self._now_s)
            self._book.activities.append(lost)
        return capacity

    @staticmethod
    def _low_value(policy: ScalingPolicy) -> float | None:
        """The newest data point of a policy's AlarmLow while it is in ALARM."""
        alarm = cloudwatch.backend().alarms.get(policy.alarms[1])
        if alarm is None or alarm.state_value != "ALARM":
            return None
        points = json.loads(alarm.state_reason_data or "{}").get("recentDatapoints") or [None]
        value: float | None = points[-1]
        return value

    def _scale(
        self, target: ScalableTarget, policy: ScalingPolicy, capacity: Capacity, decision: Scale, cause: str
    ) -> None:
        name = "ScaleOutCooldown" if decision.out else "ScaleInCooldown"
        cooldown_s = policy.config.get(name if policy.kind == TRACKING else "Cooldown", tracking.DEFAULT_COOLDOWN_S)

        def cool(until_s: float) -> None:
            if decision.out:
                policy.cooling_until_s = until_s
            else:
                target.scaled_in_until_s = until_s

        if decision.out:
            if policy.cooling_until_s <= self._now_s:
                policy.base = capacity.desired
            target.scaled_in_until_s = 0.0
        cool(math.inf)
        self._set(target, decision.count, cause, _Cooldown(cooldown_s, cool))

    # Ranges and schedules ----------------------------------------------------------------------------------------

    def keep_in_range(self, target: ScalableTarget) -> None:
        """Scale a target whose capacity lies out of its range to the range's end; one that cannot be scaled now
        keeps what it has."""
        with self._acting, self._book.lock:
            capacity = self._variants.capacity(Variant.of(target.key.resource_id))
            if capacity is None or not capacity.scalable:
                return
            if capacity.desired < target.minimum:
                self._set(target, target.minimum, f"minimum capacity was set to {target.minimum}", _NONE)
            elif capacity.desired > target.maximum:
                self._set(target, target.maximum, f"maximum capacity was set to {target.maximum}", _NONE)

    def _carry_out_schedules(self) -> None:
        now_s = self._now_s
        with self._book.lock:
            due = [action for action in self._book.actions.values() if _is_due(action, now_s)]
            for action in self._book.actions.values():
                action.looked_s = now_s
        for action in due:
            self._carry_out(action)

    def _carry_out(self, action: ScheduledAction) -> None:
        with self._book.lock:
            target = self._book.targets.get(action.key)
            if target is None or target.suspended["ScheduledScalingSuspended"]:
                return
            _set_range(target, action)
            said = " and ".join(f"{name[:3].lower()} capacity to {value}" for name, value in action.action.items())
            cause = f"scheduled action name {action.name} was triggered"
            done = Activity(action.key, f"Setting {said}", cause, self._now_s)
            done.end("Successful", f"Successfully set {said}", self._now_s)
            self._book.activities.append(done)
        if action.key.namespace == NAMESPACE:
            self.keep_in_range(target)

    # Changes of capacity -----------------------------------------------------------------------------------------

    def _set(self, target: ScalableTarget, count: int, cause: str, cooldown: _Cooldown) -> None:
        activity = Activity(target.key, f"Setting desired instance count to {count}.", cause, self._now_s, wanted=count)
        self._book.activities.append(activity)
        try:
            self._variants.set_capacity(Variant.of(target.key.resource_id), count)
        except (ClientError, BotoCoreError) as error:
            why = f"Failed to set desired instance count to {count}. Reason: {_said(error)}"
            activity.end("Failed", why, self._now_s)
            cooldown.begin(0.0)
            logger.warning("%s could not be scaled: %s", target.key.resource_id, why)
            return
        logger.info("%s is scaled to %d: %s", target.key.resource_id, count, cause)
        self._override(target.key)
        activity.status = "InProgress"
        activity.message = (
            f"Successfully set desired instance count to {count}. Waiting for change to be fulfilled by sagemaker."
        )
        self._following.append((activity, cooldown))

    def _override(self, key: Key) -> None:
        """What is still under way of this target is overtaken."""
        for older, _ in [following for following in self._following if following[0].key == key]:
            older.end("Overridden", "The desired capacity was updated by a newer scaling event.", self._now_s)
        self._following = [following for following in self._following if following[0].key != key]

    def _follow(self) -> None:
        with self._acting:
            for following in list(self._following):
                capacity = self._variants.capacity(Variant.of(following[0].key.resource_id))
                if capacity is None or capacity.scalable:
                    self._following.remove(following)
                    self._end(*following, capacity)

    def _end(self, activity: Activity, cooldown: _Cooldown, capacity: Capacity | None) -> None:
        now_s, done = self._now_s, f"Successfully set desired instance count to {activity.wanted}. Change"
        with self._book.lock:
            if capacity is not None and capacity.desired == activity.wanted:
                activity.end("Successful", f"{done} successfully fulfilled by sagemaker.", now_s)
                cooldown.begin(now_s + cooldown.seconds)
            else:
                activity.end("Unfulfilled", f"{done} could not be fulfilled by sagemaker.", now_s)
                cooldown.begin(0.0)

    # Silence -----------------------------------------------------------------------------------------------------

    def _tell_of_silence(self) -> None:
        """A variant that may scale and has no traffic has metrics of zero, so that it scales in ("Edit a scaling
        policy" in the SageMaker Developer Guide); of another one there is nothing to say."""
        with self._book.lock:
            policies = [one for one in self._book.policies.values() if one.key.namespace == NAMESPACE]
        tracked = [one for one in policies if one.kind == TRACKING and _predefined(one)]
        end_s = self._now_s - _SETTLE_S * self._world.clock.scale
        for policy in tracked:
            if self._variants.capacity(Variant.of(policy.key.resource_id)) is not None:
                self._fill_silence(policy.key, tracking.PREDEFINED[_predefined(policy)], policy.created_s, end_s)

    def _fill_silence(self, key: Key, metric: tracking.Predefined, since_s: float, end_s: float) -> None:
        variant = Variant.of(key.resource_id)
        dimensions = [
            {"Name": "EndpointName", "Value": variant.endpoint},
            {"Name": "VariantName", "Value": variant.name},
        ]
        metric_id = MetricId.of(tracking.METRICS, metric.name, dimensions)
        last = math.floor(end_s / metric.period_s)
        begun = max(self._silent_until_s.get(metric_id, since_s) / metric.period_s, last - _SILENT_PERIODS)
        backend = cloudwatch.backend()
        for start_s in range(math.ceil(begun) * metric.period_s, last * metric.period_s, metric.period_s):
            if not cloudwatch.store_of(backend).samples(metric_id, start_s, start_s + metric.period_s).count:
                datum = {
                    "MetricName": metric.name,
                    "Dimensions": dimensions,
                    "Timestamp": datetime.fromtimestamp(start_s, UTC),
                    "Value": 0.0,
                    "StorageResolution": 1 if metric.period_s < _MINUTE_S else _MINUTE_S,
                }
                backend.put_metric_data(tracking.METRICS, [datum])
        self._silent_until_s[metric_id] = last * metric.period_s

    @property
    def _now_s(self) -> float:
        return self._world.clock.time()


def _set_range(target: ScalableTarget, action: ScheduledAction) -> None:
    """An action that gives one end of the range takes the other with it rather than turn the range round."""
    target.minimum = action.action.get("MinCapacity", target.minimum)
    target.maximum = action.action.get("MaxCapacity", target.maximum)
    if target.minimum > target.maximum:
        if "MaxCapacity" in action.action:
            target.minimum = target.maximum
        else:
            target.maximum = target.minimum


def _may_scale_in(policy: ScalingPolicy) -> bool:
    return policy.kind == TRACKING and not policy.config.get("DisableScaleIn")


def _predefined(policy: ScalingPolicy) -> str:
    kind: str = policy.config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
    return kind


def _is_due(action: ScheduledAction, now_s: float) -> bool:
    begun = max(action.looked_s, action.start_s or 0.0)
    at_s = schedules.next_after(action.schedule, action.timezone, begun, action.start_s or action.created_s)
    return at_s is not None and at_s <= now_s and (action.end_s is None or at_s <= action.end_s)


def _said(error: ClientError | BotoCoreError) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    answer = error.response
    meta = answer["ResponseMetadata"]
    return (
        f"{answer['Error']['Message']} (Service: AmazonSageMaker; Status Code: {meta['HTTPStatusCode']}; "
        f"Error Code: {answer['Error']['Code']}; Request ID: {meta.get('RequestId', '')})."
    )
