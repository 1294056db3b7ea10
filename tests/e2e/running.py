"""A running Slipway, as a person has it: `make run` in one terminal, plain boto3 in another."""

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import psutil
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

ROOT = Path(__file__).parents[2]
STACK, ENDPOINT = "slipway", "slipway-chat"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: str, check: Any, timeout_s: float = 120) -> Any:
    """Poll until `check` answers something true; its last answer is in the failure."""
    deadline = time.monotonic() + timeout_s
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}; last answer {answer!r}"
        time.sleep(0.2)
    return answer


@dataclass
class Answer:
    text: str
    release_id: str
    chunks: int = 1


@dataclass
class Running:
    """The product on two ports of its own, and the deeds of those who use it."""

    aws_port: int
    ui_port: int
    log: Path
    process: subprocess.Popen[bytes]
    outputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, folder: Path) -> "Running":
        aws_port, ui_port = free_port(), free_port()
        log = folder / "slipway.log"
        environment = {**os.environ, "SLIPWAY_AWS_PORT": str(aws_port), "SLIPWAY_UI_PORT": str(ui_port)}
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["make", "run"],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = cls(aws_port, ui_port, log, process)
        eventually("the first release is live and the page is up", running.is_up, timeout_s=240)
        stacks = running.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        running.outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
        return running

    def is_up(self) -> bool:
        assert self.process.poll() is None, f"slipway local up ended:\n{self.log.read_text()[-3000:]}"
        return f"http://127.0.0.1:{self.ui_port}" in self.log.read_text() and self.page_is_healthy()

    def page_is_healthy(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.ui_port}/healthz", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def stop(self) -> int:
        """What Ctrl-C does to the program; make itself stays to report the program's exit code."""
        program = next(
            child for child in psutil.Process(self.process.pid).children(recursive=True) if "slipway" in child.cmdline()
        )
        program.send_signal(signal.SIGINT)
        return self.process.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.aws_port}"

    def client(self, service: str) -> Any:
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(read_timeout=90, retries={"total_max_attempts": 1}),
        )

    # What a platform engineer does.

    def drop(self, folder: Path, version: str) -> None:
        """Upload a folder with plain S3 calls; its manifest.json, or `{}` if it has none, seals the drop."""
        s3, bucket, prefix = self.client("s3"), self.outputs["ArtifactBucketName"], f"models/chat/{version}"
        for path in sorted(folder.iterdir()):
            if path.name != "manifest.json":
                s3.upload_file(str(path), bucket, f"{prefix}/{path.name}")
        manifest = folder / "manifest.json"
        body = manifest.read_bytes() if manifest.exists() else b"{}"
        s3.put_object(Bucket=bucket, Key=f"{prefix}/manifest.json", Body=body)

    def roll_back(self, **to: str) -> dict[str, Any]:
        """Start the rollback machine by hand and wait for its end."""
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["RollbackStateMachineArn"],
            name=f"by-hand-{uuid.uuid4().hex[:8]}",
            input=json.dumps({"endpoint": "chat", **to}),
        )
        return self.ended(started["executionArn"])

    def ended(self, execution_arn: str, timeout_s: float = 180) -> dict[str, Any]:
        states = self.client("stepfunctions")

        def over() -> dict[str, Any] | None:
            found: dict[str, Any] = states.describe_execution(executionArn=execution_arn)
            return None if found["status"] == "RUNNING" else found

        found: dict[str, Any] = eventually(f"{execution_arn} ends", over, timeout_s)
        return found

    # What one can see.

    def releases_seen(self) -> list[dict[str, Any]]:
        """All executions of the release machine, newest first."""
        found: list[dict[str, Any]] = self.client("stepfunctions").list_executions(
            stateMachineArn=self.outputs["ReleaseStateMachineArn"]
        )["executions"]
        return sorted(found, key=lambda execution: execution["startDate"], reverse=True)

    def execution_after(self, known: set[str]) -> dict[str, Any]:
        """The release execution that started after those in `known`, once it ended."""
        new = eventually(
            "a new release execution starts",
            lambda: [seen for seen in self.releases_seen() if seen["executionArn"] not in known],
            60,
        )
        assert len(new) == 1, f"one drop must start one rollout, found {[seen['name'] for seen in new]}"
        return self.ended(new[0]["executionArn"])

    def rollout(self, rollout_id: str) -> dict[str, Any]:
        """The record of a rollout, with the values' DynamoDB types removed."""
        item = self.client("dynamodb").get_item(
            TableName=self.outputs["ReleaseTableName"],
            Key={"pk": {"S": "endpoint#chat"}, "sk": {"S": f"rollout#{rollout_id}"}},
            ConsistentRead=True,
        )["Item"]
        return {key: TypeDeserializer().deserialize(value) for key, value in item.items()}

    def live_config(self) -> str:
        endpoint = self.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)
        assert endpoint["EndpointStatus"] == "InService", endpoint
        return str(endpoint["EndpointConfigName"])

    # What a person who chats does.

    def ask(self, **body: Any) -> Answer:
        reply = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=ENDPOINT,
            ContentType="application/json",
            Body=json.dumps({"messages": QUESTION, "max_tokens": 24, "temperature": 0, **body}),
        )
        text = json.loads(reply["Body"].read())["choices"][0]["message"]["content"]
        return Answer(text, release_of(reply["CustomAttributes"]))

    def ask_for_a_stream(self) -> Answer:
        reply = self.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=ENDPOINT,
            ContentType="application/json",
            Body=json.dumps({"messages": QUESTION, "max_tokens": 24, "temperature": 0, "stream": True}),
        )
        deltas = [
            choice["delta"].get("content", "")
            for event in sse_events(part["PayloadPart"]["Bytes"] for part in reply["Body"])
            for choice in event["choices"]
        ]
        spoken = [delta for delta in deltas if delta]
        return Answer("".join(spoken), release_of(reply["CustomAttributes"]), len(spoken))


def release_of(attributes: str) -> str:
    return dict(pair.split("=") for pair in attributes.split(";"))["release"]


def sse_events(parts: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Events of a stream that must end with [DONE]."""
    text = b"".join(parts).decode()
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]", f"the stream did not end: {text[-300:]}"
    return (json.loads(line) for line in data[:-1])
