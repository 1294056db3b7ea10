"""The SageMaker twin with instances that are objects instead of processes, and with stubs of the services around it.

Everything between CreateEndpoint and the launcher is the real thing; thousands of deployments take seconds.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from local.clock import Clock
from local.faults import FleetFailure, FleetFault
from local.images import RunSpec
from local.sagemaker import SageMakerTwin
from local.sagemaker.behaviour import Behaviour
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.instance import Instance, Limits, VariantSpec, place_of
from local.sagemaker.fleets.launcher import Interrupt, Launcher, LaunchError
from local.sagemaker.statuses import IN_PROGRESS, EndpointStatus
from local.world import ACCOUNT, REGION, World

INSTANCE_TYPE = "ml.g5.4xlarge"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/inference:v1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
DIGEST = "sha256:" + "0" * 64


class PretendProcess:
    """Runs until it is told to crash."""

    pid = -1  # no process has it, so nobody measures it

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def poll(self) -> int | None:
        return self.exit_code


class PretendInstance(Instance):
    def ping(self) -> bool:
        return self.process.poll() is None


class PretendLauncher(Launcher):
    """Takes capacity as the real one does, and launches an object; `alive` are those that nobody ended."""

    def __init__(self, twin: SageMakerTwin, world: World, behaviour: Behaviour) -> None:
        limits = Limits(ping_every_s=3600)
        super().__init__(world, NoImages(), twin.capacity, limits, behaviour)
        self.alive: set[str] = set()
        self._changing = threading.Lock()
        self._ids = itertools.count(1)

    def launch(self, endpoint: str, config_name: str, variant: VariantSpec, interrupt: Interrupt) -> Instance:
        place = place_of(endpoint, config_name, variant) | {"instance_type": variant.instance_type}
        try:
            interrupt()
            self._fail_if_told(place)
        except BaseException:
            self._capacity.give_back(variant.instance_type)
            raise
        process = cast("Any", PretendProcess())
        with self._changing:
            instance = PretendInstance(
                f"i-{next(self._ids)}", endpoint, config_name, variant, Path(), 0, process, healthy=True
            )
            self.alive.add(instance.id)
        return instance

    def _fail_if_told(self, place: Mapping[str, str]) -> None:
        if self.world.faults.strike(FleetFault, FleetFailure.FAILS_TO_START, **place):
            raise LaunchError("it did not pass the ping health check")

    def end(self, instance: Instance, **_: object) -> None:
        instance.healthy = False
        with self._changing:
            self.alive.remove(instance.id)
        self._capacity.give_back(instance.variant.instance_type)


class NoImages:
    def run_spec(self, image_uri: str) -> RunSpec:
        raise AssertionError(image_uri)


class PretendWorld(World):
    """Alarms are what `alarms` says: a state by name, or an exception that reading them raises."""

    def __init__(self, state_dir: Path, scale: float) -> None:
        super().__init__(0, state_dir, Clock(scale))
        self.alarms: dict[str, str] = {}
        self.composite: dict[str, str] = {}
        self.may_read_alarms = True
        self.autoscaled = False

    def client(self, service: str, *_: object, **__: object) -> Any:
        stubs = {
            "sts": SimpleNamespace(assume_role=lambda **_: {"Credentials": {}}),
            "ecr": SimpleNamespace(batch_get_image=lambda **_: {"images": [{"imageId": {"imageDigest": DIGEST}}]}),
            "cloudwatch": SimpleNamespace(describe_alarms=self._describe_alarms, put_metric_data=lambda **_: {}),
            "application-autoscaling": SimpleNamespace(describe_scalable_targets=self._describe_scalable_targets),
        }
        return stubs[service]

    def _describe_alarms(self, AlarmNames: Sequence[str], AlarmTypes: Sequence[str]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if not self.may_read_alarms:
            error = {
                "Error": {"Code": "AccessDenied", "Message": "not authorized to perform cloudwatch:DescribeAlarms"}
            }
            raise ClientError(cast("Any", error), "DescribeAlarms")
        of_kind = {"MetricAlarm": self.alarms, "CompositeAlarm": self.composite}
        return {
            f"{kind}s": [{"AlarmName": n, "StateValue": s} for n, s in of_kind[kind].items() if n in AlarmNames]
            for kind in AlarmTypes
        }

    def _describe_scalable_targets(self, ServiceNamespace: str, ResourceIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 - the same
        assert ServiceNamespace == "sagemaker"
        return {"ScalableTargets": [{"ResourceId": id_} for id_ in ResourceIds] if self.autoscaled else []}


class Twin:
    """The twin under test, short ways to ask it things, and what it told.

    Args:
        scale: AWS seconds per real second.
    """

    def __init__(self, state_dir: Path, scale: float = 10_000, **behaviour: Any) -> None:
        self.world = PretendWorld(state_dir, scale)
        self.behaviour = Behaviour(**behaviour)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.twin = SageMakerTwin(self.world, NoImages(), self._emit, lambda *_: None, behaviour=self.behaviour)
        self.deployer = self.twin._deployer
        self.launcher = PretendLauncher(self.twin, self.world, self.behaviour)
        self.deployer._launcher = self.launcher
        self.call("CreateModel", ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})

    def stop(self) -> None:
        self.twin.stop()

    def _emit(self, _source: str, detail_type: str, detail: Mapping[str, Any], _resources: Sequence[str]) -> None:
        self.events.append((detail_type, dict(detail)))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.twin._api.call(operation, "local", request)

    def refusal(self, operation: str, **request: Any) -> str:
        with pytest.raises(AwsError) as caught:
            self.call(operation, **request)
        assert caught.value.code == "ValidationException", caught.value
        return caught.value.message

    def config(self, name: str, instance_type: str = INSTANCE_TYPE, **counts: int) -> str:
        """An endpoint config with a variant for each keyword."""
        variants = [
            {
                "VariantName": variant,
                "ModelName": "m",
                "InstanceType": instance_type,
                "InitialInstanceCount": count,
                "ContainerStartupHealthCheckTimeoutInSeconds": 600,
            }
            for variant, count in counts.items()
        ]
        self.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants)
        return name

    def endpoint(self, config: str, name: str = "chat") -> Endpoint:
        """A new endpoint, InService."""
        self.call("CreateEndpoint", EndpointName=name, EndpointConfigName=config)
        assert self.settled(name)["EndpointStatus"] == "InService", self.describe(name)
        return self.record(name)

    def update(self, config: str, policy: Mapping[str, Any] | None = None, name: str = "chat", **more: Any) -> None:
        deployment = {"DeploymentConfig": policy} if policy else {}
        self.call("UpdateEndpoint", EndpointName=name, EndpointConfigName=config, **deployment, **more)

    def scale(self, name: str = "chat", **wish: Any) -> None:
        wishes = [{"VariantName": "v", **wish}]
        self.call("UpdateEndpointWeightsAndCapacities", EndpointName=name, DesiredWeightsAndCapacities=wishes)

    def record(self, name: str = "chat") -> Endpoint:
        return self.twin._registry.endpoints.get(name)

    def describe(self, name: str = "chat") -> dict[str, Any]:
        return self.call("DescribeEndpoint", EndpointName=name)

    def settled(self, name: str = "chat") -> dict[str, Any]:
        self.until(lambda: EndpointStatus(self.describe(name)["EndpointStatus"]) not in IN_PROGRESS)
        return self.describe(name)

    def stage(self, name: str = "chat") -> tuple[str, str]:
        """The pending deployment's VariantStatus of its first variant, and its message; empty where none is pending."""
        pending = self.describe(name).get("PendingDeploymentSummary")
        if not pending:
            return "", ""
        status = pending["ProductionVariants"][0]["VariantStatus"][0]
        return status["Status"], status["StatusMessage"]

    def serving(self, name: str = "chat") -> dict[str, int]:
        """Healthy instances of fleets that have traffic, by config."""
        shares = self.record(name).traffic
        return {s.fleet.config_name: sum(len(v.healthy()) for v in s.fleet.variants.values()) for s in shares}

    def shares(self, name: str = "chat") -> dict[str, float]:
        return {share.fleet.config_name: round(share.share, 4) for share in self.record(name).traffic}

    def crash(self, config: str, name: str = "chat", at_most: int = 100) -> None:
        """Instances of this config die."""
        for fleet in self.record(name).fleets():
            for variant in fleet.variants.values() if fleet.config_name == config else ():
                for instance in list(variant.instances)[:at_most]:
                    cast("Any", instance.process).exit_code = 137

    def skip(self, aws_seconds: float) -> None:
        """Let AWS time pass at once."""
        self.world.clock._started += aws_seconds

    @staticmethod
    def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"still not so after {within_s} real seconds"
            time.sleep(0.001)
