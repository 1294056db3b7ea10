"""What ends a deployment before its time: its alarms, its time limit, the end of the embedded AWS.

Source: the developer guide's page on auto-rollback configuration: the execution role needs cloudwatch:DescribeAlarms;
an alarm that trips during a baking period rolls back; without alarms nothing does.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.deployments.policy import DeploymentPolicy
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.instance import VariantSpec
from local.world import World

ALARM_POLL_AWS_S = 5.0
ALARM_POLL_AT_LEAST_S = 0.1  # real: the clock may run a thousand times as fast


class DeploymentFailedError(Exception):
    """The new fleet will not serve; the message becomes FailureReason."""


class StoppingError(Exception):
    """The embedded AWS is shutting down."""


class Guard:
    """Watches one deployment: its alarms, with the execution role's rights, and its time limit."""

    def __init__(
        self,
        world: World,
        specs: Sequence[VariantSpec],
        policy: DeploymentPolicy,
        behaviour: Behaviour,
        stopping: threading.Event,
    ) -> None:
        self._world = world
        self._role = specs[0].role
        self._policy = policy
        self._behaviour = behaviour
        self._stopping = stopping
        self._ends_at = world.clock.time() + policy.max_execution_s if policy.max_execution_s else None
        self._next_alarm_check = 0.0

    def raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise StoppingError

    def while_provisioning(self) -> None:
        """What may end the start of the new fleet; called often.

        Raises:
            DeploymentFailedError: an alarm tripped, or time is up.
            StoppingError: everything stops.
        """
        if self._behaviour.alarms_count_while_provisioning:
            self._check()
        else:
            self._check_time()

    def check_alarms(self, when: str) -> None:
        """Look at every alarm now.

        Raises:
            DeploymentFailedError: one is in ALARM, missing, or not to be read.
        """
        if not self._policy.alarms:
            return
        found = self._read_alarms(when)
        if missing := sorted(set(self._policy.alarms) - set(found)):
            raise DeploymentFailedError(f"The auto-rollback alarms {missing} did not exist {when}.")
        if tripped := sorted(name for name, state in found.items() if state == "ALARM"):
            raise DeploymentFailedError(f"One or more auto-rollback alarms were in ALARM state {when}: {tripped}.")
        pause_s = max(ALARM_POLL_AT_LEAST_S, self._world.clock.real_seconds(ALARM_POLL_AWS_S))
        self._next_alarm_check = time.monotonic() + pause_s

    def bake(self, aws_seconds: float) -> None:
        """Let the new fleet serve for so long, or until something speaks against it.

        Raises:
            DeploymentFailedError: an alarm tripped, or time is up.
            StoppingError: everything stops.
        """
        self._wait(aws_seconds, watch_alarms=True)

    def wait_for_termination(self, aws_seconds: float) -> None:
        """The same while the old fleet stands idle; whether alarms count then is a switch."""
        self._wait(aws_seconds, watch_alarms=self._behaviour.alarms_count_while_blue_waits)

    def _wait(self, aws_seconds: float, *, watch_alarms: bool) -> None:
        if not aws_seconds:
            return
        ends_at = self._world.clock.time() + aws_seconds
        while (left := ends_at - self._world.clock.time()) > 0:
            (self._check if watch_alarms else self._check_time)()
            at_most = max(ALARM_POLL_AT_LEAST_S * self._world.clock.scale, ALARM_POLL_AWS_S)
            self._world.clock.wait(self._stopping, min(left, at_most))
        self._check_time()
        if watch_alarms:
            self.check_alarms("at the end of the bake")

    def _check(self) -> None:
        self._check_time()
        if time.monotonic() >= self._next_alarm_check:
            self.check_alarms("during the deployment")

    def _check_time(self) -> None:
        self.raise_if_stopping()
        if self._ends_at is not None and self._world.clock.time() > self._ends_at:
            raise DeploymentFailedError(
                f"The deployment exceeded MaximumExecutionTimeoutInSeconds ({self._policy.max_execution_s:g} s) and "
                "was rolled back."
            )

    def _read_alarms(self, when: str) -> dict[str, str]:
        """Each alarm's state, by name."""
        kinds = ["MetricAlarm", *(["CompositeAlarm"] if self._behaviour.composite_alarms_count else [])]
        try:
            cloudwatch = self._role.client("cloudwatch")
            answer = cloudwatch.describe_alarms(AlarmNames=list(self._policy.alarms), AlarmTypes=kinds)
        except (AwsError, ClientError, BotoCoreError) as error:
            raise DeploymentFailedError(f"The auto-rollback alarms could not be read {when}: {error}") from error
        found: list[dict[str, Any]] = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
