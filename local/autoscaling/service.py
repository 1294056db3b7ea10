"""Application Auto Scaling's API: targets, policies, scheduled actions and activities."""

from collections.abc import Callable, Sequence
from typing import Any

from botocore import xform_name

from local.autoscaling import policies, schedules
from local.autoscaling.records import Activity, Book, Json, Key, ScalableTarget, ScalingPolicy, ScheduledAction
from local.autoscaling.scaler import Scaler
from local.autoscaling.variants import DIMENSION, NAMESPACE, ROLE_ARN, Variant, Variants
from local.sagemaker.errors import AwsError, validation
from local.sagemaker.service_model import check_request
from local.world import ACCOUNT, World

SERVICE = "application-autoscaling"
RECORDED = ("ecs", "ecs:service:DesiredCount")
"""A target that is kept and never acted on: the local ECS runs one task per service."""
_PAGE = 50
_ECS_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_ECSService"
)


class AutoScaling:
    OPERATIONS = (
        "DeleteScalingPolicy",
        "DeleteScheduledAction",
        "DeregisterScalableTarget",
        "DescribeScalableTargets",
        "DescribeScalingActivities",
        "DescribeScalingPolicies",
        "DescribeScheduledActions",
        "ListTagsForResource",
        "PutScalingPolicy",
        "PutScheduledAction",
        "RegisterScalableTarget",
        "TagResource",
        "UntagResource",
    )
    """Each is the method of its name in snake case. Everything else is refused by name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._book = Book()
        world.parts["autoscaling"] = self._book
        self._variants = Variants(world)
        self.scaler = Scaler(world, self._book, self._variants)

    def call(self, name: str, request: Json) -> Json:
        """Answer one operation.

        Raises:
            AwsError: the operation's error.
        """
        deed: Callable[[Json], Json] = getattr(self, f"_{xform_name(name)}")
        return deed(check_request(SERVICE, name, request))

    # Targets

    def _register_scalable_target(self, request: Json) -> Json:
        key = Key.of(request)
        with self._book.lock:
            known = self._book.targets.get(key)
        if known is None:
            self._check_new(key)
        with self._book.lock:
            target = self._book.targets.get(key) or self._add_target(key, request)
            self._change(target, request)
        if key.namespace == NAMESPACE:
            self._variants.ensure_role()
            self.scaler.keep_in_range(target)
        return {"ScalableTargetARN": target.arn}

    def _check_new(self, key: Key) -> None:
        if (key.namespace, key.dimension) == RECORDED:
            return
        if (key.namespace, key.dimension) != (NAMESPACE, DIMENSION):
            raise validation(
                f"The local AWS does not emulate scaling of {key.dimension} in {key.namespace}; "
                f"it scales {DIMENSION} in {NAMESPACE}."
            )
        if self._variants.capacity(Variant.of(key.resource_id)) is None:
            raise validation(f"SageMaker endpoint variant doesn't exist: {key.resource_id}")

    def _add_target(self, key: Key, request: Json) -> ScalableTarget:
        if "MinCapacity" not in request or "MaxCapacity" not in request:
            raise validation("MinCapacity and MaxCapacity are both required to register a new scalable target.")
        role = ROLE_ARN if key.namespace == NAMESPACE else _ECS_ROLE
        target = ScalableTarget(
            key, request["MinCapacity"], request["MaxCapacity"], role, self._now_s, tags=dict(request.get("Tags", {}))
        )
        _check_range(key, target.minimum, target.maximum)
        self._book.targets[key] = target
        return target

    @staticmethod
    def _change(target: ScalableTarget, request: Json) -> None:
        minimum, maximum = request.get("MinCapacity", target.minimum), request.get("MaxCapacity", target.maximum)
        _check_range(target.key, minimum, maximum)
        target.minimum, target.maximum = minimum, maximum
        target.suspended |= request.get("SuspendedState", {})

    def _deregister_scalable_target(self, request: Json) -> Json:
        key = Key.of(request)
        with self._book.lock:
            self._book.target(key)
            del self._book.targets[key]
            gone = self._book.policies_of(key)
            for policy in gone:
                del self._book.policies[key, policy.name]
            for action in [one for one in self._book.actions if one[0] == key]:
                del self._book.actions[action]
        for policy in gone:
            self._let_alarms_go(policy)
        return {}

    def _describe_scalable_targets(self, request: Json) -> Json:
        with self._book.lock:
            found = [
                target.described()
                for target in self._book.targets.values()
                if _is_asked(target.key, request)
                and target.key.resource_id in _named(request, "ResourceIds", target.key)
            ]
        return _page("ScalableTargets", found, request)

    # Policies

    def _put_scaling_policy(self, request: Json) -> Json:
        key, name = Key.of(request), request["PolicyName"]
        kind, config = policies.config_of(request)
        with self._book.lock:
            if key not in self._book.targets:
                raise AwsError("ObjectNotFoundException", f"No scalable target registered for {key.said()}")
            if kind == policies.TRACKING:
                policies.check_metric_is_free(name, config, self._book.policies_of(key))
            known = self._book.policies.get((key, name))
        arn = known.arn if known else policies.new_arn(key, name)
        policy = ScalingPolicy(key, name, kind, config, self._now_s, arn)
        if known:
            policy.created_s, policy.cooling_until_s, policy.base = known.created_s, known.cooling_until_s, known.base
        if kind == policies.TRACKING and key.namespace == NAMESPACE:
            policy.alarms = policies.make_alarms(self._world, policy)
        with self._book.lock:
            self._book.policies[key, name] = policy
        if known:
            policies.drop_alarms(self._world, known.alarms)
        described = policy.described(policy.alarms)
        return {"PolicyARN": arn, "Alarms": described["Alarms"]}

    def _delete_scaling_policy(self, request: Json) -> Json:
        key, name = Key.of(request), request["PolicyName"]
        with self._book.lock:
            policy = self._book.policies.pop((key, name), None)
        if policy is None:
            raise policies.not_found(key, name)
        self._let_alarms_go(policy)
        return {}

    def _let_alarms_go(self, policy: ScalingPolicy) -> None:
        if policy.kind == policies.TRACKING:
            policies.drop_alarms(self._world, policy.alarms)
        else:
            policies.release_alarms(policy)

    def _describe_scaling_policies(self, request: Json) -> Json:
        with self._book.lock:
            found = [
                policy
                for policy in self._book.policies.values()
                if _is_asked(policy.key, request) and policy.name in _named(request, "PolicyNames", policy.name)
            ]
        described = [
            policy.described(policy.alarms or [alarm.name for alarm in policies.alarms_that_name(policy)])
            for policy in found
        ]
        return _page("ScalingPolicies", described, request)

    # Scheduled actions

    def _put_scheduled_action(self, request: Json) -> Json:
        key, name = Key.of(request), request["ScheduledActionName"]
        with self._book.lock:
            target = self._book.targets.get(key)
            if target is None:
                raise AwsError("ObjectNotFoundException", f"No scalable target registered for {key.said()}")
            known = self._book.actions.get((key, name))
            action = ScheduledAction(
                key=key,
                name=name,
                schedule=request.get("Schedule") or (known.schedule if known else ""),
                timezone=request.get("Timezone") or (known.timezone if known else None),
                start_s=_seconds(request.get("StartTime")),
                end_s=_seconds(request.get("EndTime")),
                action=request.get("ScalableTargetAction") or (known.action if known else {}),
                created_s=known.created_s if known else self._now_s,
                looked_s=self._now_s,
            )
            if not action.schedule or not action.action:
                raise validation("Schedule and ScalableTargetAction are required for a new scheduled action.")
            schedules.check(action.schedule, action.timezone)
            least = int(action.action.get("MinCapacity", 1))
            _check_range(key, least, int(action.action.get("MaxCapacity", least)))
            self._book.actions[key, name] = action
        return {}

    def _delete_scheduled_action(self, request: Json) -> Json:
        key, name = Key.of(request), request["ScheduledActionName"]
        with self._book.lock:
            if self._book.actions.pop((key, name), None) is None:
                message = f"No scheduled action found for {key.said()}, scheduled action name: {name}"
                raise AwsError("ObjectNotFoundException", message)
        return {}

    def _describe_scheduled_actions(self, request: Json) -> Json:
        with self._book.lock:
            found = [
                action.described()
                for action in self._book.actions.values()
                if _is_asked(action.key, request)
                and action.name in _named(request, "ScheduledActionNames", action.name)
            ]
        return _page("ScheduledActions", found, request)

    # Activities and tags

    def _describe_scaling_activities(self, request: Json) -> Json:
        def is_told(activity: Activity) -> bool:
            return bool(request.get("IncludeNotScaledActivities")) or not activity.not_scaled

        with self._book.lock:
            found = [
                one.described()
                for one in reversed(self._book.activities)
                if _is_asked(one.key, request) and is_told(one)
            ]
        return _page("ScalingActivities", found, request)

    def _tagged(self, arn: str) -> ScalableTarget:
        for target in self._book.targets.values():
            if target.arn == arn:
                return target
        raise AwsError("ResourceNotFoundException", f"The resource doesn't exist: {arn}")

    def _list_tags_for_resource(self, request: Json) -> Json:
        with self._book.lock:
            return {"Tags": dict(self._tagged(request["ResourceARN"]).tags)}

    def _tag_resource(self, request: Json) -> Json:
        with self._book.lock:
            self._tagged(request["ResourceARN"]).tags |= request["Tags"]
        return {}

    def _untag_resource(self, request: Json) -> Json:
        with self._book.lock:
            tags = self._tagged(request["ResourceARN"]).tags
            for name in request["TagKeys"]:
                tags.pop(name, None)
        return {}

    @property
    def _now_s(self) -> float:
        return self._world.clock.time()


def _check_range(key: Key, minimum: int, maximum: int) -> None:
    if minimum > maximum:
        raise validation(f"MinCapacity ({minimum}) must not be greater than MaxCapacity ({maximum}).")
    if key.namespace == NAMESPACE and minimum < 1:
        raise validation(f"MinCapacity of a SageMaker endpoint variant must be 1 or higher, not {minimum}.")


def _is_asked(key: Key, request: Json) -> bool:
    return (
        key.namespace == request["ServiceNamespace"]
        and request.get("ResourceId") in {None, key.resource_id}
        and request.get("ScalableDimension") in {None, key.dimension}
    )


def _named(request: Json, member: str, itself: Any) -> Sequence[Any]:
    """What a request names; if it names nothing, the thing itself is meant too."""
    default = itself.resource_id if isinstance(itself, Key) else itself
    names: Sequence[Any] = request.get(member) or [default]
    return names


def _seconds(moment: Any) -> float | None:
    return None if moment is None else float(moment)


def _page(member: str, items: list[Json], request: Json) -> Json:
    token = str(request.get("NextToken") or 0)
    if not token.isdigit():
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.")
    start = int(token)
    end = start + int(request.get("MaxResults") or _PAGE)
    return {member: items[start:end]} | ({"NextToken": str(end)} if end < len(items) else {})
