"""What events lost: drops and pushes that nobody took up, and waiting drops whose image has come."""

from dataclasses import dataclass, field

from release.contracts.table import EndpointItem, ImageItem, RolloutItem
from release.domain.identity import drop_seal, push_seal
from release.domain.keys import Drop, sealed_drop
from release.domain.lost import LOST_AFTER_S, Lost, Sealing, lost_drops
from release.domain.phases import SOUND, Phase
from release.errors import ReleaseError
from release.flows.intake import Intake
from release.flows.stamps import seconds_since, stamp
from release.ports import Clock, Listing, Pushes, ReleaseTable, SealedObject, Uploads


@dataclass
class Recovered:
    """What was done, by rollout id; `would`: in a dry run, what would have been."""

    started: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    would: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recovering:
    table: ReleaseTable
    uploads: Uploads
    pushes: Pushes
    intake: Intake
    now: Clock

    def recover(self, endpoint: str, *, dry_run: bool) -> Recovered:
        """Take up what was lost, by the path that its event would have taken; one refusal keeps nothing else back."""
        done = Recovered()
        listing = self.uploads.seals(endpoint)
        if not listing.complete:
            done.problems.append(
                f"models/{endpoint}/ holds more objects than a sweep lists; lost drops may hide among them, so delete "
                "old drops"
            )
        for lost in lost_drops(self._sealings(listing), self.now()):
            self._drop(lost, done, dry_run=dry_run)
        self._waiting(endpoint, done, dry_run=dry_run)
        self._push(endpoint, done, dry_run=dry_run)
        return done

    # Drops ---------------------------------------------------------------------------------------------------------

    def _sealings(self, listing: Listing) -> list[Sealing]:
        return [self._sealing(found) for found in listing.found if isinstance(sealed_drop(found.key), Drop)]

    def _sealing(self, found: SealedObject) -> Sealing:
        item = self.table.seal(drop_seal(self.intake.artifacts.bucket, found.key, found.version_id))
        rollout = self.table.rollout(item.endpoint, item.rollout_id) if item and item.rollout_id else None
        sound = rollout is not None and (rollout.phase in SOUND or rollout.phase in {Phase.RECEIVED, Phase.EXAMINED})
        return Sealing(found.key, found.version_id, found.at, seen=item is not None, sound=sound)

    def _drop(self, lost: Lost, done: Recovered, *, dry_run: bool) -> None:
        drop, sealing = sealed_drop(lost.sealing.key), lost.sealing
        if not isinstance(drop, Drop):
            return
        if dry_run:
            doing = f"pass over {sealing.key} for {lost.overtaken_by}" if lost.overtaken_by else f"start {sealing.key}"
            done.would.append(doing)
            return
        try:
            at = stamp(sealing.at)
            rollout = self.intake.take_up(drop, sealing.version_id, at, overtaken_by=lost.overtaken_by)
        except ReleaseError as error:
            done.problems.append(f"{sealing.key} was lost and cannot be started: {error}")
            return
        if rollout:
            (done.passed_over if lost.overtaken_by else done.started).append(rollout.rollout_id)

    # Pushes --------------------------------------------------------------------------------------------------------

    def _waiting(self, endpoint: str, done: Recovered, *, dry_run: bool) -> None:
        if self.table.newest_image() is None:
            return
        for drop in self.table.waiting():
            if drop.endpoint == endpoint and seconds_since(drop.created_at, self.now()) >= LOST_AFTER_S:
                if dry_run:
                    done.would.append(f"start {drop.prefix}, which waited for an image")
                elif rollout := self.intake.start_waiting(drop):
                    done.started.append(rollout.rollout_id)

    def _push(self, endpoint: str, done: Recovered, *, dry_run: bool) -> None:
        newest, serving = self.table.newest_image(), self.table.endpoint(endpoint)
        if newest is None or serving is None or not self._is_lost(newest, serving):
            return
        if dry_run:
            done.would.append(f"roll {newest.tag} out")
            return
        try:
            if rollout := self.intake.start_push(serving, newest.image, newest.tag):
                done.started.append(rollout.rollout_id)
        except ReleaseError as error:
            done.problems.append(f"the push of {newest.tag} was lost and cannot be started: {error}")

    def _is_lost(self, newest: ImageItem, serving: EndpointItem) -> bool:
        """The endpoint was there when the image was pushed, and nothing has brought it that image since."""
        if serving.newest_artifact_id is None or seconds_since(newest.pushed_at, self.now()) < LOST_AFTER_S:
            return False
        repository, _, digest = newest.image.partition("/")[2].partition("@")
        if self.table.seal(push_seal(repository, digest, newest.tag, serving.endpoint)):
            return False
        rollouts = self.table.rollouts(serving.endpoint)
        if not any(rollout.created_at < newest.pushed_at for rollout in rollouts):
            return False
        return not any(self._brings(rollout, newest) for rollout in rollouts)

    def _brings(self, rollout: RolloutItem, newest: ImageItem) -> bool:
        release = self.table.release(rollout.endpoint, rollout.release_id)
        return rollout.created_at >= newest.pushed_at and release is not None and release.image == newest.image
