"""The release table, read as it is written: consistent, item by item."""

from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from slipway.aws import Aws
from slipway.aws_errors import error_code, in_our_words, translated


class ReleaseTable:
    """Its name is the stack's and `-releases`, as template.yaml says, so that no command has to ask for it.

    Raises (every method):
        StackNotFoundError: there is no such table, so the stack is not deployed in this account and region.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self.name = f"{aws.stack}-releases"

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        with translated():
            try:
                answer = self._aws.dynamodb.get_item(
                    TableName=self.name, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
                )
            except ClientError as error:
                raise self._refused(error) from error
        return _plain(answer["Item"]) if "Item" in answer else None

    def items(self, pk: str, sk_prefix: str) -> Iterator[dict[str, Any]]:
        """In the order of their sort keys."""
        with translated():
            pages = self._aws.dynamodb.get_paginator("query").paginate(
                TableName=self.name,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
                ExpressionAttributeValues={":pk": {"S": pk}, ":prefix": {"S": sk_prefix}},
                ConsistentRead=True,
            )
            try:
                for page in pages:
                    yield from (_plain(item) for item in page["Items"])
            except ClientError as error:
                raise self._refused(error) from error

    def put(self, item: Mapping[str, str]) -> None:
        """Write an item of words alone, whatever was there before."""
        with translated():
            try:
                self._aws.dynamodb.put_item(
                    TableName=self.name, Item={name: {"S": value} for name, value in item.items()}
                )
            except ClientError as error:
                raise self._refused(error) from error

    def endpoints(self) -> list[str]:
        """Names of the endpoints that have a record, by a scan: for a person's question, not for a loop."""
        with translated():
            pages = self._aws.dynamodb.get_paginator("scan").paginate(
                TableName=self.name,
                FilterExpression="sk = :endpoint",
                ExpressionAttributeValues={":endpoint": {"S": "endpoint"}},
                ConsistentRead=True,
            )
            try:
                return sorted(_plain(item)["endpoint"] for page in pages for item in page["Items"])
            except ClientError as error:
                raise self._refused(error) from error

    def _refused(self, error: ClientError) -> Exception:
        return self._aws.not_deployed() if error_code(error) == "ResourceNotFoundException" else in_our_words(error)


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    read = TypeDeserializer()
    return {name: read.deserialize(value) for name, value in item.items()}
