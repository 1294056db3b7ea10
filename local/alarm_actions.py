"""What alarms do when their state changes: notify SNS topics, invoke Lambda functions, trigger scaling policies.

Source: "Alarm actions" and "Invoke a Lambda function from an alarm" in the CloudWatch User Guide.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import alarm_words
from local.alarm_rules import State
from local.alarm_words import AlarmState
from local.iam import AccessDeniedError
from local.world import World

logger = logging.getLogger(__name__)

SCALING_PREFIX = "arn:aws:autoscaling:"
_SNS_PRINCIPAL = "cloudwatch.amazonaws.com"
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
# Service, action, resource and condition keys.
Authorize = Callable[[str, str, str, Mapping[str, str]], None]


class ActionFailedError(Exception):
    """An action was not carried out; the message says why."""


class AlarmActions:
    """Args:
    scale: triggers a policy of Application Auto Scaling; None where there is none.
    authorize: raises AccessDeniedError unless the resource's own policy lets the service do it; by default all may.
    """

    def __init__(self, world: World, scale: Scale | None = None, authorize: Authorize | None = None) -> None:
        self._world = world
        self._scale = scale
        self._authorize: Authorize = authorize or (lambda *_: None)

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
                self._authorize(_SNS_PRINCIPAL, "sns:Publish", arn, _on_behalf_of(alarm))
                subject, message = alarm_words.notification(alarm, before)
                self._world.client("sns").publish(TopicArn=arn, Subject=subject[:100], Message=message)
            elif arn.startswith("arn:aws:lambda:"):
                self._authorize(_LAMBDA_PRINCIPAL, "lambda:InvokeFunction", arn, _on_behalf_of(alarm))
                payload = alarm_words.invocation(alarm, before)
                self._world.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=payload)
            else:
                self._trigger(arn, alarm)
        except (ClientError, BotoCoreError, AccessDeniedError) as error:
            raise ActionFailedError(str(error)) from error

    def _trigger(self, arn: str, alarm: Any) -> None:
        if self._scale is None:
            raise ActionFailedError(f"no scaling policy {arn} is known here")
        points = json.loads(alarm.state_reason_data or "{}").get("recentDatapoints") or [None]
        self._scale(ScalingTrigger(arn, alarm.name, points[-1], float(alarm.threshold)))


def _on_behalf_of(alarm: Any) -> dict[str, str]:
    return {"aws:SourceArn": str(alarm.alarm_arn)}
