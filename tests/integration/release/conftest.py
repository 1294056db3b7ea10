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
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from boto3.dynamodb.types import TypeDeserializer

import release.errors
from local import gateway
from local.alarms import AlarmEvaluator
from local.autoscaling.service import AutoScaling
from local.clock import Clock
from local.images import RunSpec
from local.moto_patches import application_autoscaling
from local.moto_patches.patching import Patches
from local.sagemaker import SageMakerTwin
from local.sagemaker.control.quotas import Quotas
from local.sagemaker.fleets.instance import Limits
from local.service_quotas import ServiceQuotas
from local.world import ACCOUNT, REGION, World
from release.errors import AlarmsUnsettledError, EndpointBusyError, ReleaseError
from release.wiring import clients, executions

CONTAINER = Path(__file__).with_name("container.py")
EVENTS = Path(__file__).parents[3] / "events"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/slipway-inference"
DEADLINE_S = 60
BUCKET, TABLE = "slipway-artifacts", "slipway-releases"
TIME_SCALE = 30.0  # the dead-man alarm waits 120 s, so a busy machine may be silent for 4 s
DEFAULTS = json.loads((EVENTS / "release/config.example.json").read_text(encoding="utf-8")) | {
    "bakeSeconds": 10,
    "startupTimeoutSeconds": 120,
    "preflight": False,
}


class AnyImage:
    def run_spec(self, image_uri: str) -> RunSpec:  # noqa: ARG002 - every image is the same container here
        return RunSpec([sys.executable, "-I", str(CONTAINER)], CONTAINER.parent, {})


@dataclass
class Tokens:
    """Plays the executions that wait: hands tokens out and keeps what they are answered with."""

    answers: dict[str, Any] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def new(self) -> str:
        return f"token-{next(self._numbers)}"

    def succeed(self, task_token: str, answer: Mapping[str, Any]) -> bool:
        return self._keep(task_token, dict(answer))

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        return self._keep(task_token, getattr(release.errors, error)(cause))

    def _keep(self, task_token: str, answer: Any) -> bool:
        if not task_token or task_token in self.answers:
            return False
        self.answers[task_token] = answer
        return True

    def answer(self, token: str) -> dict[str, Any]:
        """What the token was answered with; an error is raised as the state's own."""
        deadline = time.monotonic() + DEADLINE_S
        while token not in self.answers:
            assert time.monotonic() < deadline, f"nobody answered {token}"
            time.sleep(0.02)
        found = self.answers[token]
        if isinstance(found, Exception):
            raise found
        return dict(found)


def execution_of(rollout_id: str) -> str:
    return f"arn:{rollout_id}"


