"""The first step of an execution: whatever its input, from here on it is a rollout with a record."""

from dataclasses import dataclass

from release.contracts.machines import ManualInput, RegisteredInput, parse_release_input
from release.contracts.steps import ExecutionInput, Registered
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.keys import MANIFEST, TARBALL, Source, published_prefix
from release.domain.phases import has_ended
from release.domain.turns import ROLLBACK
from release.errors import InvalidInputError
from release.flows.drops import read_sealed
from release.flows.records import release_of, rollout_of
from release.flows.registration import Composer, Registrar, Wish
from release.flows.stamps import stamp
from release.ports import ArtifactStore, Clock, ReleaseTable

_BRINGS_AN_ARTIFACT = frozenset({"drop", "manual"})


@dataclass(frozen=True, slots=True)
class Registering:
    table: ReleaseTable
    artifacts: ArtifactStore
    registrar: Registrar
    composer: Composer
    now: Clock

    def register(self, step: ExecutionInput) -> Registered:
        """Find or make the execution's rollout.

        Raises:
            InvalidInputError: the input breaks its contract, names what does not exist, or a rollout that has ended
                or that another execution runs.
        """
        asked = parse_release_input(step.input)
        if isinstance(asked, RegisteredInput):
            rollout = rollout_of(self.table, asked.endpoint, asked.rollout_id)
        else:
            rollout = self.registrar.known(asked.endpoint, step.execution_arn) or self._by_hand(asked, step)
        self._check_free(rollout, step.execution_arn)
        self.table.note_execution(rollout, step.execution_arn)
        release = release_of(self.table, rollout)
        published = self._is_published(release)
        plan_only = isinstance(asked, ManualInput) and bool(asked.plan_only)
        if published and not plan_only and rollout.kind in _BRINGS_AN_ARTIFACT:
            # "Publish artifact" would note it, but has nothing to do for bytes that are there.
            self.table.note_artifact(rollout.endpoint, release.artifact_id, stamp(self.now()))
        return Registered(
            endpoint=rollout.endpoint,
            rollout_id=rollout.rollout_id,
            release_id=rollout.release_id,
            # A way back uses what was proved as it was proved, whatever the rules are by now.
            examined=published and rollout.kind == ROLLBACK,
            published=published,
            plan_only=plan_only,
        )

    def _check_free(self, rollout: RolloutItem, execution_arn: str) -> None:
        if has_ended(rollout.phase):
            raise InvalidInputError(
                f"rollout {rollout.rollout_id} has ended as {rollout.phase}: {rollout.reason}; start a new one"
            )
        if rollout.execution_arn not in {None, execution_arn}:
            raise InvalidInputError(
                f"rollout {rollout.rollout_id} is run by {rollout.execution_arn} already; start a new one"
            )

    def _by_hand(self, asked: ManualInput, step: ExecutionInput) -> RolloutItem:
        image = asked.image or self._image_for(asked.endpoint)
        source = self._source(asked.artifact)
        sealed = read_sealed(self.artifacts, source)
        published = source.key.startswith("published/")
        artifact = asked.artifact if published else sealed.artifact_id
        release = self.composer.release_of(asked.endpoint, artifact, image, sealed.manifest.config, asked.config)
        wish = Wish("manual", step.execution_arn, str(source), f"started by hand for {asked.artifact}")
        return self.registrar.register(release, wish)

    def _source(self, artifact: str) -> Source:
        if not artifact.startswith("models/"):
            source = Source.published(artifact)
            if not self.artifacts.sizes(source.key + MANIFEST):
                raise InvalidInputError(f"no artifact {artifact} was published; name the prefix of a drop instead")
            return source
        prefix = artifact.rstrip("/") + "/"
        held = self.artifacts.sizes(prefix)
        seal = next((name for name in (MANIFEST, TARBALL) if name in held), None)
        if seal is None:
            raise InvalidInputError(f"{prefix} holds neither {MANIFEST} nor {TARBALL}; upload one to seal the drop")
        return Source(prefix + (TARBALL if seal == TARBALL else ""), self.artifacts.bucket)

    def _image_for(self, endpoint: str) -> str:
        serving, newest = self.table.endpoint(endpoint), self.table.newest_image()
        image = (serving.image if serving else None) or (newest.image if newest else None)
        if image is None:
            raise InvalidInputError(f"endpoint {endpoint} has no image yet; push one or name it in the input")
        return image

    def _is_published(self, release: ReleaseItem) -> bool:
        """The completed manifest is written last, so where it lies everything lies."""
        return bool(self.artifacts.sizes(published_prefix(release.artifact_id) + MANIFEST))
