"""The release table on DynamoDB. Every read is consistent; every write names the state that it expects."""

from typing import TYPE_CHECKING

from release.adapters.items import Items
from release.contracts.table import (
    EndpointItem,
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

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_IS_NEW = "attribute_not_exists(pk)"
_IS_MINE = "holder = :me AND #token = :token"


class DynamoReleaseTable:
    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(client, table)

    def endpoint(self, endpoint: str) -> EndpointItem | None:
        return self._items.get(EndpointItem, f"endpoint#{endpoint}", "endpoint")

    def endpoints(self) -> list[EndpointItem]:
        """Reads the whole table: it is small, and only an image push asks."""
        return self._items.scan(EndpointItem, "endpoint")

    def release(self, endpoint: str, release_id: str) -> ReleaseItem | None:
        return self._items.get(ReleaseItem, f"endpoint#{endpoint}", f"release#{release_id}")

    def rollout(self, endpoint: str, rollout_id: str) -> RolloutItem | None:
        return self._items.get(RolloutItem, f"endpoint#{endpoint}", f"rollout#{rollout_id}")

    def rollouts(self, endpoint: str) -> list[RolloutItem]:
        return self._items.query(RolloutItem, f"endpoint#{endpoint}", "rollout#")

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
        return not self._items.transact(f"registering rollout {rollout.rollout_id}", writes)

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

    def take_lease(self, rollout: RolloutItem, *, now: str, expires_at: str) -> int:
        key = f"endpoint#{rollout.endpoint}", "lease"
        mine = {"me": rollout.rollout_id, "until": expires_at}
        # A second attempt of the holder keeps its token; a new holder gets the next one.
        lease = self._items.update_if(*key, "SET expiresAt = :until", mine, "holder = :me") or self._items.update_if(
            *key,
            "SET holder = :me, expiresAt = :until ADD #token :one",
            {**mine, "nobody": "", "now": now, "one": 1},
            f"{_IS_NEW} OR holder = :nobody OR expiresAt < :now",
        )
        if lease is None:
            other = self.lease_holder(rollout.endpoint, now) or "another rollout"
            raise LeaseHeldError(f"{other} is changing endpoint {rollout.endpoint}; rollout {rollout.rollout_id} waits")
        self._items.update_if(rollout.pk, rollout.sk, "SET leaseToken = :token", {"token": lease["token"]})
        return int(lease["token"])

    def lease_holder(self, endpoint: str, now: str) -> str | None:
        lease = self._items.get(LeaseItem, f"endpoint#{endpoint}", "lease")
        return lease.holder if lease and lease.holder and lease.expires_at >= now else None

    def renew_lease(self, fence: Fence) -> None:
        self._write_under(fence, [], keep=True)

    def enter(self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None) -> None:
        self._write_under(fence, [self._entry(rollout, entry)], keep=True)

    def end(
        self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None, live: ReleaseItem | None = None
    ) -> None:
        writes = [self._entry(rollout, entry)]
        if live:
            served = self.endpoint(rollout.endpoint)
            writes.append(self._serves(rollout, live, served, entry.at))
            former = served.live_rollout_id if served else None
            if former and former != rollout.rollout_id and (old := self.rollout(rollout.endpoint, former)):
                reason = f"rollout {rollout.rollout_id} took its place"
                writes.append(self._entry(old, Entry(Phase.SUPERSEDED, reason, entry.at)))
        self._write_under(fence, writes, keep=False)

    def _write_under(self, fence: Fence | None, writes: "list[TransactWriteItemTypeDef]", *, keep: bool) -> None:
        checked = [self._fenced(fence, keep=keep)] if fence else []
        failed = self._items.transact("writing a rollout's record", [*checked, *writes])
        if fence and 0 in failed:
            raise LeaseLostError(
                f"rollout {fence.holder} no longer holds the lease of endpoint {fence.endpoint}; "
                "another rollout changes it now"
            )
        if failed:
            raise ServiceUnavailableError("a rollout's record changed while it was written; look again")

    def _fenced(self, fence: Fence, *, keep: bool) -> "TransactWriteItemTypeDef":
        """The lease checked and, in the same breath, renewed or given back."""
        expression = "SET expiresAt = :until" if keep else "SET holder = :nobody"
        change = {"until": fence.renewed_until} if keep else {"nobody": ""}
        mine = {"me": fence.holder, "token": fence.token}
        return self._items.update(f"endpoint#{fence.endpoint}", "lease", expression, {**mine, **change}, _IS_MINE)

    def _entry(self, rollout: RolloutItem, entry: Entry) -> "TransactWriteItemTypeDef":
        line = {"phase": str(entry.phase), "at": entry.at, "reason": entry.reason}
        values = {"now": str(entry.phase), "was": str(rollout.phase), "why": entry.reason, "at": entry.at}
        expression = "SET phase = :now, reason = :why, updatedAt = :at, history = list_append(history, :line)"
        plan = {"plan": entry.plan.wire()} if entry.plan else {}
        return self._items.update(
            rollout.pk,
            rollout.sk,
            f"{expression}, #plan = :plan" if plan else expression,
            {**values, "line": [line], **plan},
            "phase = :was",
        )

    def _serves(
        self, rollout: RolloutItem, release: ReleaseItem, served: EndpointItem | None, at: str
    ) -> "TransactWriteItemTypeDef":
        before = served.live_release_id if served else None
        values = {
            "endpoint": rollout.endpoint,
            "rollout": rollout.rollout_id,
            "release": release.release_id,
            "image": release.image,
            "at": at,
        }
        expression = "SET endpoint = :endpoint, image = :image, updatedAt = :at, "
        expression += "liveRolloutId = :rollout, liveReleaseId = :release"
        # A second rollout of the release that serves leaves the way back where it was.
        if before and before != release.release_id:
            expression, values = f"{expression}, lastGoodReleaseId = :good", {**values, "good": before}
        condition = "attribute_not_exists(liveRolloutId)"
        if served and served.live_rollout_id:
            condition, values = "liveRolloutId = :former", {**values, "former": served.live_rollout_id}
        return self._items.update(f"endpoint#{rollout.endpoint}", "endpoint", expression, values, condition)


def _seal(seal: str, endpoint: str, rollout_id: str, at: str) -> SealItem:
    return SealItem(
        pk=f"seal#{seal_digest(seal)}", sk="seal", seal=seal, endpoint=endpoint, rollout_id=rollout_id, created_at=at
    )
