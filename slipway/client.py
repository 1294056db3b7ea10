"""The typed client: everything that a person, the command line or the chat page does with Slipway."""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from botocore.exceptions import ClientError

from release.domain.identity import RELEASE_ID_LENGTH, seal_digest
from release.domain.keys import MANIFEST, NotADrop, sealed_drop
from release.domain.names import Names
from slipway import artifacts
from slipway.artifacts import OnProgress, SealedDrop
from slipway.aws_errors import error_message, in_our_words, translated
from slipway.chat_stream import ChatStream, open_chat
from slipway.errors import (
    DropNotSeenError,
    ImageMissingError,
    RollbackRefusedError,
    RolloutNotFoundError,
    RolloutTimeoutError,
    StackNotFoundError,
    UsageError,
)
from slipway.records import EndpointState, PhaseChange, Release, Rollout

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sagemaker_runtime.client import SageMakerRuntimeClient
    from mypy_boto3_stepfunctions.client import SFNClient

_POLL_S = 0.5
_RELEASE_ID = re.compile(f"[0-9a-f]{{{RELEASE_ID_LENGTH}}}")
# An answer may begin late behind a full queue; the server itself gives up on a stream after 8 minutes.
_RUNTIME = Config(
    connect_timeout=5, read_timeout=70, retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=100
)


class Message(TypedDict):
    role: str
    content: str


