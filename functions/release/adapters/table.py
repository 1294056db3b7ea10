"""The release table on DynamoDB. Every read is consistent; every write names the state that it expects."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from release.adapters.items import Items, RaceLostError
from release.adapters.ledgered import Batch, LedgeredWrites, deed_line, gate_line, phase_line
from release.contracts.table import (
    EndpointItem,
    Freeze,
    GateItem,
    ImageItem,
    LeaseItem,
    LedgerItem,
    Mark,
    ProbesItem,
    ReleaseItem,
    RolloutItem,
    SealItem,
    WaitingItem,
)
from release.domain.identity import seal_digest
from release.domain.ledger import Happened
from release.domain.phases import BEFORE_TRAFFIC, Phase, has_ended
from release.errors import LeaseHeldError, LeaseLostError, ServiceUnavailableError
from release.ports import Awaiting, Deed, Entry, Fence

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_IS_NEW = "attribute_not_exists(pk)"
_IS_MINE = "holder = :me AND #token = :token"
_CHANGED = "a rollout's record changed while it was written; look again"
_INTAKE = "intake"

Tell = Callable[[RolloutItem, Phase, str], None]
"""Tells whoever listens that a rollout is in a phase, and why."""


class DynamoReleaseTable:
    def __init__(self, client: "DynamoDBClient", *, table: str, tell: Tell) -> None:
        self._items = Items(client, table)
        self._ledgered = LedgeredWrites(self._items)
        self._tell = tell

    def endpoint(self, endpoint: str) -> EndpointItem | None:
        return self._items.get(EndpointItem, f"endpoint#{endpoint}", "endpoint")

    def endpoints(self) -> list[EndpointItem]:
        """Reads the whole table: it is small, and only an image push asks."""
        return self._items.scan(EndpointItem, "endpoint")

    def release(self, endpoint: str, release_id: str) -> ReleaseItem | None:
        return self._items.get(ReleaseItem, f"endpoint#{endpoint}", f"release#{release_id}")

    def releases(self, endpoint: str) -> list[ReleaseItem]:
        return self._items.query(ReleaseItem, f"endpoint#{endpoint}", "release#")

    def rollout(self, endpoint: str, rollout_id: str) -> RolloutItem | None:
        return self._items.get(RolloutItem, f"endpoint#{endpoint}", f"rollout#{rollout_id}")

    def rollouts(self, endpoint: str) -> list[RolloutItem]:
        return self._items.query(RolloutItem, f"endpoint#{endpoint}", "rollout#")

    def ledger(self, endpoint: str) -> list[LedgerItem]:
        return self._items.query(LedgerItem, f"endpoint#{endpoint}", "ledger#")

    def lease(self, endpoint: str) -> LeaseItem | None:
        return self._items.get(LeaseItem, f"endpoint#{endpoint}", "lease")

    def seal(self, seal: str) -> SealItem | None:
        return self._items.get(SealItem, f"seal#{seal_digest(seal)}", "seal")

    def newest_image(self) -> ImageItem | None:
        return self._items.get(ImageItem, "image", "newest")

    def waiting(self) -> list[WaitingItem]:
        return self._items.query(WaitingItem, "waiting", "endpoint#")

    def add_release(self, release: ReleaseItem) -> None:
        self._items.put_if(release, _IS_NEW, {})

    def next_number(self, endpoint: str, release_id: str) -> int:
        release = self._items.update_if(
            f"endpoint#{endpoint}", f"release#{release_id}", "ADD rollouts :one", {"one": 1}
        )
        if release is None:
            raise ServiceUnavailableError(f"release {release_id} of endpoint {endpoint} is not recorded yet; try again")
        return int(release["rollouts"])

    def register(self, rollout: RolloutItem, seal: str) -> bool:
        bound = _seal(seal, rollout.endpoint, rollout.rollout_id, rollout.created_at)
        writes = [
            self._items.put(bound, f"{_IS_NEW} OR rolloutId = :unbound", {"unbound": ""}),
            self._items.put(rollout, _IS_NEW, {}),
        ]
        first = Entry(rollout.phase, rollout.reason, rollout.created_at, actor=_INTAKE)
        batch = Batch(writes, [phase_line(rollout, first)])
        doing = f"registering rollout {rollout.rollout_id}"
        if self._ledgered.commit(doing, rollout.endpoint, rollout.created_at, lambda _: batch):
            return False
        self.announce(rollout)
        return True

    def bind_seal(self, seal: str, rollout: RolloutItem) -> None:
        bound = _seal(seal, rollout.endpoint, rollout.rollout_id, rollout.updated_at)
        self._items.put_if(bound, f"{_IS_NEW} OR rolloutId = :unbound", {"unbound": ""})

    def push_image(self, image: ImageItem) -> None:
        self._items.put_if(image, f"{_IS_NEW} OR pushedAt <= :at", {"at": image.pushed_at})

    def wait_for_image(self, drop: WaitingItem) -> None:
        self._items.put_if(_seal(drop.seal, drop.endpoint, "", drop.created_at), _IS_NEW, {})
        self._items.put_if(drop, f"{_IS_NEW} OR createdAt <= :at", {"at": drop.created_at})

    def stop_waiting(self, drop: WaitingItem) -> None:
        self._items.delete_if(drop.pk, drop.sk, "seal = :seal", {"seal": drop.seal})

    def note_execution(self, rollout: RolloutItem, execution_arn: str) -> None:
        self._items.update_if(rollout.pk, rollout.sk, "SET executionArn = :arn", {"arn": execution_arn})

    def note_artifact(self, endpoint: str, artifact_id: str, at: str) -> None:
        self._items.update_if(
            f"endpoint#{endpoint}",
            "endpoint",
            "SET newestArtifactId = :artifact, updatedAt = :at, endpoint = :endpoint",
            {"artifact": artifact_id, "at": at, "endpoint": endpoint},
            condition=f"{_IS_NEW} OR attribute_exists(pk)",
        )

    def announce(self, rollout: RolloutItem) -> None:
        self._tell(rollout, rollout.phase, rollout.reason)

    def await_signal(self, rollout: RolloutItem, awaiting: Awaiting, task_token: str) -> None:
        values = {"what": awaiting, "token": task_token, "was": str(rollout.phase)}
        expression = "SET awaiting = :what, taskToken = :token"
        if not self._items.update_if(rollout.pk, rollout.sk, expression, values, "phase = :was"):
            raise ServiceUnavailableError(_CHANGED)

    def stop_awaiting(self, rollout: RolloutItem) -> None:
        values = {"token": rollout.task_token}
        self._items.update_if(rollout.pk, rollout.sk, "REMOVE awaiting, taskToken", values, "taskToken = :token")

    def decide(self, rollout: RolloutItem, deed: Deed) -> None:
        mark = Mark(by=deed.by, reason=deed.reason, at=deed.at).wire()
        changes: dict[Happened, tuple[str, dict[str, Any]]] = {
            Happened.PAUSED: ("SET paused = :mark", {"mark": mark}),
            Happened.RESUMED: ("REMOVE paused", {}),
            Happened.APPROVED: ("SET approval = :mark", {"mark": mark}),
            Happened.ABORT_REQUESTED: ("SET #abort = :mark", {"mark": mark}),
            Happened.GATE_SKIPPED: (
                "SET skippedGates = list_append(if_not_exists(skippedGates, :none), :gates)",
                {"none": [], "gates": [{**mark, "gate": deed.gate}]},
            ),
        }
        expression, values = changes[deed.happened]
        values = {**values, "was": str(rollout.phase)}
        write = self._items.update(rollout.pk, rollout.sk, expression, values, "phase = :was")
        batch = Batch([write], [deed_line(rollout.endpoint, deed, rollout)])
        if self._ledgered.commit("writing a deed", rollout.endpoint, deed.at, lambda _: batch):
            raise ServiceUnavailableError(_CHANGED)

    def decide_endpoint(self, endpoint: str, deed: Deed) -> None:
        frozen = None
        if deed.happened is Happened.FROZEN:
            frozen = Freeze(by=deed.by, reason=deed.reason, at=deed.at, until=deed.until).wire()

        def build(served: EndpointItem | None) -> Batch:
            sets: dict[str, Any] = {"frozen": frozen}
            if deed.happened is Happened.ENDPOINT_REMOVED:
                sets = _removed(served)
            return Batch([], [deed_line(endpoint, deed)], sets)

        self._ledgered.commit("writing a deed", endpoint, deed.at, build)

    def note(self, endpoint: str, deed: Deed) -> None:
        batch = Batch([], [deed_line(endpoint, deed)])
        self._ledgered.commit("writing a line of the ledger", endpoint, deed.at, lambda _: batch)

    def note_probes(self, rollout: RolloutItem, probes: ProbesItem, fence: Fence) -> None:
        values = {"probes": probes.wire(), "was": str(rollout.phase)}
        write = self._items.update(rollout.pk, rollout.sk, "SET probes = :probes", values, "phase = :was")
        self._check(fence, self._transact([self._fenced(fence, keep=True), write]))

    def judge_gate(self, rollout: RolloutItem, gate: GateItem, fence: Fence) -> None:
        expression = "SET gates = list_append(if_not_exists(gates, :none), :gate)"
        values = {"none": [], "gate": [gate.wire()], "was": str(rollout.phase)}
        write = self._items.update(rollout.pk, rollout.sk, expression, values, "phase = :was")
        batch = Batch([self._fenced(fence, keep=True), write], [gate_line(rollout, gate)])
        self._check(fence, self._ledgered.commit("writing a gate", rollout.endpoint, gate.at, lambda _: batch))

    def cross_finish_line(self, rollout: RolloutItem, fence: Fence, at: str) -> None:
        expression = "SET finishLineAt = if_not_exists(finishLineAt, :at)"
        write = self._items.update(rollout.pk, rollout.sk, expression, {"at": at}, "attribute_exists(pk)")
        self._check(fence, self._transact([self._fenced(fence, keep=True), write]))

    def take_lease(self, rollout: RolloutItem, *, now: str, expires_at: str, or_stay: bool = False) -> int:
        lease = self.lease(rollout.endpoint)
        stays = or_stay and lease is not None and lease.holder == rollout.rollout_id
        if lease and lease.holder and not stays and lease.expires_at >= now:
            raise LeaseHeldError(
                f"{lease.holder} is changing endpoint {rollout.endpoint}; rollout {rollout.rollout_id} waits"
            )
        before = lease.token if lease else 0
        # A second attempt of the holder keeps its token; a new holder gets the next one.
        token = before if stays else before + 1
        taken = self._items.update(
            f"endpoint#{rollout.endpoint}",
            "lease",
            "SET holder = :me, expiresAt = :until, #token = :mine",
            {"me": rollout.rollout_id, "until": expires_at, "mine": token, **_as_seen(lease)},
            "holder = :holder AND #token = :token AND expiresAt = :expires" if lease else _IS_NEW,
        )
        noted = self._items.update(
            rollout.pk,
            rollout.sk,
            "SET leaseToken = :mine",
            {"mine": token, "was": str(rollout.phase)},
            "phase = :was AND attribute_not_exists(#abort)",
        )
        if self._transact([taken, noted]):
            raise LeaseHeldError(
                f"the lease of {rollout.endpoint} or rollout {rollout.rollout_id} changed meanwhile; look again"
            )
        return token

    def free_lease(self, lease: LeaseItem, deed: Deed | None = None) -> bool:
        endpoint = lease.pk.partition("#")[2]
        free = self._items.update(
            lease.pk,
            "lease",
            "SET holder = :nobody",
            {"nobody": "", "me": lease.holder, "token": lease.token},
            _IS_MINE,
        )
        if deed is None:
            return not self._transact([free])
        rollout = self.rollout(endpoint, lease.holder)
        batch = Batch([free], [deed_line(endpoint, deed, rollout)])
        return not self._ledgered.commit("freeing a lease", endpoint, deed.at, lambda _: batch)

    def lease_holder(self, endpoint: str, now: str) -> str | None:
        lease = self.lease(endpoint)
        return lease.holder if lease and lease.holder and lease.expires_at >= now else None

    def renew_lease(self, fence: Fence) -> None:
        self._check(fence, self._transact([self._fenced(fence, keep=True)]))

    def enter(self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None) -> None:
        fenced = [self._fenced(fence, keep=True)] if fence else []
        batch = Batch([*fenced, self._entry(rollout, entry)], [phase_line(rollout, entry)])
        self._check(fence, self._ledgered.commit("entering a phase", rollout.endpoint, entry.at, lambda _: batch))
        self._tell(rollout, entry.phase, entry.reason)

    def end(
        self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None, live: ReleaseItem | None = None
    ) -> None:
        fenced = [self._fenced(fence, keep=False)] if fence else []
        superseded: list[tuple[RolloutItem, Entry]] = []

        def build(served: EndpointItem | None) -> Batch:
            superseded[:] = self._superseded(rollout, served, entry.at) if live else []
            moved = [(rollout, entry), *superseded]
            writes = [*fenced, *(self._entry(*one) for one in moved)]
            sets = _serves(rollout, live, served) if live else {}
            return Batch(writes, [phase_line(*one) for one in moved], sets)

        self._check(fence, self._ledgered.commit("ending a rollout", rollout.endpoint, entry.at, build))
        for ended, last in [(rollout, entry), *superseded]:
            self._tell(ended, last.phase, last.reason)

    def _superseded(
        self, rollout: RolloutItem, served: EndpointItem | None, at: str
    ) -> list[tuple[RolloutItem, Entry]]:
        former = served.live_rollout_id if served else None
        if former is None or former == rollout.rollout_id:
            return []
        old = self.rollout(rollout.endpoint, former)
        reason = f"rollout {rollout.rollout_id} took its place"
        return [(old, Entry(Phase.SUPERSEDED, reason, at))] if old else []

    def _transact(self, writes: "list[TransactWriteItemTypeDef]") -> frozenset[int]:
        try:
            return self._items.transact("writing a rollout's record", writes)
        except RaceLostError as error:
            raise ServiceUnavailableError(_CHANGED) from error

    @staticmethod
    def _check(fence: Fence | None, failed: frozenset[int]) -> None:
        """Tell a lost lease apart from a lost race; the fence is the first of the writes."""
        if fence and 0 in failed:
            raise LeaseLostError(
                f"rollout {fence.holder} no longer holds the lease of endpoint {fence.endpoint}; "
                "another rollout changes it now"
            )
        if failed:
            raise ServiceUnavailableError(_CHANGED)

    def _fenced(self, fence: Fence, *, keep: bool) -> "TransactWriteItemTypeDef":
        """The lease checked and, in the same breath, renewed or given back."""
        expression = "SET expiresAt = :until" if keep else "SET holder = :nobody"
        change = {"until": fence.renewed_until} if keep else {"nobody": ""}
        mine = {"me": fence.holder, "token": fence.token}
        return self._items.update(f"endpoint#{fence.endpoint}", "lease", expression, {**mine, **change}, _IS_MINE)

    def _entry(self, rollout: RolloutItem, entry: Entry) -> "TransactWriteItemTypeDef":
        line = {"phase": str(entry.phase), "at": entry.at, "reason": entry.reason}
        values: dict[str, Any] = {
            "now": str(entry.phase),
            "was": str(rollout.phase),
            "why": entry.reason,
            "at": entry.at,
        }
        values |= {"line": [line]}
        sets = "SET phase = :now, reason = :why, updatedAt = :at, history = list_append(history, :line)"
        if entry.plan:
            sets, values = f"{sets}, #plan = :plan", values | {"plan": entry.plan.wire()}
        if entry.previous_release_id:
            sets, values = f"{sets}, previousReleaseId = :blue", values | {"blue": entry.previous_release_id}
        if has_ended(entry.phase):
            sets += " REMOVE awaiting, taskToken"  # nobody waits any more, even if the one who was woken did not say so
        condition = "phase = :was"
        if entry.phase in BEFORE_TRAFFIC:
            condition += " AND attribute_not_exists(#abort)"
        return self._items.update(rollout.pk, rollout.sk, sets, values, condition)


def _as_seen(lease: LeaseItem | None) -> dict[str, Any]:
    return {"holder": lease.holder, "token": lease.token, "expires": lease.expires_at} if lease else {}


def _serves(rollout: RolloutItem, release: ReleaseItem, served: EndpointItem | None) -> dict[str, Any]:
    """What the endpoint's record says when this release serves."""
    sets = {"liveRolloutId": rollout.rollout_id, "liveReleaseId": release.release_id, "image": release.image}
    before = served.live_release_id if served else None
    # A second rollout of the release that serves leaves the way back where it was.
    return {**sets, "lastGoodReleaseId": before} if before and before != release.release_id else sets


def _removed(served: EndpointItem | None) -> dict[str, Any]:
    """Nothing serves, and what served last is where a rollback goes."""
    last = served.live_release_id if served else None
    return {"liveRolloutId": None, "liveReleaseId": None, **({"lastGoodReleaseId": last} if last else {})}


def _seal(seal: str, endpoint: str, rollout_id: str, at: str) -> SealItem:
    return SealItem(
        pk=f"seal#{seal_digest(seal)}", sk="seal", seal=seal, endpoint=endpoint, rollout_id=rollout_id, created_at=at
    )
