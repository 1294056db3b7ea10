"""Carries deployments out: one thread for each operation in progress, every status change told as an event."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.deployments.policy import DeploymentPolicy, TrafficStep
from local.sagemaker.endpoint import Endpoint, PendingDeployment, TrafficShare
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import Launcher, LaunchError, VariantSpec
from local.sagemaker.registry import Registry
from local.sagemaker.statuses import EndpointStatus, VariantStage
from local.world import World

Emit = Callable[[str, str, Mapping[str, Any], Sequence[str]], None]

ALARM_POLL_AWS_S = 5.0
ALARM_POLL_AT_LEAST_S = 0.1

logger = logging.getLogger(__name__)


class DeploymentFailedError(Exception):
    """Green will not serve; the message becomes FailureReason."""


class StoppingError(Exception):
    """The embedded AWS is shutting down."""


class Deployer:
    def __init__(self, world: World, registry: Registry, launcher: Launcher, emit: Emit, behaviour: Behaviour) -> None:
        self._world = world
        self._registry = registry
        self._launcher = launcher
        self._emit = emit
        self._behaviour = behaviour
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    # What the operations start. Each has already moved the endpoint to the status that it announces.

    def create(self, endpoint: Endpoint, specs: Sequence[VariantSpec]) -> None:
        self._begin(endpoint, specs, endpoint.config_name)
        self._announce(endpoint)
        self._run(endpoint, lambda: self._create(endpoint, specs), EndpointStatus.FAILED)

    def update(
        self, endpoint: Endpoint, config_name: str, specs: Sequence[VariantSpec], policy: DeploymentPolicy
    ) -> None:
        self._begin(endpoint, specs, config_name)
        self._announce(endpoint, policy)
        self._run(
            endpoint, lambda: self._update(endpoint, config_name, specs, policy), EndpointStatus.IN_SERVICE, policy
        )

    def scale(self, endpoint: Endpoint, desired: Mapping[str, tuple[float | None, int | None]]) -> None:
        self._announce(endpoint)
        self._run(endpoint, lambda: self._scale(endpoint, desired), EndpointStatus.IN_SERVICE)

    def delete(self, endpoint: Endpoint) -> None:
        self._announce(endpoint)
        self._run(endpoint, lambda: self._delete(endpoint), EndpointStatus.FAILED)

    def stop(self) -> None:
        """Give up what is in progress and end every fleet."""
        self._stopping.set()
        self._launcher.hurry()
        for thread in self._threads:
            thread.join()
        for endpoint in self._registry.endpoints.all():
            if endpoint.fleet:
                endpoint.fleet.end()

    def _run(
        self,
        endpoint: Endpoint,
        deed: Callable[[], None],
        after_failure: EndpointStatus,
        policy: DeploymentPolicy | None = None,
    ) -> None:
        def work() -> None:
            try:
                deed()
            except StoppingError:
                return
            except (DeploymentFailedError, LaunchError, AwsError) as failure:
                self._fail(endpoint, after_failure, str(failure), policy)
            except Exception:
                # The thread's end is the boundary: an endpoint must never hang in a status that only promises.
                logger.exception("operation on endpoint %s broke", endpoint.name)
                self._fail(
                    endpoint, after_failure, "InternalFailure: the embedded SageMaker broke; see its log", policy
                )

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, name=f"deploy-{endpoint.name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fail(self, endpoint: Endpoint, status: EndpointStatus, reason: str, policy: DeploymentPolicy | None) -> None:
        with endpoint.lock:
            endpoint.pending = None
            endpoint.variant_stages = {}
            endpoint.move_to(status, self._world.clock.now(), reason)
        self._announce(endpoint, policy)

    # The operations themselves.

    def _create(self, endpoint: Endpoint, specs: Sequence[VariantSpec]) -> None:
        fleet = Fleet(endpoint.name, endpoint.config_name, specs, self._launcher)
        self._stage(endpoint, VariantStage.CREATING, fleet)
        fleet.start(self._raise_if_stopping)
        with endpoint.lock:
            endpoint.fleet = fleet
            endpoint.traffic = (TrafficShare(fleet, 1.0),)
            self._succeed(endpoint)
        self._announce(endpoint)

    def _update(
        self, endpoint: Endpoint, config_name: str, specs: Sequence[VariantSpec], policy: DeploymentPolicy
    ) -> None:
        blue = _serving(endpoint)
        guard = _Guard(self._world, specs, policy, self._stopping)
        guard.check_alarms("before the deployment began")
        green = Fleet(endpoint.name, config_name, specs, self._launcher)
        self._stage(endpoint, VariantStage.CREATING, green)
        green.start(guard.check if self._behaviour.alarms_count_while_provisioning else guard.check_time)
        try:
            guard.check_alarms("before traffic moved")
            for step in policy.steps:
                self._shift(endpoint, blue, green, step)
                guard.bake(step.bake_s)
            guard.bake(policy.termination_wait_s, watch_alarms=self._behaviour.alarms_count_while_blue_waits)
        except StoppingError:
            green.end()
            raise
        except Exception:  # whatever it was, `_run` says it; here blue must have its traffic back
            self._return_traffic(endpoint, blue, green, policy)
            raise
        now = self._world.clock.now()
        endpoint.variant_stages = dict.fromkeys(blue.variants, (VariantStage.DELETING, now))
        blue.end()
        with endpoint.lock:
            endpoint.fleet, endpoint.config_name = green, config_name
            self._succeed(endpoint)
        self._announce(endpoint, policy)

    def _shift(self, endpoint: Endpoint, blue: Fleet, green: Fleet, step: TrafficStep) -> None:
        self._stage(endpoint, VariantStage.ACTIVATING_TRAFFIC, green)
        shares = (TrafficShare(blue, 1 - step.green_share), TrafficShare(green, step.green_share))
        endpoint.traffic = tuple(share for share in shares if share.share > 0)
        if step.bake_s:
            self._stage(endpoint, VariantStage.BAKING, green)

    def _return_traffic(self, endpoint: Endpoint, blue: Fleet, green: Fleet, policy: DeploymentPolicy) -> None:
        endpoint.traffic = (TrafficShare(blue, 1.0),)
        self._stage(endpoint, VariantStage.DELETING, green)
        self._tell_deployment(endpoint, "ROLLING_BACK", policy)
        green.end()

    def _scale(self, endpoint: Endpoint, desired: Mapping[str, tuple[float | None, int | None]]) -> None:
        fleet = _serving(endpoint)
        now = self._world.clock.now()
        endpoint.variant_stages = dict.fromkeys(desired, (VariantStage.UPDATING, now))
        for name, (weight, count) in desired.items():
            if count is not None:
                fleet.resize(name, count, self._raise_if_stopping)
            if weight is not None:
                fleet.variants[name].weight = weight
        with endpoint.lock:
            self._succeed(endpoint)
        self._announce(endpoint)

    def _delete(self, endpoint: Endpoint) -> None:
        endpoint.traffic = ()
        if endpoint.fleet:
            endpoint.variant_stages = dict.fromkeys(
                endpoint.fleet.variants, (VariantStage.DELETING, self._world.clock.now())
            )
            endpoint.fleet.end()
        self._registry.endpoints.remove(endpoint.name)
        self._registry.forget_tags(endpoint.arn)

    # Telling.

    def _begin(self, endpoint: Endpoint, specs: Sequence[VariantSpec], config_name: str) -> None:
        now = self._world.clock.now()
        endpoint.pending = PendingDeployment(config_name, specs, now, VariantStage.CREATING, now)

    def _stage(self, endpoint: Endpoint, stage: VariantStage, fleet: Fleet) -> None:
        with endpoint.lock:
            if endpoint.pending:
                endpoint.pending.fleet = fleet
                endpoint.pending.stage, endpoint.pending.stage_started = stage, self._world.clock.now()

    def _succeed(self, endpoint: Endpoint) -> None:
        endpoint.pending = None
        endpoint.variant_stages = {}
        endpoint.move_to(EndpointStatus.IN_SERVICE, self._world.clock.now())

    def _announce(self, endpoint: Endpoint, policy: DeploymentPolicy | None = None) -> None:
        self._tell(endpoint, "SageMaker Endpoint State Change", endpoint.status.in_events)
        self._tell_deployment(endpoint, endpoint.status.in_events, policy)

    def _tell_deployment(self, endpoint: Endpoint, status: str, policy: DeploymentPolicy | None) -> None:
        if policy and policy.guarded:
            self._tell(endpoint, "SageMaker Endpoint Deployment State Change", status)

    def _tell(self, endpoint: Endpoint, detail_type: str, status: str) -> None:
        detail = {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": endpoint.config_name,
            "EndpointStatus": status,
            "CreationTime": int(endpoint.created.timestamp() * 1000),
            "LastModifiedTime": int(endpoint.modified.timestamp() * 1000),
        }
        self._emit("aws.sagemaker", detail_type, detail, [endpoint.arn])

    def _raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise StoppingError


class _Guard:
    """Watches one deployment: its alarms, with the execution role's rights, and its time limit."""

    def __init__(
        self, world: World, specs: Sequence[VariantSpec], policy: DeploymentPolicy, stopping: threading.Event
    ) -> None:
        self._world = world
        self._policy = policy
        self._stopping = stopping
        self._ends_at = world.clock.time() + policy.max_execution_s if policy.max_execution_s else None
        self._next_alarm_check = 0.0
        self._cloudwatch = specs[0].role.client("cloudwatch") if policy.alarms else None

    def check(self) -> None:
        """`check_time`, and the alarms too when they are due."""
        self.check_time()
        if time.monotonic() >= self._next_alarm_check:
            self.check_alarms("during the deployment")

    def check_time(self) -> None:
        if self._stopping.is_set():
            raise StoppingError
        if self._ends_at is not None and self._world.clock.time() > self._ends_at:
            raise DeploymentFailedError(
                f"The deployment exceeded MaximumExecutionTimeoutInSeconds ({self._policy.max_execution_s:g} s) and "
                "was rolled back."
            )

    def check_alarms(self, when: str) -> None:
        if self._cloudwatch is None:
            return
        names = list(self._policy.alarms)
        try:
            answer = self._cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        except (ClientError, BotoCoreError) as error:
            raise DeploymentFailedError(f"The auto-rollback alarms could not be read {when}: {error}") from error
        found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        if missing := sorted(set(names) - {alarm["AlarmName"] for alarm in found}):
            raise DeploymentFailedError(f"The auto-rollback alarms {missing} did not exist {when}.")
        if tripped := sorted(alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"):
            raise DeploymentFailedError(f"One or more auto-rollback alarms were in ALARM state {when}: {tripped}.")
        pause_s = max(ALARM_POLL_AT_LEAST_S, self._world.clock.real_seconds(ALARM_POLL_AWS_S))
        self._next_alarm_check = time.monotonic() + pause_s

    def bake(self, aws_seconds: float, *, watch_alarms: bool = True) -> None:
        """Let green serve for so long, or until something speaks against it."""
        if not aws_seconds:
            return
        ends_at = self._world.clock.time() + aws_seconds
        while (left := ends_at - self._world.clock.time()) > 0:
            (self.check if watch_alarms else self.check_time)()
            at_most = max(ALARM_POLL_AT_LEAST_S * self._world.clock.scale, ALARM_POLL_AWS_S)
            self._world.clock.wait(self._stopping, min(left, at_most))
        self.check_time()
        if watch_alarms:
            self.check_alarms("at the end of the bake")


def _serving(endpoint: Endpoint) -> Fleet:
    if endpoint.fleet is None:
        raise AwsError("InternalFailure", f"endpoint {endpoint.name} is {endpoint.status} without a fleet", 500)
    return endpoint.fleet
