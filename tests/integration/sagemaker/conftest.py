"""The twin behind the real gateway, with moto for the services around it, and a container that starts at once."""

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

from local import gateway
from local.clock import Clock
from local.images import ImageError, RunSpec
from local.sagemaker import SageMakerTwin
from local.sagemaker.behaviour import Behaviour
from local.sagemaker.fleets.instance import Limits
from local.world import ACCOUNT, REGION, World

CONTAINER = Path(__file__).with_name("container.py")
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/inference"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:00"},
        "layers": [],
    }
)
TIME_SCALE = 120.0
LIMITS = Limits(
    invocation_s=20.0, stream_s=2.5, startup_at_least_s=20.0, drain_s=5.0, kill_after_s=2.0, ping_every_s=0.5
)


class DeniedError(Exception):
    code = "AccessDeniedException"


class OneImage:
    def run_spec(self, image_uri: str) -> RunSpec:
        if not image_uri.startswith(f"{REPOSITORY}@sha256:"):
            raise ImageError(f"image {image_uri} is not in the local registry; push it first")
        return RunSpec([sys.executable, "-I", str(CONTAINER)], CONTAINER.parent, {})


@dataclass
class Aws:
    """The embedded AWS under test and short ways to ask it things."""

    account: "Account"
    world: World
    twin: SageMakerTwin
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    """Actions that nobody may do."""

    @property
    def role(self) -> str:
        return self.account.role

    @property
    def sagemaker(self) -> Any:
        return self.account.client("sagemaker")

    @property
    def runtime(self) -> Any:
        return self.account.client("sagemaker-runtime")

    @property
    def cloudwatch(self) -> Any:
        return self.account.client("cloudwatch")

    @property
    def s3(self) -> Any:
        return self.account.client("s3")

    def model(self, name: str, data: str = "s3://models/chat/", **environment: str) -> str:
        container = {
            "Image": f"{REPOSITORY}:v1",
            "ModelDataSource": {
                "S3DataSource": {
                    "S3Uri": data,
                    "S3DataType": "S3Prefix",
                    "CompressionType": "None",
                }
            },
            "Environment": {"NAME": name, **environment},
        }
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)
        return name

    def config(self, name: str, instances: int = 1, data: str = "s3://models/chat/", **environment: str) -> str:
        """A model and an endpoint config of the same name, with one variant."""
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": self.model(name, data, **environment),
            "InstanceType": "ml.g5.4xlarge",
            "InitialInstanceCount": instances,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def update(self, config: str, *, wait_s: int = 0, alarm: str | None = None, **routing: Any) -> None:
        """Update the endpoint blue/green, with a bake of `wait_s` after each shift."""
        policy: dict[str, Any] = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait_s, **routing}
            }
        }
        if alarm:
            policy["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm}]}
        self.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=config, DeploymentConfig=policy)

    def alarm(self, name: str, state: str = "OK") -> str:
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="the test says so")
        return name

    def baking(self) -> bool:
        pending = self.describe().get("PendingDeploymentSummary")
        variants = pending["ProductionVariants"] if pending else []
        return any(status["Status"] == "Baking" for variant in variants for status in variant["VariantStatus"])

    def skip(self, aws_seconds: float) -> None:
        """Let AWS time pass at once."""
        self.world.clock._started += aws_seconds

    def impatient_with_containers(self) -> None:
        """From now on a container has 1 real second to become healthy."""
        launcher = self.twin._launcher
        launcher.limits = replace(launcher.limits, startup_at_least_s=1.0)

    def in_flight(self) -> int:
        shares = self.twin._registry.endpoints.get("chat").traffic
        return sum(i.in_flight for share in shares for v in share.fleet.variants.values() for i in v.instances)

    def instances(self) -> int:
        return len(self.world.processes._children)

    def endpoint(self, config: str, name: str = "chat") -> str:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert self.settled(name)["EndpointStatus"] == "InService", self.describe(name)
        return name

    def describe(self, name: str = "chat") -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return answer

    def settled(self, name: str = "chat", within_s: float = 20.0) -> dict[str, Any]:
        endpoint = self.twin._registry.endpoints.get(name)  # a call costs more than what it waits for
        self.until(lambda: endpoint.status not in {"Creating", "Updating"}, within_s)
        return self.describe(name)

    def stream(self, body: str) -> list[bytes]:
        with self.open_stream(body) as events:
            return [event["PayloadPart"]["Bytes"] for event in events]

    def open_stream(self, body: str, **headers: str) -> closing[Any]:
        answer = self.runtime.invoke_endpoint_with_response_stream(EndpointName="chat", Body=body.encode(), **headers)
        return closing(answer["Body"])

    def invoke(self, body: str = "echo", name: str = "chat", **headers: str) -> Any:
        return self.runtime.invoke_endpoint(EndpointName=name, Body=body.encode(), **headers)

    def facts(self, name: str = "chat", **headers: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.invoke("facts", name, **headers)["Body"].read())
        return found

    @staticmethod
    def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"still not so after {within_s} s")
            time.sleep(0.02)


