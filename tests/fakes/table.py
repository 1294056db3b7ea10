"""The release table in memory. It passes the port's test, as the adapter on DynamoDB does."""

from typing import Any, TypeVar

from release.contracts.base import Contract
from release.contracts.table import (
    EndpointItem,
    HistoryEntry,
    ImageItem,
    LeaseItem,
    ReleaseItem,
    RolloutItem,
    SealItem,
    WaitingItem,
)
from release.domain.identity import seal_digest
from release.domain.phases import Phase
from release.errors import LeaseHeldError, LeaseLostError, ServiceUnavailableError
from release.ports import Entry, Fence

Found = TypeVar("Found", bound=Contract)


class FakeTable:
    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Contract] = {}

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

    def rollout(self, endpoint: str, rollout_id: str) -> RolloutItem | None:
        return self._get(RolloutItem, f"endpoint#{endpoint}", f"rollout#{rollout_id}")

    def rollouts(self, endpoint: str) -> list[RolloutItem]:
        return [rollout for rollout in self._all(RolloutItem) if rollout.endpoint == endpoint]

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
        return True

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

    def take_lease(self, rollout: RolloutItem, *, now: str, expires_at: str) -> int:
        lease, token = self._lease(rollout.endpoint), 1
        if lease:
            stays = lease.holder == rollout.rollout_id
            if lease.holder and not stays and lease.expires_at >= now:
                raise LeaseHeldError(f"{lease.holder} is changing endpoint {rollout.endpoint}")
            token = lease.token if stays else lease.token + 1
        pk = f"endpoint#{rollout.endpoint}"
        self._put(LeaseItem(pk=pk, sk="lease", holder=rollout.rollout_id, token=token, expires_at=expires_at))
        self._change(rollout, lease_token=token)
        return token

    def lease_holder(self, endpoint: str, now: str) -> str | None:
        lease = self._lease(endpoint)
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
        item = served or EndpointItem(pk=rollout.pk, sk="endpoint", endpoint=rollout.endpoint, updated_at=at)
        good = item.live_release_id if item.live_release_id != live.release_id else item.last_good_release_id
        changes = {"live_rollout_id": rollout.rollout_id, "live_release_id": live.release_id, "image": live.image}
        self._put(item.model_copy(update={**changes, "last_good_release_id": good, "updated_at": at}))

    def _enter(self, rollout: RolloutItem, entry: Entry) -> None:
        now = self.rollout(rollout.endpoint, rollout.rollout_id)
        if now is None or now.phase is not rollout.phase:
            raise ServiceUnavailableError("a rollout's record changed while it was written; look again")
        line = HistoryEntry(phase=entry.phase, at=entry.at, reason=entry.reason)
        changes = {
            "phase": entry.phase,
            "reason": entry.reason,
            "updated_at": entry.at,
            "history": (*now.history, line),
        }
        self._change(now, **changes, **({"plan": entry.plan} if entry.plan else {}))

    def _change(self, rollout: RolloutItem, **changes: Any) -> None:
        now = self.rollout(rollout.endpoint, rollout.rollout_id)
        if now:
            self._put(now.model_copy(update=changes))

    def _lease(self, endpoint: str) -> LeaseItem | None:
        return self._get(LeaseItem, f"endpoint#{endpoint}", "lease")

    def _checked(self, fence: Fence) -> LeaseItem:
        lease = self._lease(fence.endpoint)
        if lease is None or (lease.holder, lease.token) != (fence.holder, fence.token):
            raise LeaseLostError(f"rollout {fence.holder} no longer holds the lease; another rollout changes it now")
        return lease


def _seal(seal: str, endpoint: str, rollout_id: str, at: str) -> SealItem:
    return SealItem(
        pk=f"seal#{seal_digest(seal)}", sk="seal", seal=seal, endpoint=endpoint, rollout_id=rollout_id, created_at=at
    )
