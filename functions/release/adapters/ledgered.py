"""Writes that the endpoint's ledger tells of, all or nothing: the records, the new lines, and the ledger's head."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from release.adapters.items import Items, RaceLostError
from release.contracts.table import EndpointItem, GateItem, LedgerItem, RolloutItem
from release.domain.ledger import Happened, Head, sealed, sort_key
from release.errors import ServiceUnavailableError
from release.ports import RELEASE_MACHINE, Deed, Entry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_ATTEMPTS = 12
"""Everybody who changes anything at one endpoint writes its head; a crowd of drops needs a few rounds."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written together.

    Args:
        lines: of the ledger, as on the wire, not yet numbered and sealed.
        sets: attributes of the endpoint's record; None takes one away.
    """

    writes: "list[TransactWriteItemTypeDef]"
    lines: list[dict[str, Any]]
    sets: Mapping[str, Any] = field(default_factory=dict)


class LedgeredWrites:
    def __init__(self, items: Items) -> None:
        self._items = items

    def commit(
        self, doing: str, endpoint: str, at: str, build: Callable[[EndpointItem | None], Batch]
    ) -> frozenset[int]:
        """Write the batch; the positions of its writes whose condition does not hold, none if all was written.

        Args:
            build: makes the batch from the endpoint's record as it is now; asked again when another writer came first.

        Raises:
            ServiceUnavailableError: other writers came first each time.
        """
        for _ in range(_ATTEMPTS):
            served = self._items.get(EndpointItem, f"endpoint#{endpoint}", "endpoint")
            batch = build(served)
            try:
                failed = self._items.transact(doing, [*batch.writes, *self._told(endpoint, at, served, batch)])
            except RaceLostError:
                continue
            ours = frozenset(index for index in failed if index < len(batch.writes))
            if ours or not failed:
                return ours
        raise ServiceUnavailableError(f"{doing}: other writers came first {_ATTEMPTS} times; try again")

    def _told(
        self, endpoint: str, at: str, served: EndpointItem | None, batch: Batch
    ) -> "list[TransactWriteItemTypeDef]":
        before = head = _head_of(served)
        puts = []
        for line in batch.lines:
            whole = sealed(line, head)
            item = LedgerItem.parse({"pk": f"endpoint#{endpoint}", "sk": sort_key(head.seq + 1), **whole})
            puts.append(self._items.put(item, "attribute_not_exists(pk)", {}))
            head = Head(item.seq, item.hash)
        return [*puts, self._head(endpoint, at, before, head, batch.sets)]

    def _head(
        self, endpoint: str, at: str, before: Head, after: Head, changes: Mapping[str, Any]
    ) -> "TransactWriteItemTypeDef":
        sets = {name: value for name, value in changes.items() if value is not None}
        sets |= {"endpoint": endpoint, "updatedAt": at, "ledgerSeq": after.seq, "ledgerHash": after.hash}
        gone = sorted(changes.keys() - sets.keys())
        expression = "SET " + ", ".join(f"{name} = :{name}" for name in sets)
        if gone:
            expression += " REMOVE " + ", ".join(gone)
        condition, values = "attribute_not_exists(ledgerSeq)", dict(sets)
        if before.seq:
            condition, values = (
                "ledgerSeq = :before AND ledgerHash = :prev",
                {
                    **sets,
                    "before": before.seq,
                    "prev": before.hash,
                },
            )
        return self._items.update(f"endpoint#{endpoint}", "endpoint", expression, values, condition)


def _head_of(served: EndpointItem | None) -> Head:
    if served is None or served.ledger_seq is None or served.ledger_hash is None:
        return Head()
    return Head(served.ledger_seq, served.ledger_hash)


def phase_line(rollout: RolloutItem, entry: Entry) -> dict[str, Any]:
    line = {
        "endpoint": rollout.endpoint,
        "at": entry.at,
        "actor": entry.actor,
        "event": str(Happened.PHASE_ENTERED),
        "rolloutId": rollout.rollout_id,
        "releaseId": rollout.release_id,
        "phase": str(entry.phase),
        "reason": entry.reason,
    }
    return {**line, "evidence": dict(entry.evidence)} if entry.evidence else line


def gate_line(rollout: RolloutItem, gate: GateItem) -> dict[str, Any]:
    return {
        "endpoint": rollout.endpoint,
        "at": gate.at,
        "actor": RELEASE_MACHINE,
        "event": str(Happened.GATE_JUDGED),
        "rolloutId": rollout.rollout_id,
        "releaseId": rollout.release_id,
        "phase": str(rollout.phase),
        "reason": gate.reason,
        "evidence": {**gate.evidence, "gate": gate.gate, "verdict": gate.verdict},
    }


def deed_line(endpoint: str, deed: Deed, rollout: RolloutItem | None = None) -> dict[str, Any]:
    line = {"endpoint": endpoint, "at": deed.at, "actor": deed.by, "event": str(deed.happened), "reason": deed.reason}
    if rollout:
        line |= {"rolloutId": rollout.rollout_id, "releaseId": rollout.release_id}
    evidence = {name: value for name, value in (("gate", deed.gate), ("until", deed.until)) if value}
    evidence |= deed.evidence or {}
    return {**line, "evidence": evidence} if evidence else line