@dataclass(frozen=True)
class ChatOptions:
    """How to answer; what is None is left to the model's server."""

    max_tokens: int = 512
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None

    def fields(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


_DEFAULTS = ChatOptions()


class Slipway:
    """One deployed stack.

    Credentials, region and addresses come from the boto3 session and its environment (`AWS_PROFILE`,
    `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL`, …) and from nowhere else. Safe to share between threads.

    Raises (every method):
        CredentialsError, AccessDeniedError, AwsUnreachableError, AwsRefusedError, StackNotFoundError.
    """

    def __init__(self, stack: str = "slipway", session: boto3.Session | None = None) -> None:
        self.stack = stack
        self._session = session or boto3.Session()
        self._building = threading.Lock()  # a session may build only one client at a time

    @cached_property
    def _s3(self) -> "S3Client":
        with self._building, translated():
            return self._session.client("s3")

    @cached_property
    def _dynamodb(self) -> "DynamoDBClient":
        with self._building, translated():
            return self._session.client("dynamodb")

    @cached_property
    def _machines(self) -> "SFNClient":
        with self._building, translated():
            return self._session.client("stepfunctions")

    @cached_property
    def _runtime(self) -> "SageMakerRuntimeClient":
        with self._building, translated():
            return self._session.client("sagemaker-runtime", config=_RUNTIME)

    @cached_property
    def _outputs(self) -> dict[str, str]:
        with self._building, translated():
            cloudformation = self._session.client("cloudformation")
        try:
            stacks = cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in error_message(error):
                raise StackNotFoundError(
                    f"the stack {self.stack} is not deployed here; run `sam deploy`, or run `slipway local up`"
                ) from error
            raise in_our_words(error) from error
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; read once, because a deployed stack does not rename its parts."""
        with translated():
            return dict(self._outputs)

    def _output(self, name: str) -> str:
        try:
            return self.outputs()[name]
        except KeyError:
            raise StackNotFoundError(
                f"the stack {self.stack} has no output {name}; deploy the current template.yaml"
            ) from None

    def endpoint_name(self, endpoint: str) -> str:
        """SageMaker's name of the endpoint; raises UsageError for a name that none can have."""
        try:
            return Names(self.stack, endpoint).sagemaker_endpoint
        except ValueError as error:
            raise UsageError(str(error)) from error

    # -- what is there

    def endpoint(self, endpoint: str) -> EndpointState:
        """What serves; all ids are empty while nothing ever did. Raises UsageError for a name that none can have."""
        self.endpoint_name(endpoint)
        item = self._item(f"endpoint#{endpoint}", "endpoint")
        return EndpointState.of_item(item or {"endpoint": endpoint})

    def releases(self, endpoint: str) -> list[Release]:
        """Newest first."""
        found = [Release.of_item(item) for item in self._items(f"endpoint#{endpoint}", "release#")]
        return sorted(found, key=lambda release: release.created_at, reverse=True)

    def rollouts(self, endpoint: str) -> list[Rollout]:
        """Newest first."""
        found = [Rollout.of_item(item) for item in self._items(f"endpoint#{endpoint}", "rollout#")]
        return sorted(found, key=lambda rollout: rollout.created_at, reverse=True)

    def rollout(self, endpoint: str, rollout_id: str) -> Rollout:
        """Raises RolloutNotFoundError when the table has no such rollout."""
        item = self._item(f"endpoint#{endpoint}", f"rollout#{rollout_id}")
        if item is None:
            raise RolloutNotFoundError(
                f"{endpoint} has no rollout {rollout_id}; `slipway watch --endpoint {endpoint}` shows the newest"
            )
        return Rollout.of_item(item)

    def watch(self, endpoint: str, rollout_id: str, timeout_s: float = 3600.0) -> Iterator[PhaseChange]:
        """Every phase of the rollout, those already behind it first, until it ends.

        Raises:
            RolloutNotFoundError: see `rollout`.
            RolloutTimeoutError: not ended after `timeout_s` seconds.
        """
        seen, deadline = 0, time.monotonic() + timeout_s
        while True:
            rollout = self.rollout(endpoint, rollout_id)
            yield from rollout.history[seen:]
            seen = len(rollout.history)
            if rollout.ended:
                return
            if time.monotonic() > deadline:
                raise RolloutTimeoutError(
                    f"rollout {rollout_id} is still {rollout.phase} after {timeout_s:.0f} s; "
                    f"`slipway watch {rollout_id} --endpoint {endpoint}` goes on watching"
                )
            time.sleep(_POLL_S)

    # -- what changes it

    def push(
        self,
        directory: Path,
        endpoint: str,
        version: str,
        on_progress: OnProgress = lambda _: None,
        *,
        config: dict[str, Any] | None = None,
    ) -> SealedDrop:
        """Upload a folder as models/<endpoint>/<version>/ and seal it, which starts a rollout.

        Args:
            config: what the release runs with, over the defaults (`events/release/settings`).

        Raises:
            ArtifactFolderError: the folder cannot be an artifact.
            UsageError: endpoint or version cannot be part of a key.
        """
        drop = sealed_drop(f"models/{endpoint}/{version}/{MANIFEST}")
        if isinstance(drop, NotADrop):
            raise UsageError(drop.reason)
        files = artifacts.read_artifact(directory)
        manifest = artifacts.manifest_of(directory, files, config)
        bucket = self._output("ArtifactBucketName")
        with translated():
            artifacts.upload(self._s3, bucket, drop, files, on_progress)
            return artifacts.seal(self._s3, bucket, drop, manifest)

    def rollout_of(self, drop: SealedDrop, timeout_s: float = 120.0) -> str:
        """The id of the rollout that this drop started; waits for its event to arrive.

        Raises:
            DropNotSeenError: no rollout after `timeout_s` seconds.
            ImageMissingError: seen, but there is no inference image to run it with.
        """
        deadline = time.monotonic() + timeout_s
        rollout_id: str | None = None
        while time.monotonic() < deadline:
            rollout_id = self._sealed_rollout(drop.seal)
            if rollout_id:
                return rollout_id
            time.sleep(_POLL_S)
        if rollout_id is not None:
            raise ImageMissingError(
                f"{drop.prefix} waits for a first inference image; push one with a tag that starts with `release-`"
            )
        raise DropNotSeenError(
            f"no rollout of {drop.prefix} after {timeout_s:.0f} s; look into ArtifactUploadedRule's dead-letter queue"
        )

    def rollback(self, endpoint: str, to: str | None = None, timeout_s: float = 120.0) -> str:
        """Start the rollback machine; returns the id of the rollout that it registered.

        Args:
            to: a release id; without it, the last good release.

        Raises:
            UsageError: `to` cannot be a release id.
            RollbackRefusedError: the machine ended without a rollout.
            RolloutTimeoutError: it registered none in `timeout_s` seconds.
        """
        if to is not None and not _RELEASE_ID.fullmatch(to):
            raise UsageError(
                f"{to!r} is not a release id, {RELEASE_ID_LENGTH} hex digits; `slipway releases {endpoint}` lists them"
            )
        step_input = {"endpoint": endpoint} | ({"to": to} if to else {})
        machine = self._output("RollbackStateMachineArn")
        with translated():
            arn = self._machines.start_execution(stateMachineArn=machine, input=json.dumps(step_input))["executionArn"]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with translated():
                execution = self._machines.describe_execution(executionArn=arn)
            if rollout_id := self._sealed_rollout(arn):
                return rollout_id
            if execution["status"] != "RUNNING":
                reason = execution.get("cause") or execution["status"]
                raise RollbackRefusedError(f"{endpoint} was not rolled back: {reason}")
            time.sleep(_POLL_S)
        raise RolloutTimeoutError(
            f"the rollback of {endpoint} registered no rollout in {timeout_s:.0f} s; look at {arn}"
        )

    # -- asking

    def chat(self, endpoint: str, messages: Sequence[Message], options: ChatOptions = _DEFAULTS) -> ChatStream:
        """Ask the endpoint; iterate over the answer for its text.

        Raises:
            ChatError: see its classes and `ChatStream`.
        """
        body = {
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **options.fields(),
        }
        return open_chat(self._runtime, self.endpoint_name(endpoint), body)

    def ask(self, endpoint: str, question: str, *, max_tokens: int = 256, temperature: float = 0.0) -> ChatStream:
        """One question, as `chat` asks it."""
        options = ChatOptions(max_tokens=max_tokens, temperature=temperature)
        return self.chat(endpoint, [{"role": "user", "content": question}], options)

    # -- the release table

    def _sealed_rollout(self, seal: str) -> str | None:
        """The rollout that a drop or an execution is bound to; empty while it waits for an image, None if not seen."""
        item = self._item(f"seal#{seal_digest(seal)}", "seal")
        return str(item["rolloutId"]) if item else None

    def _item(self, pk: str, sk: str) -> dict[str, Any] | None:
        with translated():
            answer = self._dynamodb.get_item(
                TableName=self._output("ReleaseTableName"),
                Key={"pk": {"S": pk}, "sk": {"S": sk}},
                ConsistentRead=True,
            )
        return _plain(answer["Item"]) if "Item" in answer else None

    def _items(self, pk: str, sk_prefix: str) -> Iterator[dict[str, Any]]:
        with translated():
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._output("ReleaseTableName"),
                KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
                ExpressionAttributeValues={":pk": {"S": pk}, ":prefix": {"S": sk_prefix}},
                ConsistentRead=True,
            )
            for page in pages:
                yield from (_plain(item) for item in page["Items"])


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    read = TypeDeserializer()
    return {name: read.deserialize(value) for name, value in item.items()}
