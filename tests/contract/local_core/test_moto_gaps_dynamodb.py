"""Every patch of DynamoDB fills a gap that this moto still has; when one of these turns red, its patch can go."""

import inspect
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb import models
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.responses import DynamoHandler

from local.moto_patches import dynamodb as patches_of_dynamodb
from local.moto_patches.patching import Patches
from tests.builders.gaps import justifies

TABLE = "t"


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def tables() -> models.DynamoDBBackend:
    backend: models.DynamoDBBackend = models.dynamodb_backends["123456789012"]["us-east-1"]
    key: Any = {"schema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    backend.create_table(
        TABLE,
        **key,
        attr=[{"AttributeName": "pk", "AttributeType": "S"}],
        throughput=None,
        global_indexes=[],
        indexes=[],
        streams={},
        billing_mode="PAY_PER_REQUEST",
        sse_specification={},
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    return backend


def failing(tables: models.DynamoDBBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction of two writes, the second of which fails, while somebody else writes the item `other`."""

    def meanwhile(self: Any, name: str, key: Any, *rest: Any) -> Any:
        if key == {"pk": {"S": "second"}}:
            self.put_item(TABLE, {"pk": {"S": "other"}})
        return get_item(self, name, key, *rest)

    get_item = models.DynamoDBBackend.get_item
    monkeypatch.setattr(models.DynamoDBBackend, "get_item", meanwhile)
    tables.put_item(TABLE, {"pk": {"S": "first"}, "n": {"N": "1"}})
    writes = [
        {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "first"}, "n": {"N": "2"}}}},
        {
            "Put": {
                "TableName": TABLE,
                "Item": {"pk": {"S": "second"}},
                "ConditionExpression": "attribute_exists(pk)",
            }
        },
    ]
    with pytest.raises(TransactionCanceledException):
        tables.transact_write_items(writes)


def held(tables: models.DynamoDBBackend) -> dict[str, Any]:
    return {key.value: item.to_json()["Attributes"].get("n") for key, item in tables.tables[TABLE].items.items()}  # type: ignore[attr-defined]  # moto's type is of tables with a range key


@justifies(patches_of_dynamodb._undo_what_a_transaction_wrote_alone)
def test_a_failing_transaction_takes_away_what_others_wrote(
    tables: models.DynamoDBBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(tables, monkeypatch)

    assert held(tables) == {"first": {"N": "1"}}


def test_the_patch_undoes_the_transaction_and_nothing_else(
    tables: models.DynamoDBBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html: all or nothing."""
    patches = Patches()
    patches_of_dynamodb.install(patches)
    try:
        failing(tables, monkeypatch)
    finally:
        patches.undo()

    assert held(tables) == {"first": {"N": "1"}, "other": None}


@justifies(patches_of_dynamodb._take_one_request_at_a_time)
def test_moto_takes_requests_to_tables_as_they_come() -> None:
    assert not any("Lock" in inspect.getsource(source) for source in (models, DynamoHandler))


def first_time(number: str) -> list[dict[str, Any]]:
    item = {"pk": {"S": "once"}, "n": {"N": number}}
    return [{"Put": {"TableName": TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}]


@pytest.mark.usefixtures("tables")
@justifies(patches_of_dynamodb._write_a_transaction_once)
def test_moto_lets_a_transaction_that_is_asked_for_again_meet_its_own_writes() -> None:
    client: Any = boto3.client("dynamodb", region_name="us-east-1")
    client.transact_write_items(TransactItems=first_time("1"), ClientRequestToken="a")

    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=first_time("1"), ClientRequestToken="a")


def test_a_transaction_is_written_once_for_each_token(tables: models.DynamoDBBackend) -> None:
    """API reference, "TransactWriteItems", ClientRequestToken; another request under a known token is refused."""
    client: Any = boto3.client("dynamodb", region_name="us-east-1")
    patches = Patches()
    patches_of_dynamodb.install(patches)
    try:
        for _ in range(2):
            client.transact_write_items(TransactItems=first_time("1"), ClientRequestToken="a")
        with pytest.raises(ClientError) as mismatch:
            client.transact_write_items(TransactItems=first_time("2"), ClientRequestToken="a")
        with pytest.raises(client.exceptions.TransactionCanceledException):
            client.transact_write_items(TransactItems=first_time("1"), ClientRequestToken="b")
    finally:
        patches.undo()

    assert mismatch.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
    assert held(tables) == {"once": {"N": "1"}}
