"""The functions as they run in production, against the embedded AWS; only Step Functions is played by the test."""

import hashlib
import importlib
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from local import gateway
from local.clock import Clock
from local.images import RunSpec
from local.sagemaker import SageMakerTwin
from local.sagemaker.fleets.instance import Limits
from local.world import ACCOUNT, REGION, World
from release import wiring
from release.errors import ReleaseError

CONTAINER = Path(__file__).with_name("container.py")
EVENTS = Path(__file__).parents[3] / "events"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/slipway-inference"
BUCKET, TABLE = "slipway-artifacts", "slipway-releases"
TIME_SCALE = 120.0
DEFAULTS = json.loads((EVENTS / "release/config.example.json").read_text(encoding="utf-8")) | {
    "bakeSeconds": 30,
    "startupTimeoutSeconds": 120,
}


class AnyImage:
    def run_spec(self, image_uri: str) -> RunSpec:  # noqa: ARG002 - every image is the same container here
        return RunSpec([sys.executable, "-I", str(CONTAINER)], CONTAINER.parent, {})


class Failed(Exception):  # noqa: N818 - what Step Functions calls it
    """An execution's failure as its caller sees it."""


@dataclass
class Stack:
    """Deeds in the domain's words. `release` plays the release machine."""

    world: World
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.world.client(service)
        return self.clients[service]

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        context = SimpleNamespace(
            function_name=function, memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="1"
        )
        answer: dict[str, Any] = importlib.import_module(f"{function}.app").handler(dict(event), context)
        json.dumps(answer)
        return answer

    def upload(self, key: str, body: bytes) -> dict[str, Any]:
        """Upload one object; returns the event that S3 would send."""
        stored = self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        event: dict[str, Any] = json.loads((EVENTS / "aws/s3-object-created.example.json").read_text(encoding="utf-8"))
        event["detail"]["bucket"]["name"] = BUCKET
        event["detail"]["object"] |= {"key": key, "version-id": stored["VersionId"], "size": len(body)}
        return event

    def drop(self, version: str, files: Mapping[str, bytes], manifest: bytes = b"{}") -> dict[str, Any]:
        """Upload the files and then the seal; returns the seal's event."""
        for path, body in files.items():
            self.upload(f"models/chat/{version}/{path}", body)
        return self.upload(f"models/chat/{version}/manifest.json", manifest)

    def push(self, tag: str = "release-1", manifest: str = "{}") -> dict[str, Any]:
        """Push an image; returns ECR's event."""
        text = _manifest(manifest)
        image = self.client("ecr").put_image(
            repositoryName="slipway-inference",
            imageManifest=text,
            imageTag=tag,
            imageDigest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        )["image"]
        event: dict[str, Any] = json.loads((EVENTS / "aws/ecr-image-action.example.json").read_text(encoding="utf-8"))
        event["detail"] |= {"image-digest": image["imageId"]["imageDigest"], "image-tag": tag}
        return event

    def release(self, rollout_id: str) -> dict[str, Any]:
        """Take every step of the release machine; the settlement's answer."""
        step: dict[str, Any] = {"endpoint": "chat", "rolloutId": rollout_id}
        registered = self.call("register_rollout", {"input": step, "executionArn": f"arn:{rollout_id}"})
        try:
            self._steps(step, published=registered["published"])
        except Failed as failure:
            error, cause = failure.args
            return self.call("settle_rollout", step | {"outcome": "failed", "error": error, "cause": cause})
        except ReleaseError as failure:
            cause = json.dumps({"errorType": type(failure).__name__, "errorMessage": str(failure)})
            failed = {"outcome": "failed", "error": type(failure).__name__, "cause": cause}
            return self.call("settle_rollout", step | failed)
        return self.call("settle_rollout", step | {"outcome": "live", "error": "", "cause": ""})

    def _steps(self, step: dict[str, Any], *, published: bool) -> None:
        if not published:
            self._expect(self.call("examine_artifact", step), "verdict", "passed", "ArtifactRejectedError")
            self.call("publish_artifact", step)
        if self.call("plan_rollout", step | {"planOnly": False})["alreadyLive"]:
            return
        leased = step | self.call("acquire_lease", step)
        self.call("create_green", leased)
        self.call("shift_traffic", leased)
        self._expect(self.watched(leased), "progress", "arrived", "RolloutFailedError")
        self._expect(self.call("verify_release", leased), "verdict", "passed", "RolloutFailedError")

    def watched(self, leased: dict[str, Any]) -> dict[str, Any]:
        """What the machine's loop of waiting and watching ends with."""
        while (watched := self.call("watch_endpoint", leased))["progress"] == "moving":
            time.sleep(watched["pollSeconds"] / TIME_SCALE)
        return watched

    @staticmethod
    def _expect(answer: dict[str, Any], name: str, value: str, error: str) -> None:
        if answer[name] != value:
            raise Failed(error, answer["reason"])

    def item(self, sk: str, pk: str = "endpoint#chat") -> dict[str, Any] | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        found = self.client("dynamodb").get_item(TableName=TABLE, Key=key).get("Item")
        return {name: next(iter(value.values())) for name, value in found.items()} if found else None

    def answers(self) -> str:
        """Who answers on the endpoint."""
        reply = self.client("sagemaker-runtime").invoke_endpoint(EndpointName="slipway-chat", Body=b"{}")
        return str(reply["CustomAttributes"])

    def told(self) -> list[dict[str, Any]]:
        """The notifications since the last look."""
        queue = self.client("sqs").get_queue_url(QueueName="told")["QueueUrl"]
        found = self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    listener = gateway.bind(0)
    world = World(port=listener.getsockname()[1], state_dir=tmp_path, clock=Clock(TIME_SCALE))
    # A busy machine needs seconds to start a container; only one that never gets healthy uses them up.
    limits = Limits(invocation_s=5.0, startup_at_least_s=8.0, drain_s=5.0, kill_after_s=2.0)
    twin = SageMakerTwin(world, AnyImage(), lambda *_: None, lambda *_: None, limits=limits)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = gateway.server_on(listener, gateway.Gateway(twin.wsgi))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = _prepare(world)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _forget_clients()
    yield Stack(world)
    _forget_clients()
    twin.stop()
    server.shutdown()
    server.server_close()
    listener.close()
    world.processes.stop_all()


