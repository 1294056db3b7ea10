"""SQS as an event source of Lambda: polls queues under the function's role, in batches, and deletes what was done.

Source: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source in Lambda", AWS Lambda Developer
Guide.
"""

import base64
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.event_targets import SendError
from local.lambda_api import Answer
from local.lambda_runtime import TooManyInvocationsError
from local.world import REGION, World

logger = logging.getLogger(__name__)

_LOOK_S = 0.05  # real seconds between two looks at the queues
_RECEIVE_LIMIT = 10  # messages of one ReceiveMessage
_BATCHES_AT_ONCE = 5  # "Lambda begins by reading five batches at a time"
_PAUSE_AFTER_REFUSAL_S = 1.0  # real seconds


@dataclass(frozen=True)
class QueueMapping:
    """One event source mapping of a queue."""

    uuid: str
    queue_arn: str
    function_arn: str
    role_arn: str
    batch_size: int
    window_s: float
    """AWS seconds to gather a batch."""
    reports_failures: bool
    """The function answers which messages of a batch failed."""
    concurrency: int


class QueuePolling:
    """Args:
    mappings: those that are enabled and whose queue has a message to receive now.
    invoke: runs a function on a payload; raises TooManyInvocationsError while it is throttled.
    session: credentials of a role for a service; raises SendError.
    """

    def __init__(
        self,
        world: World,
        mappings: Callable[[], Iterable[QueueMapping]],
        invoke: Callable[[str, bytes], Answer],
        session: Callable[[str, str], dict[str, str]],
    ) -> None:
        self._world = world
        self._mappings = mappings
        self._invoke = invoke
        self._session = session
        self._pool = ThreadPoolExecutor(32, "queues")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()

    def start(self) -> None:
        threading.Thread(target=self._run, name="queue-polling", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            try:
                self._look()
            except Exception:  # one strange mapping must not silence all others for good
                logger.exception("the queues could not be looked at")

    def _look(self) -> None:
        for mapping in self._mappings():
            with self._lock:
                free = self._busy[mapping.uuid] < mapping.concurrency
                self._busy[mapping.uuid] += free
            if free and not self._stopped.is_set():
                self._pool.submit(self._poll, mapping)

    def _poll(self, mapping: QueueMapping) -> None:
        try:
            client = self._world.client("sqs", self._session(mapping.role_arn, "lambda.amazonaws.com"))
            account, name = mapping.queue_arn.split(":")[4:6]
            self._work(mapping, client, f"{self._world.url}/{account}/{name}")
        except (ClientError, BotoCoreError, SendError) as error:
            if not self._stopped.is_set():
                logger.error("polling %s for %s was refused: %s", mapping.queue_arn, mapping.function_arn, error)  # noqa: TRY400
                self._stopped.wait(_PAUSE_AFTER_REFUSAL_S)
        except Exception:  # the pool would swallow it
            logger.exception("polling %s broke", mapping.queue_arn)
        finally:
            with self._lock:
                self._busy[mapping.uuid] -= 1

    def _work(self, mapping: QueueMapping, client: Any, url: str) -> None:
        messages = self._batch(mapping, client, url)
        if not messages:
            return
        event = {"Records": [record(message, mapping.queue_arn) for message in messages]}
        try:
            answer = self._invoke(mapping.function_arn, json.dumps(event).encode())
        except TooManyInvocationsError as error:
            # The messages come back when their visibility time-out is over.
            logger.warning("%s left %d messages: %s", mapping.function_arn, len(messages), error)
            return
        failed = failed_messages(
            answer, [message["MessageId"] for message in messages], partial=mapping.reports_failures
        )
        done = [message for message in messages if message["MessageId"] not in failed]
        for message in done:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _batch(self, mapping: QueueMapping, client: Any, url: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        end_s = self._world.clock.time() + mapping.window_s
        while len(messages) < mapping.batch_size and not self._stopped.is_set():
            wanted = min(_RECEIVE_LIMIT, mapping.batch_size - len(messages))
            answer = client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=wanted,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            received = answer.get("Messages", [])
            messages += received
            if not received:
                if not messages or self._world.clock.time() >= end_s:
                    break
                self._stopped.wait(_LOOK_S)
        return messages


def failed_messages(answer: Answer, message_ids: list[str], *, partial: bool) -> set[str]:
    """Which messages of a batch stay in the queue.

    Args:
        partial: the mapping has ReportBatchItemFailures; then an empty list or no list at all means that all is done,
            and an answer that names anything but messages of the batch means that nothing is.
    """
    everything = set(message_ids)
    if answer.failed:
        return everything
    if not partial:
        return set()
    try:
        said = json.loads(answer.payload or b"null")
    except ValueError:
        return everything
    listed = said.get("batchItemFailures") if isinstance(said, dict) else said
    if not listed:
        return set() if listed is None or listed == [] else everything
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        return everything
    named = {item.get("itemIdentifier") for item in listed}
    return everything if named - everything else named


def record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    """One message as a function receives it. Source: "Example standard queue message event" in the guide."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(attribute) for name, attribute in message.get("MessageAttributes", {}).items()
        },
        **({"md5OfMessageAttributes": md5} if (md5 := message.get("MD5OfMessageAttributes")) else {}),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _attribute(attribute: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": attribute["DataType"]}
    if "BinaryValue" in attribute:
        return {"binaryValue": base64.b64encode(attribute["BinaryValue"]).decode(), **value}
    return {"stringValue": attribute["StringValue"], **value}