@dataclass
class Stack:
    """Deeds in the domain's words. `release` plays the release machine."""

    world: World
    quotas: Quotas
    tokens: Tokens = field(default_factory=Tokens)
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
        registered = self.call("register_rollout", {"input": step, "executionArn": execution_of(rollout_id)})
        try:
            self._steps(step, registered)
        except ReleaseError as failure:
            return self.settled(step, failure)
        return self.settled(step)

    def settled(self, step: Mapping[str, Any], failure: ReleaseError | None = None) -> dict[str, Any]:
        """Settle as the machine does: again and again while SageMaker moves the endpoint."""
        how = {"outcome": "live", "error": "", "cause": ""}
        if failure:
            cause = json.dumps({"errorType": type(failure).__name__, "errorMessage": str(failure)})
            how = {"outcome": "failed", "error": type(failure).__name__, "cause": cause}
        who = {"endpoint": "chat", "rolloutId": step["rolloutId"], "executionArn": execution_of(step["rolloutId"])}
        return self.patiently("settle_rollout", who | how, EndpointBusyError)

    def _steps(self, step: dict[str, Any], registered: Mapping[str, Any]) -> None:
        if not registered["examined"]:
            self.call("examine_artifact", step)
            if not registered["published"]:
                self.call("publish_artifact", step)
        if self.call("plan_rollout", step | {"planOnly": False})["alreadyLive"]:
            return
        self.shifted(self.created(self.leased(step)))

    def leased(self, step: dict[str, Any]) -> dict[str, Any]:
        """Wait for one's turn as an execution does, with a token that somebody answers."""
        token = self.tokens.new()
        self.call("await_turn", step | {"taskToken": token})
        return step | self.tokens.answer(token)

    def created(self, leased: dict[str, Any]) -> dict[str, Any]:
        """Green and its alarms."""
        self.call("create_green", leased)
        assert self.preflighted(leased)["progress"] == "preflightPassed"
        token = self.tokens.new()
        self.call("await_approval", leased | {"taskToken": token})
        self.tokens.answer(token)
        return leased

    def preflighted(self, leased: dict[str, Any]) -> dict[str, Any]:
        """The preflight, watched to its end."""
        begun = self.call("start_preflight", leased)
        return self.watched(leased) if begun["progress"] == "moving" else begun

    def shifted(self, leased: dict[str, Any]) -> None:
        """The shift, watched to its end and verified."""
        self.patiently("shift_traffic", leased, AlarmsUnsettledError)
        assert self.watched(leased)["progress"] == "arrived"
        self.call("verify_release", leased)

    def patiently(self, function: str, event: Mapping[str, Any], *errors: type[ReleaseError]) -> dict[str, Any]:
        """Ask again, as the machine does, while the function says that time will heal it."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.call(function, event)
            except errors:
                assert time.monotonic() < deadline, f"{function} did not get through"
                time.sleep(0.1)

    def watched(self, leased: dict[str, Any]) -> dict[str, Any]:
        """What the machine's loop of waiting and watching ends with."""
        while (watched := self.call("watch_endpoint", leased))["progress"] == "moving":
            time.sleep(watched["pollSeconds"] / TIME_SCALE)
        return watched

    def operate(self, verb: str, **more: str) -> dict[str, Any]:
        reason = {} if verb == "why" else {"reason": "the test says so"}
        asked = {"verb": verb, "endpoint": "chat", "actor": "ana", **reason, **more}
        return self.call("operate_endpoint", {"input": asked, "executionArn": "arn:operate"})

    def item(self, sk: str, pk: str = "endpoint#chat") -> dict[str, Any] | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        found = self.client("dynamodb").get_item(TableName=TABLE, Key=key).get("Item")
        return {name: next(iter(value.values())) for name, value in found.items()} if found else None

    def ledger(self) -> list[dict[str, Any]]:
        """Every line, as the table holds it."""
        found = self.client("dynamodb").query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :ledger)",
            ExpressionAttributeValues={":pk": {"S": "endpoint#chat"}, ":ledger": {"S": "ledger#"}},
        )["Items"]
        lines = [{name: TypeDeserializer().deserialize(value) for name, value in item.items()} for item in found]
        return [{**line, "seq": int(line["seq"])} for line in lines]

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
    quotas = Quotas(world.clock.time)
    twin = SageMakerTwin(world, AnyImage(), lambda *_: None, lambda *_: None, limits=limits, quotas=quotas)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    others = gateway.Gateway(twin.wsgi)
    services = ServiceQuotas(quotas, world.clock, lambda *_: None, lambda _: "arn:caller", others)
    server = gateway.server_on(listener, services)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = _prepare(world)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _forget_clients()
    found, patches = Stack(world, quotas), Patches()
    scaling = AutoScaling(world)
    application_autoscaling.install(patches, scaling)
    # Step Functions is played, and functions read the embedded clock as they do where the embedded AWS runs them.
    monkeypatch.setattr(executions, "waiters", lambda: found.tokens)
    monkeypatch.setattr(clients, "now", world.clock.now)
    alarms = AlarmEvaluator(world, lambda *_: None, scaling.scaler.on_alarm)
    alarms.install(patches)
    alarms.start()
    scaling.scaler.start()
    yield found
    alarms.stop()
    scaling.scaler.stop()
    patches.undo()
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
    machines = {
        name: world.client("stepfunctions").create_state_machine(
            name=f"slipway-{name}", definition='{"StartAt":"Live","States":{"Live":{"Type":"Succeed"}}}', roleArn=role
        )["stateMachineArn"]
        for name in ("release", "operate")
    }
    return {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "STACK_NAME": "slipway",
        "RELEASE_TABLE": TABLE,
        "ARTIFACT_BUCKET": BUCKET,
        "RELEASE_MACHINE_ARN": machines["release"],
        "OPERATE_MACHINE_ARN": machines["operate"],
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
    for name, module in sys.modules.items():
        if name.startswith("release.wiring."):
            for factory in vars(module).values():
                if hasattr(factory, "cache_clear"):
                    factory.cache_clear()
