"""DynamoDB: what is all or nothing on AWS is so here, whoever asks at the same time."""

import copy
import threading
import time
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb import models
from moto.dynamodb.exceptions import ERROR_TYPE_PREFIX, DynamodbException
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from local.moto_patches.patching import Patches


def install(patches: Patches) -> None:
    _take_one_request_at_a_time(patches)
    _undo_what_a_transaction_wrote_alone(patches)
    _write_a_transaction_once(patches)


def _take_one_request_at_a_time(patches: Patches) -> None:
    """moto compares a condition and writes in two steps, and lets the write of another thread come between them."""
    lock = threading.RLock()

    def call_action(self: DynamoHandler) -> Any:
        with lock:
            return original(self)

    original = patches.replace(DynamoHandler, "call_action", call_action)


def _undo_what_a_transaction_wrote_alone(patches: Patches) -> None:
    """moto copies the whole table for every transaction, and puts the copy in its place when the transaction fails."""

    def transact(self: models.DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        before = [_seen(self, operation) for item in transact_items for operation in item.values()]
        try:
            original(self, transact_items)
        except Exception:
            for table, keys, item in filter(None, before):
                _put_back(table, keys, item)
            raise

    original = patches.replace(models.DynamoDBBackend, "transact_write_items", transact)
    patches.replace(models, "copy", SimpleNamespace(deepcopy=_copied))


_TOKEN_S = 600
"""How long the token of a transaction is known; API reference, "TransactWriteItems"."""


def _write_a_transaction_once(patches: Patches) -> None:
    """moto reads no ClientRequestToken, so a client that lost an answer and asks again meets its own writes."""

    def transact_write_items(self: DynamoHandler) -> Any:
        token = self.body.get("ClientRequestToken")
        if not token:
            return original(self)
        known = vars(self.dynamodb_backend).setdefault("transactions", {})
        for old in [old for old, (_, at) in known.items() if at < time.time() - _TOKEN_S]:
            del known[old]
        if token in known and known[token][0] != self.body["TransactItems"]:
            raise DynamodbException(
                f"{ERROR_TYPE_PREFIX}IdempotentParameterMismatchException",
                "Provided idempotency token was used with a different payload",
            )
        answer = ActionResult({}) if token in known else original(self)
        known.setdefault(token, (copy.deepcopy(self.body["TransactItems"]), time.time()))
        return answer

    original = patches.replace(DynamoHandler, "transact_write_items", transact_write_items)


def _copied(value: Any) -> Any:
    """A table with a stream is copied as before, because a record that is told there cannot be untold one by one."""
    return value if isinstance(value, Table) and value.stream_shard is None else copy.deepcopy(value)


def _seen(backend: models.DynamoDBBackend, operation: dict[str, Any]) -> tuple[Table, Any, Any] | None:
    """Where an operation writes and what is there; None where moto will refuse it before it writes."""
    table = backend.tables.get(operation.get("TableName", ""))
    named = operation.get("Key") or operation.get("Item") or {}
    if table is None or not {table.hash_key_attr, table.range_key_attr}.issubset({*named, None}):
        return None
    keys = backend.get_keys_value(table, named)
    return table, keys, copy.deepcopy(table.get_item(*keys))


def _put_back(table: Table, keys: Any, item: Any) -> None:
    hash_key, range_key = keys
    if item is None:
        table.delete_item(hash_key, range_key)
    elif range_key:
        table.items[hash_key][range_key] = item
    else:
        table.items[hash_key] = item
