"""The account's models, endpoint configs, endpoints and tags: state without effects, guarded by one lock."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import already_exists, not_found, validation
from local.world import ACCOUNT, REGION

MAX_TAGS = 50
"""Tags of one resource. Source: "Tag restrictions" of AWS's general reference."""
_RESERVED = "aws:"


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
        ignore_case: whether two names that differ in case alone cannot both be there.
    """

    def __init__(self, kind: str, arn_kind: str, *, ignore_case: bool = False) -> None:
        self.kind = kind
        self._arn_kind = arn_kind
        self._ignore_case = ignore_case
        self._items: dict[str, T] = {}
        self._lock = threading.Lock()

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{self._arn_kind}/{name}"

    def add(self, item: T) -> None:
        with self._lock:
            self._refuse_known(item.name)
            self._items[item.name] = item

    def refuse_known(self, name: str) -> None:
        """Raise unless a new item may have this name."""
        with self._lock:
            self._refuse_known(name)

    def _refuse_known(self, name: str) -> None:
        same = [known for known in self._items if known.lower() == name.lower()] if self._ignore_case else [name]
        if any(known in self._items for known in same):
            raise already_exists(self.kind, self.arn(name))

    def get(self, name: str) -> T:
        with self._lock:
            if (item := self._items.get(name)) is None:
                raise not_found(self.kind, self.arn(name))
            return item

    def find(self, name: str) -> T | None:
        with self._lock:
            return self._items.get(name)

    def remove(self, name: str) -> T:
        with self._lock:
            if (item := self._items.pop(name, None)) is None:
                raise not_found(self.kind, self.arn(name))
            return item

    def all(self) -> list[T]:
        with self._lock:
            return list(self._items.values())


class Registry:
    def __init__(self) -> None:
        self.models: Shelf[Record] = Shelf("model", "model")
        self.configs: Shelf[Record] = Shelf("endpoint configuration", "endpoint-config")
        self.endpoints: Shelf[Endpoint] = Shelf("endpoint", "endpoint", ignore_case=True)
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def tag(self, arn: str, tags: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Add or overwrite tags.

        Returns:
            All tags that the resource then has.

        Raises:
            AwsError: ValidationException: a key twice, a reserved key, or more tags than a resource may have.
        """
        check_tags(tags)
        with self._lock:
            kept = self._tags.get(arn, {}) | {tag["Key"]: tag["Value"] for tag in tags}
            if len(kept) > MAX_TAGS:
                raise validation(f"{arn} would have {len(kept)} tags; the limit is {MAX_TAGS}.")
            self._tags[arn] = kept
            return [{"Key": key, "Value": value} for key, value in kept.items()]

    def tags(self, arn: str) -> list[dict[str, str]]:
        with self._lock:
            return [{"Key": key, "Value": value} for key, value in self._tags.get(arn, {}).items()]

    def untag(self, arn: str, keys: list[str]) -> None:
        with self._lock:
            self._tags[arn] = {key: value for key, value in self._tags.get(arn, {}).items() if key not in keys}

    def forget_tags(self, arn: str) -> None:
        with self._lock:
            self._tags.pop(arn, None)

    def knows(self, arn: str) -> bool:
        shelves: tuple[Shelf[Any], ...] = (self.models, self.configs, self.endpoints)
        return any(item.arn == arn for shelf in shelves for item in shelf.all())


def check_tags(tags: Sequence[Mapping[str, str]]) -> None:
    """Hold tags to what AWS says of them: keys are unique, and the prefix `aws:` is AWS's own.

    Raises:
        AwsError: ValidationException.

    Source: Tag and AddTags of SageMaker's API reference; "Tag restrictions" of AWS's general reference.
    """
    keys = [tag["Key"] for tag in tags]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise validation(f"Tag keys must be unique per resource; given more than once: {twice}.")
    if reserved := sorted(key for key in keys if key.lower().startswith(_RESERVED)):
        raise validation(f"Tag keys must not begin with 'aws:', which AWS keeps for itself; given: {reserved}.")
