"""Which messages of a batch stay in the queue. Source: "Handling errors for an SQS event source in Lambda", AWS Lambda
Developer Guide: success and failure conditions of a partial batch response."""

import json
from typing import Any

import pytest

from local.lambda_api import Answer
from local.queue_polling import failed_messages, record

BATCH = ["m-1", "m-2", "m-3"]


@pytest.mark.parametrize(
    ("answer", "stay"),
    [
        pytest.param({"batchItemFailures": []}, [], id="an empty list"),
        pytest.param({"batchItemFailures": None}, [], id="a null list"),
        pytest.param({}, [], id="an empty answer"),
        pytest.param(None, [], id="a null answer"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": "m-2"}]}, ["m-2"], id="one of the batch"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": ""}]}, BATCH, id="an empty identifier"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": None}]}, BATCH, id="a null identifier"),
        pytest.param({"batchItemFailures": [{"id": "m-2"}]}, BATCH, id="a wrong key"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": "m-9"}]}, BATCH, id="a message of another batch"),
        pytest.param({"batchItemFailures": ["m-2"]}, BATCH, id="a list of something else"),
        pytest.param("text", BATCH, id="an answer that is something else"),
    ],
)
def test_a_partial_answer_keeps_what_it_names_and_a_wrong_one_keeps_all(answer: Any, stay: list[str]) -> None:
    said = Answer(json.dumps(answer).encode())

    assert failed_messages(said, BATCH, partial=True) == set(stay)


def test_without_partial_answers_a_batch_is_done_or_not() -> None:
    named = Answer(json.dumps({"batchItemFailures": [{"itemIdentifier": "m-2"}]}).encode())

    assert failed_messages(named, BATCH, partial=False) == set()
    assert failed_messages(Answer(b"{}", failed=True), BATCH, partial=True) == set(BATCH)


def test_a_record_is_spelled_as_lambda_spells_it() -> None:
    # "Example standard queue message event", AWS Lambda Developer Guide.
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1545082649185",
    }
    message = {
        "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "ReceiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "Body": "Test message.",
        "Attributes": attributes,
        "MessageAttributes": {
            "myAttribute": {"StringValue": "myValue", "DataType": "String"},
            "blob": {"BinaryValue": b"\x00", "DataType": "Binary"},
        },
        "MD5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
    }
    queue = "arn:aws:sqs:us-east-1:123456789012:my-queue"

    assert record(message, queue) == {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": "Test message.",
        "attributes": attributes,
        "messageAttributes": {
            "myAttribute": {
                "stringValue": "myValue",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "blob": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": "us-east-1",
    }
