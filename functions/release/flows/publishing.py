"""Copy what passed to where models point: written once, its manifest last, so that a half copy is never served."""

import json
from dataclasses import dataclass

from release.contracts.artifact import Manifest, ManifestFile
from release.contracts.steps import Published, RolloutStep
from release.contracts.table import ReleaseItem
from release.domain.identity import SealedFile
from release.domain.keys import MANIFEST, Source, published_prefix
from release.errors import ArtifactRejectedError
from release.flows.drops import Sealed, read_sealed
from release.flows.records import release_of, rollout_of
from release.flows.stamps import stamp
from release.ports import ArtifactStore, Clock, ReleaseTable, StoredObject

MAX_HASHED_BYTES = 512 * 2**20
"""A larger file is not read when S3 has compared the CRC that its manifest declares: the container verifies every
SHA-256 when it loads the model, and hashing it here would only take long."""


@dataclass(frozen=True, slots=True)
class Publishing:
    table: ReleaseTable
    artifacts: ArtifactStore
    now: Clock

    def publish(self, step: RolloutStep) -> Published:
        """Complete `published/<artifact id>/`; a second attempt goes on where the first one stopped.

        Raises:
            ArtifactRejectedError: a file's SHA-256 is not the one that the manifest declares, or the drop has changed.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release = release_of(self.table, rollout)
        target = published_prefix(release.artifact_id)
        there = self.artifacts.sizes(target)
        if MANIFEST in there:
            files = len(there) - 1
        else:
            source = Source.parse(rollout.source)
            take = self._unpack if source.is_tarball else self._copy
            manifest = take(source, release, target)
            self.artifacts.write(target + MANIFEST, json.dumps(manifest.wire(), indent=1, sort_keys=True).encode())
            files = len(manifest.files or ())
        self.table.note_artifact(step.endpoint, release.artifact_id, stamp(self.now()))
        return Published(artifact_id=release.artifact_id, files=files)

    def _copy(self, source: Source, release: ReleaseItem, target: str) -> Manifest:
        sealed = self._unchanged(source, release)
        declared = {file.path: file for file in sealed.manifest.files or ()}
        files = [self._copied(source, target, file, declared.get(file.path)) for file in sorted(sealed.files)]
        # Drops can be overwritten at any time; what was copied counts only if nothing changed from start to end.
        self._unchanged(source, release)
        return sealed.manifest.model_copy(update={"files": tuple(files)})

    def _unchanged(self, source: Source, release: ReleaseItem) -> Sealed:
        sealed = read_sealed(self.artifacts, source)
        if sealed.artifact_id != release.artifact_id:
            raise _changed(source)
        return sealed

    def _copied(self, source: Source, target: str, file: SealedFile, declared: ManifestFile | None) -> ManifestFile:
        """Prove the bytes first and copy them second: wrong ones under `published/` could never be taken away again."""
        key = source.key + file.path
        held = self.artifacts.head(key)
        proved = self._proved(key, file, declared, held)
        if self.artifacts.head(target + file.path) != held:
            self.artifacts.copy(key, target + file.path, file.size)
        if self.artifacts.head(key) != held:
            raise _changed(source)
        return proved

    def _proved(
        self, key: str, file: SealedFile, declared: ManifestFile | None, held: StoredObject | None
    ) -> ManifestFile:
        if declared and file.size > MAX_HASHED_BYTES and _crc_holds(declared, held):
            return declared
        sha256 = self.artifacts.sha256(key)
        if declared and declared.sha256 != sha256:
            raise ArtifactRejectedError(
                f"{file.path} has SHA-256 {sha256}, {MANIFEST} says {declared.sha256}; upload it again"
            )
        return declared or ManifestFile(path=file.path, size_bytes=file.size, sha256=sha256)

    def _unpack(self, source: Source, release: ReleaseItem, target: str) -> Manifest:
        (packed,) = self._unchanged(source, release).files
        files = [
            ManifestFile(
                path=member.path,
                size_bytes=member.size,
                sha256=self.artifacts.write_stream(target + member.path, member.body, member.size),
            )
            for member in self.artifacts.members(source.key, packed.checksum)
        ]
        return Manifest(files=tuple(sorted(files, key=lambda file: file.path)))


def _crc_holds(declared: ManifestFile, held: StoredObject | None) -> bool:
    return held is not None and declared.crc32 is not None and declared.crc32 == held.crc32


def _changed(source: Source) -> ArtifactRejectedError:
    return ArtifactRejectedError(f"the files at {source} changed after they were examined; seal the drop again")
