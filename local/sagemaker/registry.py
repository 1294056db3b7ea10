"""The account's models, endpoint configs, endpoints and tags: state without effects, guarded by one lock."""

import base64
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import already_exists, not_found, validation
from local.world import ACCOUNT, REGION

DEFAULT_PAGE = 10


@dataclass(frozen=True)
class Record:
    """A model or an endpoint config: immutable, exactly as it was requested."""

    name: str
    arn: str
    created: datetime
    request: Mapping[str, Any]


T = TypeVar("T", Record, Endpoint)


class Shelf(Generic[T]):
    """Everything of one kind, by name.

    Args:
        kind: as error messages call it.
        arn_kind: as ARNs call it.
    """

    def __init__(self, kind: str, arn_kind: str) -> None:
        self._kind = kind
        self._arn_kind = arn_kind
        self._items: dict[str, T] = {}
        self._lock = threading.Lock()

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{self._arn_kind}/{name}"

    def add(self, item: T) -> None:
        with self._lock:
            if item.name in self._items:
                raise already_exists(self._kind, item.arn)
            self._items[item.name] = item

    def get(self, name: str) -> T:
        with self._lock:
            if (item := self._items.get(name)) is None:
                raise not_found(self._kind, self.arn(name))
            return item

    def find(self, name: str) -> T | None:
        with self._lock:
            return self._items.get(name)

    def remove(self, name: str) -> T:
        with self._lock:
            if (item := self._items.pop(name, None)) is None:
                raise not_found(self._kind, self.arn(name))
            return item

    def all(self) -> list[T]:
        with self._lock:
            return list(self._items.values())

    def page(self, request: Mapping[str, Any], summary: Callable[[T], dict[str, Any]]) -> tuple[list[Any], str | None]:
        """One page of summaries and the token of the next: newest first unless the request says otherwise."""
        found = [(item, summary(item)) for item in self.all()]
        found = [pair for pair in found if _wanted(pair[0].name, pair[1], request)]
        keys: dict[str, Callable[[tuple[T, dict[str, Any]]], Any]] = {
            "Name": lambda pair: pair[0].name,
            "CreationTime": lambda pair: pair[1]["CreationTime"],
            "Status": lambda pair: pair[1]["EndpointStatus"],
        }
        descending = request.get("SortOrder", "Descending") == "Descending"
        found.sort(key=keys[request.get("SortBy", "CreationTime")], reverse=descending)
        start = _read_token(request.get("NextToken"))
        end = start + request.get("MaxResults", DEFAULT_PAGE)
        return [pair[1] for pair in found[start:end]], _write_token(end) if end < len(found) else None


def _wanted(name: str, summary: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    checks: dict[str, Callable[[Any], bool]] = {
        "NameContains": lambda text: text.lower() in name.lower(),
        "CreationTimeAfter": lambda time: summary["CreationTime"] > time,
        "CreationTimeBefore": lambda time: summary["CreationTime"] < time,
        "LastModifiedTimeAfter": lambda time: summary["LastModifiedTime"] > time,
        "LastModifiedTimeBefore": lambda time: summary["LastModifiedTime"] < time,
        "StatusEquals": lambda status: summary["EndpointStatus"] == status,
    }
    return all(check(request[member]) for member, check in checks.items() if member in request)


def _write_token(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _read_token(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise validation(f"NextToken {token!r} was not given out by this service.") from error


class Registry:
    def __init__(self) -> None:
        self.models: Shelf[Record] = Shelf("model", "model")
        self.configs: Shelf[Record] = Shelf("endpoint configuration", "endpoint-config")
        self.endpoints: Shelf[Endpoint] = Shelf("endpoint", "endpoint")
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def tag(self, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """Add or overwrite tags.

        Returns:
            All tags that the resource then has.
        """
        with self._lock:
            kept = self._tags.setdefault(arn, {}) | {tag["Key"]: tag["Value"] for tag in tags}
            if len(kept) > MAX_TAGS:
                raise validation(f"{arn} would have {len(kept)} tags; the limit is {MAX_TAGS}.")
            self._tags[arn] = kept
            return [{"Key": key, "Value": value} for key, value in kept.items()]

    def tags(self, arn: str) -> list[dict[str, str]]:
        return self.tag(arn, [])

    def untag(self, arn: str, keys: list[str]) -> None:
        with self._lock:
            self._tags[arn] = {key: value for key, value in self._tags.get(arn, {}).items() if key not in keys}

    def forget_tags(self, arn: str) -> None:
        with self._lock:
            self._tags.pop(arn, None)

    def knows(self, arn: str) -> bool:
        shelves: tuple[Shelf[Any], ...] = (self.models, self.configs, self.endpoints)
        return any(item.arn == arn for shelf in shelves for item in shelf.all())


MAX_TAGS = 50
