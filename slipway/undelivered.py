"""Events that reached no function: what lies in the dead-letter queue, and the same event handed in again."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from release.domain.keys import NotADrop, sealed_drop
from slipway.aws import Aws
from slipway.aws_errors import error_code, translated
from slipway.errors import DropNotSeenError, EventRefusedError, UsageError

_HELD_S = 60
"""For so long a message that was read is hidden from other readers; it comes back by itself if it is not deleted."""
_BATCH = 10  # SQS hands out ten messages at most
_REPLAYED_BY = "slipway events replay"


@dataclass(frozen=True)
class Undelivered:
    """An event in the queue. `why` is what EventBridge or Lambda gave as its reason."""

    message_id: str
    function: str
    what: str
    """The object's key or the image's tag that the event tells of."""
    why: str
    sent_at: datetime
    event: Mapping[str, Any]
    receipt: str


@dataclass(frozen=True)
class Replayed:
    """What the function answered: the rollouts that it started, and its reason when it started none."""

    message_id: str
    function: str
    rollout_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class UndeliveredEvents:
    aws: Aws

    def waiting(self) -> list[Undelivered]:
        """What lies in the queue and nobody reads right now, oldest first."""
        found: dict[str, Undelivered] = {}
        for message in self._received():
            event = _undelivered(message)
            found.setdefault(event.message_id, event)
        return sorted(found.values(), key=lambda event: event.sent_at)

    def put_back(self, events: list[Undelivered]) -> None:
        """Let other readers see them again at once."""
        for event in events:
            with translated():
                self.aws.sqs.change_message_visibility(
                    QueueUrl=self._queue(), ReceiptHandle=event.receipt, VisibilityTimeout=0
                )

    def replay(self, event: Undelivered) -> Replayed:
        """Hand the event to its function, and take it from the queue once the function has answered.

        A function that saw it before starts nothing: a seal or a push makes one rollout however often its event comes.

        Raises:
            EventRefusedError: the function failed on it again; it stays in the queue.
        """
        answer = self._invoke(event.function, event.event)
        with translated():
            self.aws.sqs.delete_message(QueueUrl=self._queue(), ReceiptHandle=event.receipt)
        return _replayed(event.message_id, event.function, answer)

    def replay_drop(self, key: str) -> Replayed:
        """Hand in the event of a seal that lies in the bucket, for an event that nobody kept.

        Args:
            key: the seal's, models/<endpoint>/<version>/manifest.json or …/model.tar.gz.

        Raises:
            UsageError: the key seals nothing.
            DropNotSeenError: no such object.
            EventRefusedError: the function failed on it.
        """
        drop = sealed_drop(key)
        if isinstance(drop, NotADrop):
            raise UsageError(drop.reason)
        function = f"{self.aws.stack}-receive-artifact"
        return _replayed("", function, self._invoke(function, self._created(key)))

    def _created(self, key: str) -> dict[str, Any]:
        """S3's event about the object as it is now."""
        bucket = self.aws.output("ArtifactBucketName")
        with translated():
            try:
                held = self.aws.s3.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error_code(error) not in {"404", "NoSuchKey"}:
                    raise
                raise DropNotSeenError(f"s3://{bucket}/{key} is not there; `slipway push` uploads and seals") from error
            account = self.aws.sts.get_caller_identity()["Account"]
        written = held["LastModified"].astimezone(UTC)
        named = {"key": key, "size": held["ContentLength"], "etag": held["ETag"].strip('"')}
        sequencer = f"{int(written.timestamp() * 1000):018X}"  # later writes of a key have greater ones
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": account,
            "time": f"{written:%Y-%m-%dT%H:%M:%SZ}",
            "region": self.aws.region or "",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": named | {"version-id": held.get("VersionId", "null"), "sequencer": sequencer},
                "request-id": _REPLAYED_BY,
                "requester": account,
                "reason": "PutObject",
            },
        }

    def _queue(self) -> str:
        with translated():
            return self.aws.sqs.get_queue_url(QueueName=f"{self.aws.stack}-undelivered-events")["QueueUrl"]

    def _received(self) -> Iterator[Mapping[str, Any]]:
        queue = self._queue()
        while True:
            with translated():
                answer = self.aws.sqs.receive_message(
                    QueueUrl=queue,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=_HELD_S,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            messages = answer.get("Messages", [])
            if not messages:
                return
            yield from messages

    def _invoke(self, function: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        with translated():
            answer = self.aws.functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        said = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            reason = said.get("errorMessage", said) if isinstance(said, dict) else said
            raise EventRefusedError(
                f"{function} failed on the event ({reason}); it stays where it is, and "
                f"`slipway logs --function {function}` tells more"
            )
        return said if isinstance(said, dict) else {}


def _replayed(message_id: str, function: str, answer: Mapping[str, Any]) -> Replayed:
    started = answer.get("rolloutIds") or [answer.get("rolloutId")]
    return Replayed(message_id, function, tuple(one for one in started if one), str(answer.get("reason", "")))


def _undelivered(message: Mapping[str, Any]) -> Undelivered:
    """A message of EventBridge, whose body is the event, or of Lambda's destination on failure, which wraps it.

    Source: "Using dead-letter queues to process undelivered events" in the EventBridge User Guide; "Capturing records
    of Lambda asynchronous invocations" in the Lambda Developer Guide.
    """
    body = json.loads(message["Body"])
    attributes = {name: one.get("StringValue", "") for name, one in message.get("MessageAttributes", {}).items()}
    context = body.get("requestContext")
    event = body.get("requestPayload", {}) if context else body
    target = context["functionArn"] if context else attributes.get("TARGET_ARN", "")
    why = _why_failed(body) if context else attributes.get("ERROR_MESSAGE") or attributes.get("ERROR_CODE", "")
    sent_ms = int(message.get("Attributes", {}).get("SentTimestamp", 0))
    return Undelivered(
        message_id=message["MessageId"],
        function=_function_name(target),
        what=_told_of(event),
        why=why,
        sent_at=datetime.fromtimestamp(sent_ms / 1000, UTC),
        event=event,
        receipt=message["ReceiptHandle"],
    )


def _function_name(arn: str) -> str:
    """Of arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]."""
    return arn.rpartition(":function:")[2].partition(":")[0]


def _why_failed(body: Mapping[str, Any]) -> str:
    answer = body.get("responsePayload")
    said = answer.get("errorMessage") if isinstance(answer, dict) else None
    return str(said or body["requestContext"].get("condition", ""))


def _told_of(event: Mapping[str, Any]) -> str:
    detail = event.get("detail", {})
    key = detail.get("object", {}).get("key")
    return str(key or f"{detail.get('repository-name', '')}:{detail.get('image-tag', '')}".strip(":"))
