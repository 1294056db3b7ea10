"""What the operations of the control plane share."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.control.listing import page
from local.sagemaker.control.quotas import Quotas
from local.sagemaker.control.rights import Rights
from local.sagemaker.registry import Record, Registry, Shelf, T
from local.world import World

Json = dict[str, Any]
Deed = Callable[[Rights, Json], Json]
"""One operation: what its caller may do, and the request, which fits the service's model."""


@dataclass(frozen=True)
class Plane:
    world: World
    registry: Registry
    behaviour: Behaviour
    quotas: Quotas

    def shelve(self, shelf: Shelf[Record], name: str, request: Json) -> str:
        """Keep a model or an endpoint config with its tags; returns its ARN."""
        record = Record(name, shelf.arn(name), self.world.clock.now(), request)
        shelf.add(record)
        self.registry.tag(record.arn, request.get("Tags") or [])
        return record.arn

    def unshelve(self, shelf: Shelf[Record], name: str) -> None:
        self.registry.forget_tags(shelf.remove(name).arn)

    def page(self, member: str, kind: str, summaries: Iterable[Json], request: Json, size: int) -> Json:
        """The answer of a List operation: its `member` with one page, and NextToken where another follows."""
        ignore_case = self.behaviour.name_filter_ignores_case
        items, token = page(summaries, request, kind, size=size, ignore_case=ignore_case)
        return {member: items} | ({"NextToken": token} if token else {})


def looked_up(shelf: Shelf[T], rights: Rights, operation: str, name: str) -> T:
    """An item that the caller may do this operation on."""
    rights.need(operation, shelf.arn(name))
    return shelf.get(name)


def as_requested(record: Record) -> Json:
    """A model or a config as Describe tells it: what was requested, without the tags."""
    described = {member: value for member, value in record.request.items() if member != "Tags"}
    return described | {"CreationTime": record.created.timestamp()}


def summary(kind: str, record: Record) -> Json:
    return {f"{kind}Name": record.name, f"{kind}Arn": record.arn, "CreationTime": record.created.timestamp()}


def given(request: Mapping[str, Any], *names: str) -> list[str]:
    """Those of the members that the request gives a value."""
    return [name for name in names if request.get(name) is not None]