def _prepare(world: World) -> dict[str, str]:
    """What the template makes; returns the functions' environment."""
    requests.post(f"{world.url}/moto-api/reset", timeout=10)
    s3 = world.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    world.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    world.client("ecr").create_repository(repositoryName="slipway-inference")
    role = world.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    machine = world.client("stepfunctions").create_state_machine(
        name="slipway-release", definition='{"StartAt":"Live","States":{"Live":{"Type":"Succeed"}}}', roleArn=role
    )
    return {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "STACK_NAME": "slipway",
        "RELEASE_TABLE": TABLE,
        "ARTIFACT_BUCKET": BUCKET,
        "RELEASE_MACHINE_ARN": machine["stateMachineArn"],
        "EXECUTION_ROLE_ARN": role,
        "NOTIFICATION_TOPIC_ARN": _topic(world),
        "INFERENCE_REPOSITORY_URI": REPOSITORY,
        "DEFAULT_CONFIG": json.dumps(DEFAULTS),
    }


def _topic(world: World) -> str:
    topic = world.client("sns").create_topic(Name="told")["TopicArn"]
    world.client("sqs").create_queue(QueueName="told")
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:told"
    world.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"}
    )
    return str(topic)


def _manifest(text: str) -> str:
    media = "application/vnd.docker.distribution.manifest.v2+json"
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:00"}
    return json.dumps({"schemaVersion": 2, "mediaType": media, "config": config, "layers": [], "note": text})


def _forget_clients() -> None:
    for factory in vars(wiring).values():
        if hasattr(factory, "cache_clear"):
            factory.cache_clear()