def local_host(application: gateway.Application) -> gateway.Application:
    """moto takes the first label of any other host name for a bucket."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return application({**environ, "HTTP_HOST": "localhost"}, start_response)

    return call


class Account:
    """What all tests share: one address, moto behind it, a role, a pushed image and model data. The twins change."""

    def __init__(self) -> None:
        self._listener = gateway.bind(0)
        self.port = self._listener.getsockname()[1]
        self.twin: SageMakerTwin | None = None
        self._server = gateway.server_on(self._listener, local_host(gateway.Gateway(self._sagemaker)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.client = cache(World(self.port, Path()).client)
        requests.post(f"http://127.0.0.1:{self.port}/moto-api/reset", timeout=60)
        self.client("s3").create_bucket(Bucket="models")
        for key, text in {"chat/config.json": "{}", "chat/deep/weights.bin": "0123"}.items():
            self.client("s3").put_object(Bucket="models", Key=key, Body=text.encode())
        ecr = self.client("ecr")
        ecr.create_repository(repositoryName="inference")
        ecr.put_image(repositoryName="inference", imageManifest=MANIFEST, imageTag="v1", imageDigest=manifest_digest())
        role = self.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")
        self.role = str(role["Role"]["Arn"])

    def _sagemaker(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert self.twin is not None
        return self.twin.wsgi(environ, start_response)

    def close(self) -> None:
        gateway.close(self._server)
        self._listener.close()


@pytest.fixture(scope="package")
def account() -> Iterator[Account]:
    account = Account()
    yield account
    account.close()


@pytest.fixture
def time_scale() -> float:
    """AWS seconds per real second; a test that needs another parametrizes it."""
    return TIME_SCALE


@pytest.fixture
def behaviour() -> Behaviour:
    """The twin's answers to open questions; a test of the other answers parametrizes it."""
    return Behaviour()


@pytest.fixture
def limits() -> Limits:
    return LIMITS


@pytest.fixture
def aws(account: Account, tmp_path: Path, time_scale: float, behaviour: Behaviour, limits: Limits) -> Iterator[Aws]:
    with running(account, tmp_path, time_scale, behaviour, limits) as aws:
        yield aws


@pytest.fixture(scope="module")
def shared(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """One twin for those tests of a module that leave it as it was; it serves wherever `aws` does not."""
    with running(account, tmp_path_factory.mktemp("shared"), TIME_SCALE, Behaviour(), LIMITS) as aws:
        yield aws


@contextmanager
def running(account: Account, folder: Path, scale: float, behaviour: Behaviour, limits: Limits) -> Iterator[Aws]:
    """A twin behind the account's address, in the place of the one that was there."""
    world = World(account.port, folder, Clock(scale))
    events: list[tuple[str, dict[str, Any]]] = []
    asked: list[tuple[str, str, Mapping[str, Any]]] = []
    denied: set[str] = set()

    def emit(source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        assert source == "aws.sagemaker"
        assert list(resources) == [detail["EndpointArn"]]
        events.append((detail_type, dict(detail)))

    def authorize(access_key: str, action: str, resource: str, context: Mapping[str, Any]) -> None:
        asked.append((action, resource, context))
        if action in denied:
            raise DeniedError(f"{access_key} may not {action}")

    twin = SageMakerTwin(world, OneImage(), emit, authorize, limits=limits, behaviour=behaviour)
    before, account.twin = account.twin, twin
    yield Aws(account, world, twin, events, asked, denied)
    account.twin = before
    twin.stop()
    world.processes.stop_all()


def manifest_digest() -> str:
    return "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
