"""The twin behind the real gateway, with moto for the services around it, and a container that starts at once."""

import hashlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from local import gateway
from local.clock import Clock
from local.images import ImageError, RunSpec
from local.sagemaker import SageMakerTwin
from local.sagemaker.instance import Limits
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
TIME_SCALE = 60.0


class OneImage:
    def run_spec(self, image_uri: str) -> RunSpec:
        if not image_uri.startswith(f"{REPOSITORY}@sha256:"):
            raise ImageError(f"image {image_uri} is not in the local registry; push it first")
        return RunSpec([sys.executable, "-I", str(CONTAINER)], CONTAINER.parent, {})


@dataclass
class Aws:
    """The embedded AWS under test and short ways to ask it things."""

    world: World
    twin: SageMakerTwin
    role: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def sagemaker(self) -> Any:
        return self.world.client("sagemaker")

    @property
    def runtime(self) -> Any:
        return self.world.client("sagemaker-runtime")

    def model(self, name: str, **environment: str) -> str:
        container = {
            "Image": f"{REPOSITORY}:v1",
            "ModelDataSource": {
                "S3DataSource": {
                    "S3Uri": "s3://models/chat/",
                    "S3DataType": "S3Prefix",
                    "CompressionType": "None",
                }
            },
            "Environment": {"NAME": name, **environment},
        }
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)
        return name

    def config(self, name: str, *, instances: int = 1, **environment: str) -> str:
        """A model and an endpoint config of the same name, with one variant."""
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": self.model(name, **environment),
            "InstanceType": "ml.g5.4xlarge",
            "InitialInstanceCount": instances,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def endpoint(self, config: str, name: str = "chat") -> str:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert self.settled(name)["EndpointStatus"] == "InService", self.describe(name)
        return name

    def describe(self, name: str = "chat") -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return answer

    def settled(self, name: str = "chat", within_s: float = 20.0) -> dict[str, Any]:
        self.until(lambda: self.describe(name)["EndpointStatus"] not in {"Creating", "Updating"}, within_s)
        return self.describe(name)

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


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    listener = gateway.bind(0)
    world = World(port=listener.getsockname()[1], state_dir=tmp_path, clock=Clock(TIME_SCALE))
    events: list[tuple[str, dict[str, Any]]] = []
    asked: list[tuple[str, str, Mapping[str, str]]] = []

    def emit(source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        assert source == "aws.sagemaker"
        assert list(resources) == [detail["EndpointArn"]]
        events.append((detail_type, dict(detail)))

    def authorize(access_key: str, action: str, resource: str, context: Mapping[str, str]) -> None:
        asked.append((action, resource, context))

    limits = Limits(invocation_s=1.0, stream_s=3.0, startup_at_least_s=1.5, kill_after_s=2.0)
    twin = SageMakerTwin(world, OneImage(), emit, authorize, limits=limits)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = gateway.server_on(listener, local_host(gateway.Gateway(twin.wsgi)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    role = prepare(world)
    yield Aws(world, twin, role, events, asked)
    twin.stop()
    server.shutdown()
    server.server_close()
    listener.close()
    world.processes.stop_all()


def prepare(world: World) -> str:
    """Start from an empty account with a role, a pushed image and model data; answers the role's ARN."""
    import requests

    requests.post(f"{world.url}/moto-api/reset", timeout=10)
    world.client("s3").create_bucket(Bucket="models")
    for key, text in {"chat/config.json": "{}", "chat/deep/weights.bin": "0123"}.items():
        world.client("s3").put_object(Bucket="models", Key=key, Body=text.encode())
    world.client("ecr").create_repository(repositoryName="inference")
    world.client("ecr").put_image(repositoryName="inference", imageManifest=MANIFEST, imageTag="v1")
    role = world.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")
    return str(role["Role"]["Arn"])


def manifest_digest() -> str:
    return "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
