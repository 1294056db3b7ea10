"""What alarms do when their state changes: notify SNS topics, invoke Lambda functions, trigger scaling policies.

Source: "Alarm actions" and "Invoke a Lambda function from an alarm" in the CloudWatch User Guide.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import alarm_words
from local.alarm_rules import State
from local.alarm_words import AlarmState
from local.world import ACCOUNT, World

logger = logging.getLogger(__name__)

SCALING_PREFIX = "arn:aws:autoscaling:"
_LAMBDA_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"


@dataclass(frozen=True)
class ScalingTrigger:
    """What a scaling policy learns from the alarm that triggered it."""

    policy_arn: str
    alarm_name: str
    value: float | None
    """The newest data point that the alarm evaluated; None if its StateReasonData names none."""
    threshold: float


Scale = Callable[[ScalingTrigger], None]


class ActionFailedError(Exception):
    """An action was not carried out; the message says why."""


class AlarmActions:
    """Args:
    scale: triggers a policy of Application Auto Scaling; None where that is not emulated.
    """

    def __init__(self, world: World, scale: Scale | None = None) -> None:
        self._world = world
        self._scale = scale

    @staticmethod
    def wanted(alarm: Any) -> list[str]:
        """The ARNs that the alarm names for the state that it has; none while its actions are disabled."""
        if not alarm.actions_enabled:
            return []
        by_state: dict[State, list[str] | None] = {
            State.OK: alarm.ok_actions,
            State.ALARM: alarm.alarm_actions,
            State.INSUFFICIENT_DATA: alarm.insufficient_data_actions,
        }
        return by_state[State(alarm.state_value)] or []

    def perform(self, arn: str, alarm: Any, before: AlarmState) -> None:
        """Carry one action out.

        Raises:
            ActionFailedError: what the ARN names refused, or does not exist.
        """
        try:
            if arn.startswith("arn:aws:sns:"):
                subject, message = alarm_words.notification(alarm, before)
                self._world.client("sns").publish(TopicArn=arn, Subject=subject[:100], Message=message)
            elif arn.startswith("arn:aws:lambda:"):
                self._invoke(arn, alarm, before)
            else:
                self._trigger(arn, alarm)
        except (ClientError, BotoCoreError) as error:
            raise ActionFailedError(str(error)) from error

    def _invoke(self, arn: str, alarm: Any, before: AlarmState) -> None:
        functions = self._world.client("lambda")
        if not _permits(functions, arn, alarm.alarm_arn):
            raise ActionFailedError(
                f"CloudWatch Alarms is not authorized to perform: lambda:InvokeFunction on the resource {arn} because "
                f"no resource-based policy allows {_LAMBDA_PRINCIPAL} the lambda:InvokeFunction action"
            )
        functions.invoke(FunctionName=arn, InvocationType="Event", Payload=alarm_words.invocation(alarm, before))

    def _trigger(self, arn: str, alarm: Any) -> None:
        if self._scale is None:
            raise ActionFailedError(f"no scaling policy {arn} is known here")
        points = json.loads(alarm.state_reason_data or "{}").get("recentDatapoints") or [None]
        self._scale(ScalingTrigger(arn, alarm.name, points[-1], float(alarm.threshold)))


def _permits(functions: Any, function_arn: str, alarm_arn: str) -> bool:
    """Whether the function's own policy lets alarms, or this alarm alone, invoke it."""
    try:
        policy = json.loads(functions.get_policy(FunctionName=function_arn)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    return any(_is_for(statement, alarm_arn) for statement in policy["Statement"])


def _is_for(statement: dict[str, Any], alarm_arn: str) -> bool:
    """AddPermission writes one principal, one action and at most these conditions."""
    conditions = {key.lower(): value for keys in statement.get("Condition", {}).values() for key, value in keys.items()}
    return (
        statement["Effect"] == "Allow"
        and statement.get("Principal", {}).get("Service") == _LAMBDA_PRINCIPAL
        and statement["Action"] in {"lambda:InvokeFunction", "lambda:*", "*"}
        and conditions.get("aws:sourcearn", alarm_arn) == alarm_arn
        and conditions.get("aws:sourceaccount", ACCOUNT) == ACCOUNT
    )
