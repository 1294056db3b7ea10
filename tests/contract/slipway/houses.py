"""What a screen shows and the prepared stack lacks: a model's answer, a builder, a rollout that a push starts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from slipway import images, local_env
from slipway.artifacts import Progress, SealedDrop
from slipway.chat_stream import ChatStream
from slipway.client import Slipway
from slipway.packaging import package as packaging
from tests.contract.slipway.conftest import EVENTS, Stack, example

House = Callable[[pytest.MonkeyPatch, Stack, Path], None]


def as_it_is(_: pytest.MonkeyPatch, __: Stack, ___: Path) -> None:
    """The prepared stack and no more."""


def in_a_checkout_of_a_known_name(patch: pytest.MonkeyPatch, _: Stack, __: Path) -> None:
    patch.setattr(local_env, "_CONFIG", Path("/home/ana/slipway/local/aws-config"))


def with_a_model(patch: pytest.MonkeyPatch, stack: Stack, _: Path) -> None:
    chunks = [json.dumps(example(f"serving/chat-chunk{name}")) for name in ("", ".usage")]
    parts = [{"PayloadPart": {"Bytes": f"data: {text}\n\n".encode()}} for text in [*chunks, "[DONE]"]]
    attributes = f"release={stack.live};rollout={stack.live}-1"
    patch.setattr(Slipway, "ask", lambda *_, **__: ChatStream(iter(parts), custom_attributes=attributes))


def with_a_rollback(patch: pytest.MonkeyPatch, stack: Stack, _: Path) -> None:
    """The release before is brought back: the record says so from the moment when the machine is asked."""
    rollout = stack.item(f"rollout#{stack.older}-1") | {"kind": "rollback"}
    patch.setattr(Slipway, "rollback", lambda *_, **__: f"{stack.older}-1")
    stack.put(rollout)


def with_a_drop(patch: pytest.MonkeyPatch, stack: Stack, folder: Path) -> None:
    """Nothing is uploaded here; what a push leaves in the bucket is tested where S3 is real."""

    def push(_: Slipway, __: Path, ___: str, version: str, on_progress: Any, **____: Any) -> SealedDrop:
        on_progress(Progress("model.safetensors", 1_000_000, 2_000_000))
        on_progress(Progress("model.safetensors", 2_000_000, 2_000_000))
        return SealedDrop(f"models/chat/{version}/", "s3://b/k?versionId=1")

    patch.chdir(folder)
    patch.setattr(Slipway, "push", push)
    patch.setattr(Slipway, "rollout_of", lambda *_: f"{stack.live}-1")


def with_a_made_artifact(patch: pytest.MonkeyPatch, _: Stack, __: Path) -> None:
    def make(request: Any, on_progress: Any, say: Any) -> packaging.Packaged:
        say("the licence apache-2.0 is the model card's")
        on_progress(Progress("model.safetensors", 1, 2))
        on_progress(Progress("model.safetensors", 2, 2))
        return packaging.Packaged(str(request.output), "6b" * 32, 1_800_000_000, 9)

    patch.setattr(packaging, "package", make)


def with_a_builder(patch: pytest.MonkeyPatch, stack: Stack, _: Path) -> None:
    patch.setattr(images.Builder, "__init__", lambda self, _: setattr(self, "name", "buildah"))
    patch.setattr(images.Builder, "build", lambda *_, **__: None)
    pushed = images.PushedImage(stack.image, stack.image.partition("@")[2], "release-1")
    patch.setattr(images, "push_to_ecr", lambda *_: pushed)


def with_a_log(_: pytest.MonkeyPatch, stack: Stack, __: Path) -> None:
    logs, group = stack.client("logs"), "/aws/lambda/slipway"
    at = int(datetime.now(UTC).timestamp() * 1000)
    said = {
        "level": "INFO",
        "message": "phase entered",
        "function_name": "slipway-shift-traffic",
        "endpoint": "chat",
        "rolloutId": f"{stack.live}-1",
        "phase": "shifting",
    }
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="2026/11/23/slipway-shift-traffic[1]")
    events = [{"timestamp": at, "message": json.dumps(said)}]
    logs.put_log_events(logGroupName=group, logStreamName="2026/11/23/slipway-shift-traffic[1]", logEvents=events)


def with_an_undelivered_event(_: pytest.MonkeyPatch, stack: Stack, __: Path) -> None:
    sqs = stack.client("sqs")
    queue = sqs.get_queue_url(QueueName="slipway-undelivered-events")["QueueUrl"]
    event = (EVENTS / "aws/s3-object-created.example.json").read_text(encoding="utf-8")
    # As EventBridge writes it; source: "Using dead-letter queues" in the EventBridge User Guide.
    told = {
        "TARGET_ARN": "arn:aws:lambda:us-east-1:123456789012:function:slipway-receive-artifact",
        "ERROR_CODE": "THROTTLING",
        "ERROR_MESSAGE": "Rate exceeded",
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    sqs.send_message(QueueUrl=queue, MessageBody=event, MessageAttributes=attributes)


def cleared(stack: Stack) -> None:
    """Take away what the houses left."""
    sqs, logs = stack.client("sqs"), stack.client("logs")
    queue = sqs.get_queue_url(QueueName="slipway-undelivered-events")["QueueUrl"]
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    for group in logs.describe_log_groups()["logGroups"]:
        logs.delete_log_group(logGroupName=group["logGroupName"])
    stack.put(stack.item(f"rollout#{stack.older}-1") | {"kind": "drop"})
