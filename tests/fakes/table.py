"""The release table in memory. It passes the port's test, as the adapter on DynamoDB does."""

from typing import Any, TypeVar

from release.contracts.base import Contract
from release.contracts.table import (
    EndpointItem,
    Freeze,
    GateItem,
    HistoryEntry,
    ImageItem,
    LeaseItem,
    LedgerItem,
    Mark,
    ProbesItem,
    ReleaseItem,
    RolloutItem,
    SealItem,
    SkippedGate,
    WaitingItem,
)
from release.domain.identity import seal_digest
from release.domain.ledger import Happened, Head, sealed, sort_key
from release.domain.phases import BEFORE_TRAFFIC, Phase, has_ended
from release.errors import LeaseHeldError, LeaseLostError, ServiceUnavailableError
from release.ports import Awaiting, Deed, Entry, Fence

Found = TypeVar("Found", bound=Contract)


class FakeTable:
    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Contract] = {}
        self.told: list[tuple[str, Phase]] = []

    def _get(self, kind: type[Found], pk: str, sk: str) -> Found | None:
        item = self.items.get((pk, sk))
        assert item is None or isinstance(item, kind)
        return item

    def _all(self, kind: type[Found]) -> list[Found]:
        return [item for _, item in sorted(self.items.items()) if isinstance(item, kind)]

    def _put(self, item: Any) -> None:
        self.items[item.pk, item.sk] = item

    def endpoint(self, endpoint: str) -> EndpointItem | None:
        return self._get(EndpointItem, f"endpoint#{endpoint}", "endpoint")

    def endpoints(self) -> list[EndpointItem]:
        return self._all(EndpointItem)

    def release(self, endpoint: str, release_id: str) -> ReleaseItem | None:
        return self._get(ReleaseItem, f"endpoint#{endpoint}", f"release#{release_id}")

    def releases(self, endpoint: str) -> list[ReleaseItem]:
        return [release for release in self._all(ReleaseItem) if release.endpoint == endpoint]

    def rollout(self, endpoint: str, rollout_id: str) -> RolloutItem | None:
        return self._get(RolloutItem, f"endpoint#{endpoint}", f"rollout#{rollout_id}")

    def rollouts(self, endpoint: str) -> list[RolloutItem]:
        return [rollout for rollout in self._all(RolloutItem) if rollout.endpoint == endpoint]

    def ledger(self, endpoint: str) -> list[LedgerItem]:
        return [line for line in self._all(LedgerItem) if line.endpoint == endpoint]

    def lease(self, endpoint: str) -> LeaseItem | None:
        return self._get(LeaseItem, f"endpoint#{endpoint}", "lease")

    def seal(self, seal: str) -> SealItem | None:
        return self._get(SealItem, f"seal#{seal_digest(seal)}", "seal")

    def newest_image(self) -> ImageItem | None:
        return self._get(ImageItem, "image", "newest")

    def waiting(self) -> list[WaitingItem]:
        return self._all(WaitingItem)

    def add_release(self, release: ReleaseItem) -> None:
        self.items.setdefault((release.pk, release.sk), release)

    def next_number(self, endpoint: str, release_id: str) -> int:
        release = self.release(endpoint, release_id)
        if release is None:
            raise ServiceUnavailableError(f"release {release_id} is not recorded yet")
        self._put(release.model_copy(update={"rollouts": release.rollouts + 1}))
        return release.rollouts + 1

    def register(self, rollout: RolloutItem, seal: str) -> bool:
        bound = self.seal(seal)
        if (bound and bound.rollout_id) or (rollout.pk, rollout.sk) in self.items:
            return False
        self._put(_seal(seal, rollout.endpoint, rollout.rollout_id, rollout.created_at))
        self._put(rollout)
        self._write_line(rollout, Entry(rollout.phase, rollout.reason, rollout.created_at, actor="intake"))
        self.announce(rollout)
        return True

    def bind_seal(self, seal: str, rollout: RolloutItem) -> None:
        bound = self.seal(seal)
        if bound is None or not bound.rollout_id:
            self._put(_seal(seal, rollout.endpoint, rollout.rollout_id, rollout.updated_at))

    def announce(self, rollout: RolloutItem) -> None:
        self.told.append((rollout.rollout_id, rollout.phase))

    def await_signal(self, rollout: RolloutItem, awaiting: Awaiting, task_token: str) -> None:
        self._unchanged(rollout)
        self._change(rollout, awaiting=awaiting, task_token=task_token)

    def stop_awaiting(self, rollout: RolloutItem) -> None:
        now = self.rollout(rollout.endpoint, rollout.rollout_id)
        if now and now.task_token and now.task_token == rollout.task_token:
            self._change(now, awaiting=None, task_token=None)

    def decide(self, rollout: RolloutItem, deed: Deed) -> None:
        now = self._unchanged(rollout)
        mark = Mark(by=deed.by, reason=deed.reason, at=deed.at)
        skipped = now.skipped_gates or ()
        changes: dict[Happened, dict[str, Any]] = {
            Happened.PAUSED: {"paused": mark},
            Happened.RESUMED: {"paused": None},
            Happened.APPROVED: {"approval": mark},
            Happened.ABORT_REQUESTED: {"abort": mark},
            Happened.GATE_SKIPPED: {
                "skipped_gates": (*skipped, SkippedGate(**mark.model_dump(), gate=deed.gate or "bake"))
            },
        }
        self._change(now, **changes[deed.happened])
        self._write_deed(rollout.endpoint, deed, now)

    def decide_endpoint(self, endpoint: str, deed: Deed) -> None:
        frozen = None
        if deed.happened is Happened.FROZEN:
            frozen = Freeze(by=deed.by, reason=deed.reason, at=deed.at, until=deed.until)
        self._write_deed(endpoint, deed, None)
        item = self.endpoint(endpoint)
        assert item is not None
        if deed.happened is Happened.ENDPOINT_REMOVED:
            last = item.live_release_id or item.last_good_release_id
            gone = {"live_rollout_id": None, "live_release_id": None, "last_good_release_id": last}
            self._put(item.model_copy(update=gone))
            return
        self._put(item.model_copy(update={"frozen": frozen}))

    def note(self, endpoint: str, deed: Deed) -> None:
        self._write_deed(endpoint, deed, None)

    def note_probes(self, rollout: RolloutItem, probes: ProbesItem, fence: Fence) -> None:
        self._checked(fence)
        self._change(self._unchanged(rollout), probes=probes)
        self.renew_lease(fence)

    def judge_gate(self, rollout: RolloutItem, gate: GateItem, fence: Fence) -> None:
        self._checked(fence)
        now = self._unchanged(rollout)
        self._change(now, gates=(*(now.gates or ()), gate))
        about = {"rolloutId": rollout.rollout_id, "releaseId": rollout.release_id, "phase": str(rollout.phase)}
        line = {"at": gate.at, "actor": "release machine", "event": "gateJudged", "reason": gate.reason, **about}
        evidence = {**gate.evidence, "gate": gate.gate, "verdict": gate.verdict}
        self._append(rollout.endpoint, {**line, "evidence": evidence})
        self.renew_lease(fence)

    def cross_finish_line(self, rollout: RolloutItem, fence: Fence, at: str) -> None:
        self.renew_lease(fence)
        now = self.rollout(rollout.endpoint, rollout.rollout_id)
        self._change(rollout, finish_line_at=(now and now.finish_line_at) or at)

    def push_image(self, image: ImageItem) -> None:
        newest = self.newest_image()
        if newest is None or newest.pushed_at <= image.pushed_at:
            self._put(image)

    def wait_for_image(self, drop: WaitingItem) -> None:
        if self.seal(drop.seal) is None:
            self._put(_seal(drop.seal, drop.endpoint, "", drop.created_at))
        waits = self._get(WaitingItem, drop.pk, drop.sk)
        if waits is None or waits.created_at <= drop.created_at:
            self._put(drop)

    def stop_waiting(self, drop: WaitingItem) -> None:
        waits = self._get(WaitingItem, drop.pk, drop.sk)
        if waits and waits.seal == drop.seal:
            del self.items[drop.pk, drop.sk]

    def note_execution(self, rollout: RolloutItem, execution_arn: str) -> None:
        self._change(rollout, execution_arn=execution_arn)

    def note_artifact(self, endpoint: str, artifact_id: str, at: str) -> None:
        item = self.endpoint(endpoint) or EndpointItem(
            pk=f"endpoint#{endpoint}", sk="endpoint", endpoint=endpoint, updated_at=at
        )
        self._put(item.model_copy(update={"newest_artifact_id": artifact_id, "updated_at": at}))

    def take_lease(self, rollout: RolloutItem, *, now: str, expires_at: str, or_stay: bool = False) -> int:
        lease, token = self.lease(rollout.endpoint), 1
        if lease:
            stays = or_stay and lease.holder == rollout.rollout_id
            if lease.holder and not stays and lease.expires_at >= now:
                raise LeaseHeldError(f"{lease.holder} is changing endpoint {rollout.endpoint}")
            token = lease.token if stays else lease.token + 1
        found = self.rollout(rollout.endpoint, rollout.rollout_id)
        if found is None or found.phase is not rollout.phase or found.abort:
            raise LeaseHeldError(f"rollout {rollout.rollout_id} changed meanwhile; look again")
        pk = f"endpoint#{rollout.endpoint}"
        self._put(LeaseItem(pk=pk, sk="lease", holder=rollout.rollout_id, token=token, expires_at=expires_at))
        self._change(rollout, lease_token=token)
        return token

    def free_lease(self, lease: LeaseItem, deed: Deed | None = None) -> bool:
        endpoint = lease.pk.partition("#")[2]
        now = self.lease(endpoint)
        if now is None or (now.holder, now.token) != (lease.holder, lease.token):
            return False
        self._put(now.model_copy(update={"holder": ""}))
        if deed:
            self._write_deed(endpoint, deed, self.rollout(endpoint, lease.holder))
        return True

    def lease_holder(self, endpoint: str, now: str) -> str | None:
        lease = self.lease(endpoint)
        return lease.holder if lease and lease.holder and lease.expires_at >= now else None

    def renew_lease(self, fence: Fence) -> None:
        lease = self._checked(fence)
        self._put(lease.model_copy(update={"expires_at": fence.renewed_until}))

    def enter(self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None) -> None:
        if fence:
            self._checked(fence)
        self._enter(rollout, entry)
        if fence:
            self.renew_lease(fence)

    def end(
        self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None, live: ReleaseItem | None = None
    ) -> None:
        lease = self._checked(fence) if fence else None
        self._enter(rollout, entry)
        if live:
            self._serve(rollout, live, entry.at)
        if lease:
            self._put(lease.model_copy(update={"holder": ""}))

    def _serve(self, rollout: RolloutItem, live: ReleaseItem, at: str) -> None:
        served = self.endpoint(rollout.endpoint)
        former = served.live_rollout_id if served else None
        old = self.rollout(rollout.endpoint, former) if former and former != rollout.rollout_id else None
        if old:
            self._enter(old, Entry(Phase.SUPERSEDED, f"rollout {rollout.rollout_id} took its place", at))
        item = self.endpoint(rollout.endpoint) or EndpointItem(
            pk=rollout.pk, sk="endpoint", endpoint=rollout.endpoint, updated_at=at
        )
        good = item.live_release_id if item.live_release_id != live.release_id else item.last_good_release_id
        changes = {"live_rollout_id": rollout.rollout_id, "live_release_id": live.release_id, "image": live.image}
        self._put(item.model_copy(update={**changes, "last_good_release_id": good, "updated_at": at}))

    def _enter(self, rollout: RolloutItem, entry: Entry) -> None:
        now = self._unchanged(rollout)
        if now.abort and entry.phase in BEFORE_TRAFFIC:
            raise ServiceUnavailableError("a rollout's record changed while it was written; look again")
        line = HistoryEntry(phase=entry.phase, at=entry.at, reason=entry.reason)
        changes = {
            "phase": entry.phase,
            "reason": entry.reason,
            "updated_at": entry.at,
            "history": (*now.history, line),
        }
        self._change(
            now,
            **changes,
            **({"awaiting": None, "task_token": None} if has_ended(entry.phase) else {}),
            **({"plan": entry.plan} if entry.plan else {}),
            **({"previous_release_id": entry.previous_release_id} if entry.previous_release_id else {}),
        )
        self._write_line(rollout, entry)
        self.told.append((rollout.rollout_id, entry.phase))

    def _unchanged(self, rollout: RolloutItem) -> RolloutItem:
        now = self.rollout(rollout.endpoint, rollout.rollout_id)
        if now is None or now.phase is not rollout.phase:
            raise ServiceUnavailableError("a rollout's record changed while it was written; look again")
        return now

    def _write_line(self, rollout: RolloutItem, entry: Entry) -> None:
        about = {"rolloutId": rollout.rollout_id, "releaseId": rollout.release_id, "phase": str(entry.phase)}
        evidence = {"evidence": dict(entry.evidence)} if entry.evidence else {}
        line = {"at": entry.at, "actor": entry.actor, "event": "phaseEntered", "reason": entry.reason}
        self._append(rollout.endpoint, {**line, **about, **evidence})

    def _write_deed(self, endpoint: str, deed: Deed, rollout: RolloutItem | None) -> None:
        about = {"rolloutId": rollout.rollout_id, "releaseId": rollout.release_id} if rollout else {}
        evidence = {name: value for name, value in (("gate", deed.gate), ("until", deed.until)) if value}
        evidence |= deed.evidence or {}
        line = {"at": deed.at, "actor": deed.by, "event": str(deed.happened), "reason": deed.reason, **about}
        self._append(endpoint, {**line, "evidence": evidence} if evidence else line)

    def _append(self, endpoint: str, line: dict[str, Any]) -> None:
        item = self.endpoint(endpoint) or EndpointItem(
            pk=f"endpoint#{endpoint}", sk="endpoint", endpoint=endpoint, updated_at=line["at"]
        )
        head = Head(item.ledger_seq, item.ledger_hash) if item.ledger_seq and item.ledger_hash else Head()
        whole = sealed({"endpoint": endpoint, **line}, head)
        self._put(LedgerItem.parse({"pk": f"endpoint#{endpoint}", "sk": sort_key(whole["seq"]), **whole}))
        changes = {"ledger_seq": whole["seq"], "ledger_hash": whole["hash"], "updated_at": line["at"]}
        self._put(item.model_copy(update=changes))

    def _change(self, rollout: RolloutItem, **changes: Any) -> None:
        now = self.rollout(rollout.endpoint, rollout.rollout_id)
        if now:
            self._put(now.model_copy(update=changes))

    def _checked(self, fence: Fence) -> LeaseItem:
        lease = self.lease(fence.endpoint)
        if lease is None or (lease.holder, lease.token) != (fence.holder, fence.token):
            raise LeaseLostError(f"rollout {fence.holder} no longer holds the lease; another rollout changes it now")
        return lease


def _seal(seal: str, endpoint: str, rollout_id: str, at: str) -> SealItem:
    return SealItem(
        pk=f"seal#{seal_digest(seal)}", sk="seal", seal=seal, endpoint=endpoint, rollout_id=rollout_id, created_at=at
    )
