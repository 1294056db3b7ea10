"""Items of one DynamoDB table: contracts in, contracts out, and a lost race told apart from a failure."""

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.contracts.base import Contract
from release.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef, UpdateTypeDef

Found = TypeVar("Found", bound=Contract)


class RaceLostError(Exception):
    """Another transaction writes one of the same items just now; nothing was written."""


_RESERVED = ("token", "plan", "abort")
"""Of our attributes' names, by DynamoDB's list of reserved words."""

_to_dynamo = TypeSerializer().serialize
_from_dynamo = TypeDeserializer().deserialize


def dynamo_values(values: dict[str, Any]) -> dict[str, Any]:
    """Named values of an expression, colons included."""
    return {f":{name}": _to_dynamo(value) for name, value in values.items()}


def dynamo_key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _plain(value: Any) -> Any:
    """DynamoDB reads every number as a Decimal; ours are whole."""
    match value:
        case dict(entries):
            return {name: _plain(entry) for name, entry in entries.items()}
        case list(entries):
            return [_plain(entry) for entry in entries]
        case str() | bool() | None:
            return value
    return int(value)


def _read(item: Any) -> dict[str, Any]:
    return {name: _plain(_from_dynamo(entry)) for name, entry in item.items()}


class Items:
    """One table with the keys `pk` and `sk`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self.table = table

    def get(self, kind: type[Found], pk: str, sk: str) -> Found | None:
        with translated(f"reading {pk} {sk}"):
            reply = self._client.get_item(TableName=self.table, Key=dynamo_key(pk, sk), ConsistentRead=True)
        return kind.parse(_read(reply["Item"])) if "Item" in reply else None

    def query(self, kind: type[Found], pk: str, sk_prefix: str) -> list[Found]:
        return self._all(
            kind,
            "query",
            f"listing {pk} {sk_prefix}",
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=dynamo_values({"pk": pk, "sk": sk_prefix}),
        )

    def scan(self, kind: type[Found], sk: str) -> list[Found]:
        return self._all(
            kind,
            "scan",
            f"listing every {sk}",
            FilterExpression="sk = :sk",
            ExpressionAttributeValues=dynamo_values({"sk": sk}),
        )

    def _all(self, kind: type[Found], operation: Literal["query", "scan"], doing: str, **request: Any) -> list[Found]:
        paginator: Any = self._client.get_paginator(operation)
        with translated(doing):
            pages = paginator.paginate(TableName=self.table, ConsistentRead=True, **request)
            return [kind.parse(_read(item)) for page in pages for item in page["Items"]]

    def put_if(self, item: Contract, condition: str, values: dict[str, Any]) -> bool:
        """False: the condition does not hold and nothing was written."""
        request = self.put(item, condition, values)["Put"]
        try:
            with translated("writing a record"):
                self._client.put_item(**request)
        except ClientError as error:
            return _lost_race(error)
        return True

    def delete_if(self, pk: str, sk: str, condition: str, values: dict[str, Any]) -> bool:
        """False: the condition does not hold and nothing was deleted."""
        try:
            with translated(f"deleting {pk} {sk}"):
                self._client.delete_item(
                    TableName=self.table,
                    Key=dynamo_key(pk, sk),
                    ConditionExpression=condition,
                    ExpressionAttributeValues=dynamo_values(values),
                )
        except ClientError as error:
            return _lost_race(error)
        return True

    def update_if(
        self, pk: str, sk: str, expression: str, values: dict[str, Any], condition: str = "attribute_exists(pk)"
    ) -> dict[str, Any] | None:
        """The item's new attributes; None: the condition does not hold and nothing was written."""
        request = self.update(pk, sk, expression, values, condition)["Update"]
        try:
            with translated(f"writing {pk} {sk}"):
                reply = self._client.update_item(**request, ReturnValues="ALL_NEW")
        except ClientError as error:
            _lost_race(error)
            return None
        return _read(reply["Attributes"])

    def put(self, item: Contract, condition: str, values: dict[str, Any]) -> "TransactWriteItemTypeDef":
        wire = {name: _to_dynamo(value) for name, value in item.wire().items()}
        put: PutTypeDef = {"TableName": self.table, "Item": wire, "ConditionExpression": condition}
        if values:
            put["ExpressionAttributeValues"] = dynamo_values(values)
        return {"Put": put}

    def update(
        self, pk: str, sk: str, expression: str, values: dict[str, Any], condition: str
    ) -> "TransactWriteItemTypeDef":
        """`#token`, `#plan` and `#abort` may stand for the attributes whose names DynamoDB reserves."""
        change: UpdateTypeDef = {
            "TableName": self.table,
            "Key": dynamo_key(pk, sk),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": dynamo_values(values),
        }
        if names := {f"#{name}": name for name in _RESERVED if f"#{name}" in expression + condition}:
            change["ExpressionAttributeNames"] = names
        return {"Update": change}

    def transact(self, doing: str, writes: "Sequence[TransactWriteItemTypeDef]") -> frozenset[int]:
        """Write all or nothing; the positions of the writes whose condition does not hold, none if it was written.

        Raises:
            RaceLostError: another transaction is in the way; ask for what is there now and try again.
        """
        try:
            with translated(doing):
                self._client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
            if "TransactionConflict" in reasons:
                raise RaceLostError(doing) from error
            if set(reasons) - {"None", "ConditionalCheckFailed"}:
                raise ServiceUnavailableError(f"{doing}: {', '.join(reasons)}; try again") from error
            return frozenset(index for index, code in enumerate(reasons) if code == "ConditionalCheckFailed")
        return frozenset()


def _lost_race(error: ClientError) -> bool:
    if code_of(error) != "ConditionalCheckFailedException":
        raise error
    return False
