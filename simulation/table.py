"""The release table of the tests, which lets a judge see every record that is written."""

from collections.abc import Callable
from typing import Any

from release.contracts.table import LeaseItem, RolloutItem
from release.ports import Deed
from tests.fakes.table import FakeTable

Written = Callable[[Any, Any], None]
"""Sees a record before it is written: what was there (None: nothing) and what will be."""


class SimulatedTable(FakeTable):
    def __init__(self, written: Written, lease_taken_away: Callable[[str], None]) -> None:
        super().__init__()
        self._written, self._lease_taken_away = written, lease_taken_away
        self._by_endpoint: dict[str, dict[str, RolloutItem]] = {}

    def _put(self, item: Any) -> None:
        self._written(self.items.get((item.pk, item.sk)), item)
        super()._put(item)
        if isinstance(item, RolloutItem):
            self._by_endpoint.setdefault(item.endpoint, {})[item.rollout_id] = item

    def rollouts(self, endpoint: str) -> list[RolloutItem]:
        return [rollout for _, rollout in sorted(self._by_endpoint.get(endpoint, {}).items())]

    def free_lease(self, lease: LeaseItem, deed: Deed | None = None) -> bool:
        freed = super().free_lease(lease, deed)
        if freed and deed:
            self._lease_taken_away(lease.pk.partition("#")[2])
        return freed
