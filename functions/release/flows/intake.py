"""What uploads and pushes start: exactly one rollout each, however often and in whatever order their events come."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote_plus

from release.contracts.aws_events import EcrImageAction, ObjectCreated
from release.contracts.steps import ImageReceipt, Receipt
from release.contracts.table import EndpointItem, ImageItem, RolloutItem, WaitingItem
from release.domain.identity import drop_seal, push_seal
from release.domain.keys import TAG_PREFIX, TARBALL, Drop, NotADrop, Source, sealed_drop
from release.domain.phases import Phase
from release.errors import ReleaseError
from release.flows.drops import read_sealed
from release.flows.registration import Composer, Registrar, Wish
from release.flows.stamps import read_stamp, stamp
from release.ports import ArtifactStore, Machine, ReleaseTable


@dataclass(frozen=True, slots=True)
class Intake:
    table: ReleaseTable
    artifacts: ArtifactStore
    machine: Machine
    registrar: Registrar
    composer: Composer
    repository_uri: str

    def receive_artifact(self, event: ObjectCreated) -> Receipt:
        """Start the rollout of a sealed drop, or say why the object starts none."""
        bucket, uploaded = event.detail.bucket.name, event.detail.object
        if bucket != self.artifacts.bucket:
            return Receipt(reason=f"{bucket} is not the artifact bucket {self.artifacts.bucket}")
        drop = sealed_drop(self._real_key(uploaded.key))
        if isinstance(drop, NotADrop):
            return Receipt(reason=drop.reason)
        rollout = self.take_up(drop, uploaded.version_id, stamp(read_stamp(event.time)))
        if rollout is None:
            return Receipt(reason=f"{drop.key} waits for the first image; push one with a tag {TAG_PREFIX}*")
        return Receipt(rollout_id=rollout.rollout_id, reason=f"sealed by {drop.key}")

    def take_up(self, drop: Drop, version: str, at: str, *, overtaken_by: str = "") -> RolloutItem | None:
        """The rollout of a sealed drop, started; None: the drop waits for the first image.

        Args:
            version: the S3 version id of the object that sealed it.
            overtaken_by: the key of a later drop because of which this one is recorded and not started.
        """
        seal = drop_seal(self.artifacts.bucket, drop.key, version)
        known = self.registrar.known(drop.endpoint, seal)
        rollout = known or self._register_drop(drop, seal, version, at, overtaken_by)
        if rollout:
            self._start(rollout)
        return rollout

    def receive_image(self, event: EcrImageAction) -> ImageReceipt:
        """Roll the pushed image out with every endpoint's newest artifact, and start the drops that waited for it."""
        push, repository = event.detail, self.repository_uri.partition("/")[2]
        tag = push.image_tag or ""
        if (push.result, push.action_type) != ("SUCCESS", "PUSH") or push.repository_name != repository:
            return ImageReceipt(rollout_ids=(), reason=f"no successful push to {repository}")
        if not tag.startswith(TAG_PREFIX):
            return ImageReceipt(rollout_ids=(), reason=f"the tag {tag!r} does not begin with {TAG_PREFIX}")
        image = f"{self.repository_uri}@{push.image_digest}"
        # Remember first, look for waiting drops second: a drop looks for the image after it has begun to wait, so one
        # of the two always sees the other.
        self.table.push_image(
            ImageItem(pk="image", sk="newest", image=image, tag=tag, pushed_at=stamp(read_stamp(event.time)))
        )
        newest = self.table.newest_image()
        if newest and newest.pushed_at > stamp(read_stamp(event.time)):
            return ImageReceipt(rollout_ids=(), reason=f"{tag} comes late; {newest.tag} was pushed after it")
        ids = self._start_all(image, tag)
        return ImageReceipt(rollout_ids=ids, reason=f"{tag} is {image}; it starts {len(ids)} rollouts")

    def _start_all(self, image: str, tag: str) -> tuple[str, ...]:
        """Start what the image allows, on every endpoint.

        Raises:
            ReleaseError: the first refusal, when all the others have been started.
        """
        wants = [
            *(partial(self.start_waiting, waiting) for waiting in self.table.waiting()),
            *(partial(self.start_push, endpoint, image, tag) for endpoint in self.table.endpoints()),
        ]
        started, refused = [], []
        for want in wants:
            try:
                started.append(want())
            except ReleaseError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return tuple(rollout.rollout_id for rollout in started if rollout)

    def _real_key(self, key: str) -> str:
        """Sources disagree whether the event's key is URL-encoded, so the object itself decides; raw comes first."""
        decoded = unquote_plus(key)
        return key if decoded == key or self.artifacts.head(key) else decoded

    def _register_drop(
        self, drop: Drop, seal: str, version: str, at: str, overtaken_by: str = ""
    ) -> RolloutItem | None:
        """None: there is no image yet, and the drop waits for one."""
        image = self._image_for(drop.endpoint)
        if image is None:
            waiting = WaitingItem(
                pk="waiting",
                sk=f"endpoint#{drop.endpoint}",
                endpoint=drop.endpoint,
                prefix=drop.prefix,
                seal=seal,
                created_at=at,
            )
            self.table.wait_for_image(waiting)
            image = self._image_for(drop.endpoint)
            if image is None:
                return None
            self.table.stop_waiting(waiting)
        source = Source(drop.prefix + (TARBALL if drop.seal == TARBALL else ""), self.artifacts.bucket)
        sealed = read_sealed(self.artifacts, source, manifest_version=None if version == "null" else version)
        release = self.composer.release_of(drop.endpoint, sealed.artifact_id, image, sealed.manifest.config)
        reason, phase = f"sealed by {drop.key}", Phase.RECEIVED
        if overtaken_by:
            reason, phase = f"{reason}, whose event was lost; {overtaken_by} was sealed later", Phase.SKIPPED
        return self.registrar.register(release, Wish("drop", seal, str(source), reason, phase))

    def _image_for(self, endpoint: str) -> str | None:
        serving = self.table.endpoint(endpoint)
        if serving and serving.image:
            return serving.image
        newest = self.table.newest_image()
        return newest.image if newest else None

    def start_waiting(self, waiting: WaitingItem) -> RolloutItem | None:
        """The rollout of a drop that waited for the first image, started; None: there still is none."""
        location, _, version = waiting.seal.partition("?versionId=")
        drop = sealed_drop(location.removeprefix(f"s3://{self.artifacts.bucket}/"))
        if isinstance(drop, NotADrop):
            return None
        known = self.registrar.known(drop.endpoint, waiting.seal)
        rollout = known or self._register_drop(drop, waiting.seal, version, waiting.created_at)
        if rollout:
            self._start(rollout)
            self.table.stop_waiting(waiting)
        return rollout

    def start_push(self, endpoint: EndpointItem, image: str, tag: str) -> RolloutItem | None:
        """The rollout of a pushed image, started; None: the endpoint has had no artifact yet."""
        if endpoint.newest_artifact_id is None:
            return None
        repository, _, digest = image.partition("/")[2].partition("@")
        seal = push_seal(repository, digest, tag, endpoint.endpoint)
        rollout = self.registrar.known(endpoint.endpoint, seal)
        if rollout is None:
            source = Source.published(endpoint.newest_artifact_id)
            manifest = read_sealed(self.artifacts, source).manifest
            release = self.composer.release_of(endpoint.endpoint, endpoint.newest_artifact_id, image, manifest.config)
            wish = Wish("push", seal, str(source), f"image {image} was pushed")
            rollout = self.registrar.register(release, wish)
        self._start(rollout)
        return rollout

    def _start(self, rollout: RolloutItem) -> None:
        """Start the execution; again for a rollout that has not begun, because the first attempt's fate is unknown."""
        if rollout.phase is Phase.RECEIVED:
            self.machine.start(rollout.endpoint, rollout.rollout_id)
