"""The command in this process, against a stack that moto plays: executions run, the table and the bucket are real.

The operate and rollback machines are stand-ins of a few states, because what the real ones answer is tested where they
are; what matters here is what the command asks and what it makes of the answer.
"""

import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore import session
from botocore.client import BaseClient
from moto import mock_aws

from release.domain.identity import SealedFile, artifact_id, release_id
from release.domain.ledger import Head, sealed
from slipway.cli import main
from tests.contract.slipway.terminal import on_a_terminal

EVENTS = Path(__file__).parents[3] / "events"
BUCKET, TABLE, REPOSITORY = "slipway-artifacts-123456789012", "slipway-releases", "slipway-inference"
REFUSAL = "rollout 3f2a91c07d4e-1 is baking and cannot be paused"
# A type that moto's SageMaker knows and the price list too.
CONFIG: dict[str, Any] = json.loads((EVENTS / "release/config.example.json").read_text(encoding="utf-8")) | {
    "instanceTypes": ["ml.g4dn.xlarge"]
}
AT = "2026-11-23T12:00:00Z"
QUESTIONS = {"why": "Why", "what-ran": "What ran", "provenance": "Provenance"}
SWEPT: dict[str, Any] = {
    "endpoint": "chat",
    "settled": [],
    "started": ["3f2a91c07d4e-2"],
    "passedOver": [],
    "drift": [
        {
            "kind": "scalingLost",
            "subject": "slipway-chat",
            "reason": "nothing scales it, its record says 1 to 5 instances",
            "mended": False,
        }
    ],
    "collected": ["slipway-chat-3f2a91c07d4e-1"],
    "collectedCount": 3,
    "would": ["start rollout 3f2a91c07d4e-2 of models/chat/v2/, whose event was lost"],
    "problems": [],
}
REPORT: dict[str, Any] = {
    "sentence": "would have swept 1 endpoints, 1 differences, 1 deeds and 3 things to collect; nothing was changed",
    "endpoints": 1,
    "settled": 0,
    "started": 1,
    "passedOver": 0,
    "drift": 1,
    "mended": 0,
    "collected": 3,
    "problems": [],
}
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": bytes(range(256))}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Command:
    """`slipway …` as a person runs it; not a terminal."""

    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *arguments: str) -> Said:
        self.capture.readouterr()
        code = self._run(arguments)
        captured = self.capture.readouterr()
        return Said(code, captured.out, captured.err)

    def on_a_terminal(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """The same on a terminal: what it ended with, and what a person sees."""
        return on_a_terminal(self.patch, typed, lambda: self._run(arguments))

    def _run(self, arguments: tuple[str, ...]) -> int:
        self.patch.setattr(sys, "argv", ["slipway", *arguments])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0


@pytest.fixture
def slipway(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def quota_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's Service Quotas does not know SageMaker's."""

    def call(self: Any, operation: str, asked: dict[str, Any]) -> Any:
        if operation != "ListServiceQuotas":
            return original(self, operation, asked)
        name = "ml.g5.4xlarge for endpoint usage"
        return {"Quotas": [{"QuotaName": name, "QuotaCode": "L-C1B9A48D", "Value": 1.0}]}

    original: Any = BaseClient._make_api_call  # type: ignore[attr-defined]
    monkeypatch.setattr(BaseClient, "_make_api_call", call)


@dataclass
class Stack:
    """What lies in the stack; `live` and `older` are release ids."""

    session: boto3.Session
    live: str = ""
    older: str = ""
    image: str = ""

    def client(self, service: str) -> Any:
        session: Any = self.session
        return session.client(service)

    def put(self, item: dict[str, Any]) -> None:
        wire = {name: TypeSerializer().serialize(value) for name, value in item.items()}
        self.client("dynamodb").put_item(TableName=TABLE, Item=wire)

    def item(self, sk: str) -> dict[str, Any]:
        """A record of the endpoint `chat`."""
        key = {"pk": {"S": "endpoint#chat"}, "sk": {"S": sk}}
        found = self.client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]
        return {name: TypeDeserializer().deserialize(value) for name, value in found.items()}

    def asked(self) -> list[dict[str, Any]]:
        """The input of every execution, the newest first."""
        states, inputs = self.client("stepfunctions"), []
        for machine in states.list_state_machines()["stateMachines"]:
            arn = machine["stateMachineArn"]
            for execution in states.list_executions(stateMachineArn=arn)["executions"]:
                found = states.describe_execution(executionArn=execution["executionArn"])
                inputs.append((execution["startDate"], json.loads(found["input"])))
        return [asked for _, asked in sorted(inputs, key=lambda one: one[0], reverse=True)]

    def keys(self) -> set[str]:
        return {found["Key"] for found in self.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])}


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SLIPWAY_ACTOR": "ana@example.com",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SLIPWAY_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        # Every command loads the models of its services anew; here they are loaded once.
        patch.setattr(session, "create_loader", functools.cache(session.create_loader))
        with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            stack = Stack(boto3.Session())
            _deploy(stack)
            _release(stack)
            yield stack


def _deploy(stack: Stack) -> None:
    stack.client("s3").create_bucket(Bucket=BUCKET)
    stack.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    stack.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
    )
    stack.client("sqs").create_queue(QueueName="slipway-undelivered-events")
    repository = stack.client("ecr").create_repository(repositoryName=REPOSITORY)["repository"]["repositoryUri"]
    outputs = {"ArtifactBucketName": BUCKET, "ReleaseTableName": TABLE, "InferenceRepositoryUri": repository}
    for name, machine in (
        ("Operate", _operate()),
        ("Rollback", _rollback()),
        ("Release", _rollback()),
        ("Sweep", _sweep()),
    ):
        made = stack.client("stepfunctions").create_state_machine(
            name=f"slipway-{name.lower()}",
            roleArn="arn:aws:iam::123456789012:role/any",
            definition=json.dumps(machine),
        )
        outputs[f"{name}StateMachineArn"] = made["stateMachineArn"]
    stack.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=json.dumps(trusting("states")))
    role = {"RoleName": "execution", "AssumeRolePolicyDocument": trusting("sagemaker")}
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "slipway-notifications"}},
            "SageMakerExecutionRole": {"Type": "AWS::IAM::Role", "Properties": role},
        },
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    stack.client("cloudformation").create_stack(StackName="slipway", TemplateBody=json.dumps(template))


def trusting(service: str) -> dict[str, Any]:
    """A role's trust policy."""
    principal = {"Service": f"{service}.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _operate() -> dict[str, Any]:
    """Refuses to pause, answers questions, and says of everything else that it was done."""
    done = {
        "verb.$": "$.verb",
        "endpoint.$": "$.endpoint",
        "rolloutId": "3f2a91c07d4e-1",
        "sentence.$": "States.Format('{} of {} is done', $.verb, $.endpoint)",
    }
    choices = [
        {"Variable": "$.verb", "StringEquals": "pause", "Next": "Refused"},
        *({"Variable": "$.verb", "StringEquals": verb, "Next": state} for verb, state in QUESTIONS.items()),
    ]
    answers = {
        state: {"Type": "Pass", "Result": example(f"release/operate-output.{verb}"), "End": True}
        for verb, state in QUESTIONS.items()
    }
    return {
        "StartAt": "Verb?",
        "States": {
            "Verb?": {"Type": "Choice", "Choices": choices, "Default": "Done"},
            "Refused": {"Type": "Fail", "Error": "OperationRefused", "Cause": REFUSAL},
            **answers,
            "Done": {"Type": "Pass", "Parameters": done, "End": True},
        },
    }


def example(name: str) -> Any:
    """An example of the contracts."""
    return json.loads((EVENTS / f"{name}.example.json").read_text(encoding="utf-8"))


def _sweep() -> dict[str, Any]:
    answer = {"report": REPORT, "endpoints": [SWEPT]}
    return {"StartAt": "Swept", "States": {"Swept": {"Type": "Pass", "Result": answer, "End": True}}}


def _rollback() -> dict[str, Any]:
    cause = "endpoint chat has had no release before this one, so there is none to go back to"
    return {
        "StartAt": "Refused",
        "States": {"Refused": {"Type": "Fail", "Error": "UnknownReleaseError", "Cause": cause}},
    }


def _release(stack: Stack) -> None:
    """Two releases of one artifact, the second live, with models in SageMaker and a ledger that is whole."""
    manifest = _manifest(stack)
    image_text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"})
    digest = _sha256(image_text.encode())
    stack.client("ecr").put_image(
        repositoryName=REPOSITORY, imageManifest=image_text, imageTag="release-1", imageDigest=digest
    )
    repository = stack.client("ecr").describe_repositories()["repositories"][0]["repositoryUri"]
    stack.image = f"{repository}@{digest}"
    artifact = artifact_id(SealedFile(one["path"], one["sizeBytes"], f"sha256:{one['sha256']}") for one in manifest)
    stack.older, stack.live = (
        _put_release(stack, artifact, CONFIG | {"instanceCount": count}, day)
        for count, day in ((1, "2026-11-22T12:00:00Z"), (2, AT))
    )
    _serve(stack, artifact)
    _put_ledger(stack)


def _manifest(stack: Stack) -> list[dict[str, Any]]:
    """Publishes the files under their artifact's id, with the checksums that S3 keeps."""
    files = [{"path": p, "sizeBytes": len(b), "sha256": hashlib.sha256(b).hexdigest()} for p, b in FILES.items()]
    prefix = f"published/{artifact_id(SealedFile(p, len(b), _sha256(b)) for p, b in FILES.items())}/"
    for path, body in FILES.items():
        stack.client("s3").put_object(Bucket=BUCKET, Key=prefix + path, Body=body, ChecksumAlgorithm="SHA256")
    text = json.dumps({"name": "Tiny", "files": files})
    stack.client("s3").put_object(Bucket=BUCKET, Key=f"{prefix}manifest.json", Body=text.encode())
    return files


def _sha256(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _put_release(stack: Stack, artifact: str, config: dict[str, Any], at: str) -> str:
    made = release_id("chat", artifact, stack.image, config)
    rollout = json.loads((EVENTS / "table/rollout.planned.example.json").read_text(encoding="utf-8"))
    phases = ("received", "examined", "planned", "creating", "shifting", "baking", "live")
    history = [{"phase": phase, "at": at, "reason": f"it is {phase}"} for phase in phases]
    named = {"endpoint": "chat", "releaseId": made, "createdAt": at, "pk": "endpoint#chat"}
    ids = {"sk": f"rollout#{made}-1", "rolloutId": f"{made}-1", "updatedAt": at}
    stack.put(rollout | named | ids | {"phase": "live", "history": history, "reason": "it is live"})
    four = {"artifactId": artifact, "image": stack.image, "config": config, "rollouts": 1}
    stack.put(named | four | {"sk": f"release#{made}"})
    return made


def _serve(stack: Stack, artifact: str) -> None:
    sagemaker = stack.client("sagemaker")
    name = f"slipway-chat-{stack.live}-1"
    where = {"S3Uri": f"s3://{BUCKET}/published/{artifact}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn="arn:aws:iam::123456789012:role/execution",
        PrimaryContainer={
            "Image": stack.image,
            "ModelDataSource": {"S3DataSource": where},
            "Environment": {"SLIPWAY_RELEASE_ID": stack.live},
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": CONFIG["instanceTypes"][0]}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant | {"InitialInstanceCount": 2, "InitialVariantWeight": 1.0}]
    )
    sagemaker.create_endpoint(EndpointName="slipway-chat", EndpointConfigName=name)


def _put_ledger(stack: Stack) -> None:
    head = Head()
    for release in (stack.older, stack.live):
        happened = {
            "endpoint": "chat",
            "at": AT,
            "actor": "release machine",
            "event": "phaseEntered",
            "reason": "it is live",
        }
        about = {"rolloutId": f"{release}-1", "releaseId": release, "phase": "live"}
        line = sealed(happened | about, head)
        head = Head(line["seq"], line["hash"])
        stack.put(line | {"pk": "endpoint#chat", "sk": f"ledger#{head.seq:012}"})
    serving = {"liveReleaseId": stack.live, "liveRolloutId": f"{stack.live}-1", "lastGoodReleaseId": stack.older}
    chain = {"ledgerSeq": head.seq, "ledgerHash": head.hash}
    stack.put({"pk": "endpoint#chat", "sk": "endpoint", "endpoint": "chat", "updatedAt": AT} | serving | chain)
