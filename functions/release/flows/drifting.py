"""Looking for drift at one endpoint, mending what can be made again from the records, and telling the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

from release.contracts.sweep import DriftFound
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.drift import (
    Drift,
    DriftKind,
    PublishedFile,
    Told,
    artifact_drift,
    endpoint_drift,
    news,
)
from release.domain.keys import MANIFEST, Source, published_prefix
from release.domain.ledger import Happened, Head, verify_chain
from release.domain.names import Names
from release.domain.phases import Phase
from release.domain.plan import Strategy
from release.errors import ArtifactIncompleteError, RolloutFailedError
from release.flows.building import Green, Where, ensure_alarms, ensure_green
from release.flows.commands import rollback_command, why_command
from release.flows.drops import read_sealed
from release.flows.records import release_of
from release.flows.stamps import stamp
from release.ports import (
    Alarms,
    ArtifactStore,
    Clock,
    Deed,
    DriftNews,
    Images,
    Inventory,
    Metrics,
    Pushes,
    ReleaseTable,
    Scaling,
    Serving,
    Uploads,
    Written,
)

SWEEP = "sweep"
_WATCHED = frozenset({Phase.SHIFTING, Phase.BAKING})


@dataclass(frozen=True, slots=True)
class Ground:
    """What drift can be seen in."""

    serving: Serving
    inventory: Inventory
    alarms: Alarms
    metrics: Metrics
    artifacts: ArtifactStore
    uploads: Uploads
    images: Images
    pushes: Pushes
    scaling: Scaling


@dataclass(frozen=True, slots=True)
class Drifting:
    table: ReleaseTable
    ground: Ground
    listeners: DriftNews
    stack: str
    where: Where
    now: Clock

    def look(self, endpoint: str, *, dry_run: bool) -> list[Drift]:
        """Every difference at the endpoint; in a dry run nothing is mended and nobody told."""
        found = [*self._ledger(endpoint), *self._alarms(endpoint, mend=not dry_run)]
        record = self.table.endpoint(endpoint)
        live = self.table.rollout(endpoint, record.live_rollout_id) if record and record.live_rollout_id else None
        if live:
            found += [*self._endpoint(live), *self._of_release(live, mend=not dry_run)]
            found += self._scaling(live, mend=not dry_run)
        if not dry_run:
            self._tell(endpoint, found)
        return found

    def _tell(self, endpoint: str, found: list[Drift]) -> None:
        """Into the ledger and to listeners what is new, and into the ledger what is gone."""
        lines = [line for line in self.table.ledger(endpoint) if line.evidence and "kind" in line.evidence]
        told = [
            Told(line.evidence["kind"], line.evidence["subject"], line.event is Happened.DRIFT_ENDED)
            for line in lines
            if line.evidence and (line.event is Happened.DRIFT_ENDED or line.evidence.get("mended") != "yes")
        ]
        new, gone = news(found, told)
        for drift in new:
            evidence = {"kind": str(drift.kind), "subject": drift.subject, "mended": "yes" if drift.mended else "no"}
            # Told first: a sweep that dies between the two tells twice, and never not at all.
            self.listeners.drift_found(self._news(endpoint, drift))
            self._note(endpoint, Happened.DRIFT_FOUND, drift.reason, evidence)
        for kind, subject in gone:
            evidence = {"kind": kind, "subject": subject}
            self._note(endpoint, Happened.DRIFT_ENDED, f"{subject} is as its record says again", evidence)

    def _news(self, endpoint: str, drift: Drift) -> DriftFound:
        versions = f"aws s3api list-object-versions --bucket {self.where.bucket} --prefix {drift.subject}"
        return DriftFound(
            stack=self.stack,
            endpoint=endpoint,
            kind=drift.kind,
            subject=drift.subject,
            reason=drift.reason,
            mended=drift.mended,
            undo=drift.undo,
            look=versions if drift.kind is DriftKind.ARTIFACT_CHANGED else why_command(endpoint),
        )

    def _note(self, endpoint: str, happened: Happened, reason: str, evidence: dict[str, str]) -> None:
        self.table.note(endpoint, Deed(happened, SWEEP, reason, stamp(self.now()), evidence=evidence))

    # The records -----------------------------------------------------------------------------------------------------

    def _ledger(self, endpoint: str) -> Iterator[Drift]:
        record = self.table.endpoint(endpoint)
        if record is None or record.ledger_seq is None or record.ledger_hash is None:
            return
        lines = [line.wire() for line in self.table.ledger(endpoint)]
        problem = verify_chain(lines, Head(record.ledger_seq, record.ledger_hash))
        if problem:
            reason = f"the ledger of endpoint {endpoint} is broken from line {problem.seq} on: {problem.reason}"
            subject = f"ledger of {endpoint}, line {problem.seq}"
            yield Drift(DriftKind.LEDGER_BROKEN, subject, f"{reason}; compare it with the table's backup")

    # A rollout that moves traffic --------------------------------------------------------------------------------

    def _alarms(self, endpoint: str, *, mend: bool) -> Iterator[Drift]:
        names = Names(self.stack, endpoint)
        for rollout in self.table.rollouts(endpoint):
            if rollout.phase not in _WATCHED or _is_first(rollout):
                continue
            wanted = names.alarms(rollout.rollout_id)
            missing = [name for name in wanted if name not in self.ground.alarms.states(wanted)]
            if missing and mend:
                ensure_alarms(self.ground.alarms, self.ground.metrics, names, rollout.rollout_id)
            done = "it was made again" if mend else "the sweep makes it again"
            for name in missing:
                reason = f"alarm {name} was deleted while rollout {rollout.rollout_id} is {rollout.phase}; {done}"
                yield Drift(DriftKind.ALARM_GONE, name, reason, mended=mend)

    # What serves -----------------------------------------------------------------------------------------------------

    def _endpoint(self, live: RolloutItem) -> Iterator[Drift]:
        names = Names(self.stack, live.endpoint)
        state = self.ground.serving.describe(names.sagemaker_endpoint)
        if self._is_anothers(live):
            return
        drift = endpoint_drift(
            state,
            endpoint_name=names.sagemaker_endpoint,
            live_config=names.of_rollout(live.rollout_id),
            back=rollback_command(live.endpoint, live.release_id),
        )
        if drift:
            yield drift

    def _is_anothers(self, live: RolloutItem) -> bool:
        """Asked after a look: a rollout that took the lease before it may have changed what was seen."""
        record = self.table.endpoint(live.endpoint)
        held = self.table.lease_holder(live.endpoint, stamp(self.now()))
        return bool(held) or record is None or record.live_rollout_id != live.rollout_id

    def _scaling(self, live: RolloutItem, *, mend: bool) -> Iterator[Drift]:
        """A target that is gone, or that a rollout suspended and never resumed."""
        name, bounds = Names(self.stack, live.endpoint).sagemaker_endpoint, release_of(self.table, live).config.scaling
        state = self.ground.serving.describe(name)
        if bounds is None or state is None or self.ground.scaling.is_at_work(name) or self._is_anothers(live):
            return
        done = "the sweep lets it scale again"
        if mend:
            try:
                self.ground.scaling.ensure(name, bounds)
            except RolloutFailedError as error:
                mend, done = False, str(error)
            else:
                done = f"it scales again, {bounds.sentence()}"
        yield Drift(DriftKind.SCALING_LOST, name, f"endpoint {name} does not scale, its release does; {done}", mend)

    def _of_release(self, live: RolloutItem, *, mend: bool) -> Iterator[Drift]:
        release = release_of(self.table, live)
        yield from self._made(live, release, mend=mend)
        if not self.ground.images.exists(release.image):
            reason = f"image {release.image} is gone from the registry, and the endpoint cannot scale out"
            yield Drift(DriftKind.IMAGE_GONE, release.image, f"{reason}; push it again")
        yield from self._tag(release)
        yield from self._bytes(release)

    def _made(self, live: RolloutItem, release: ReleaseItem, *, mend: bool) -> Iterator[Drift]:
        name = Names(self.stack, live.endpoint).of_rollout(live.rollout_id)
        gone = [
            (kind, what)
            for kind, what, there in (
                (DriftKind.MODEL_GONE, "model", self.ground.inventory.has_model(name)),
                (DriftKind.CONFIG_GONE, "endpoint config", self.ground.inventory.has_config(name)),
            )
            if not there
        ]
        done = "the sweep makes it again from its record"
        if gone and mend:
            fleet_size = live.plan.fleet_size if live.plan else 0
            try:
                ensure_green(self.ground.serving, name, Green(release, live, fleet_size), self.where)
            except RolloutFailedError as error:
                mend, done = False, str(error)
            else:
                done = "it was made again from its record"
        for kind, what in gone:
            yield Drift(kind, name, f"{what} {name} of the live release was deleted; {done}", mended=mend)

    def _tag(self, release: ReleaseItem) -> Iterator[Drift]:
        newest = self.table.newest_image()
        if newest is None or newest.image != release.image:
            return
        digest = self.ground.pushes.digest_of(newest.tag)
        if digest and digest != newest.image.partition("@")[2]:
            reason = f"tag {newest.tag} points to {digest} now, release {release.release_id} runs {release.image}"
            yield Drift(DriftKind.TAG_MOVED, newest.tag, f"{reason} by digest; push under a new tag to release it")

    def _bytes(self, release: ReleaseItem) -> Iterator[Drift]:
        prefix = published_prefix(release.artifact_id)
        found = published_files(self.ground.uploads.written(prefix))
        manifest = found.pop(MANIFEST, None)
        try:
            files = read_sealed(self.ground.artifacts, Source(prefix)).manifest.files or ()
        except ArtifactIncompleteError:
            files = ()
        if manifest is None or not files:
            reason = f"{prefix}{MANIFEST} is missing or unreadable; restore its first version"
            yield Drift(DriftKind.ARTIFACT_CHANGED, prefix + MANIFEST, reason)
            return
        yield from artifact_drift(prefix, {file.path: file.size_bytes for file in files}, found)


def published_files(written: list[Written]) -> dict[str, PublishedFile]:
    """What lies under a prefix now, and how many different contents were ever written there."""
    contents: dict[str, set[str]] = {}
    for version in written:
        if not version.deleted:
            contents.setdefault(version.path, set()).add(version.etag)
    return {
        version.path: PublishedFile(version.size, len(contents[version.path]))
        for version in written
        if version.latest and not version.deleted
    }


def _is_first(rollout: RolloutItem) -> bool:
    return rollout.plan is None or rollout.plan.strategy is Strategy.FIRST_RELEASE
