"""Copy what passed to where models point: written once, its manifest last, so that a half copy is never served."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from release.contracts.artifact import Manifest, ManifestFile
from release.contracts.steps import Published, RolloutStep
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.identity import SealedFile
from release.domain.keys import MANIFEST, Source, published_prefix
from release.errors import ArtifactRejectedError
from release.flows.drops import Sealed, read_sealed
from release.flows.records import release_of, rollout_of
from release.flows.stamps import stamp
from release.ports import ArtifactStore, Clock, ReleaseTable

MAX_HASHED_BYTES = 512 * 2**20
"""A declared SHA-256 of a larger file is not recomputed here: its size and CRC were compared, and the container
verifies every SHA-256 when it loads the model."""


@dataclass(frozen=True, slots=True)
class Publishing:
    table: ReleaseTable
    artifacts: ArtifactStore
    now: Clock

    def publish(self, step: RolloutStep) -> Published:
        """Complete `published/<artifact id>/`; a second attempt goes on where the first one stopped.

        Raises:
            ArtifactRejectedError: a file's SHA-256 is not the one that the manifest declares.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release = release_of(self.table, rollout)
        target = published_prefix(release.artifact_id)
        there = self.artifacts.sizes(target)
        if MANIFEST in there:
            files = len(there) - 1
        else:
            source = Source.parse(rollout.source)
            packed = source.is_tarball
            manifest = self._unpack(source, target) if packed else self._copy(rollout, release, target, there)
            self.artifacts.write(target + MANIFEST, json.dumps(manifest.wire(), indent=1, sort_keys=True).encode())
            files = len(manifest.files or ())
        self.table.note_artifact(step.endpoint, release.artifact_id, stamp(self.now()))
        return Published(artifact_id=release.artifact_id, files=files)

    def _copy(self, rollout: RolloutItem, release: ReleaseItem, target: str, there: Mapping[str, int]) -> Manifest:
        source = Source.parse(rollout.source)
        sealed = self._unchanged(source, release)
        declared = {file.path: file for file in sealed.manifest.files or ()}
        for file in sealed.files:
            if there.get(file.path) != file.size:
                self.artifacts.copy(source.key + file.path, target + file.path, file.size)
        # Drops can be overwritten at any time; what was copied counts only if nothing changed from start to end.
        self._unchanged(source, release)
        files = [self._completed(target, file, declared.get(file.path)) for file in sorted(sealed.files)]
        return sealed.manifest.model_copy(update={"files": tuple(files)})

    def _unchanged(self, source: Source, release: ReleaseItem) -> Sealed:
        sealed = read_sealed(self.artifacts, source)
        if sealed.artifact_id != release.artifact_id:
            raise ArtifactRejectedError(f"the files at {source} changed after they were examined; seal the drop again")
        return sealed

    def _completed(self, target: str, file: SealedFile, declared: ManifestFile | None) -> ManifestFile:
        if declared and file.size > MAX_HASHED_BYTES:
            return declared
        sha256 = self.artifacts.sha256(target + file.path)
        if declared and declared.sha256 != sha256:
            raise ArtifactRejectedError(
                f"{file.path} has SHA-256 {sha256}, {MANIFEST} says {declared.sha256}; upload it again"
            )
        return declared or ManifestFile(path=file.path, size_bytes=file.size, sha256=sha256)

    def _unpack(self, source: Source, target: str) -> Manifest:
        files = [
            ManifestFile(
                path=member.path,
                size_bytes=member.size,
                sha256=self.artifacts.write_stream(target + member.path, member.body, member.size),
            )
            for member in self.artifacts.members(source.key)
        ]
        return Manifest(files=tuple(sorted(files, key=lambda file: file.path)))
