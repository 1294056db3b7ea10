"""May this artifact be served? Reads names, sizes, headers and small documents; never the weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from release.contracts.artifact import Manifest
from release.contracts.steps import Judged, RolloutStep
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.examination import (
    INDEX,
    MAX_DOCUMENT_BYTES,
    content_problems,
    index_problems,
    is_weights,
    listing_problems,
    must_be_read,
)
from release.domain.keys import MANIFEST, Source
from release.domain.phases import Phase
from release.domain.safetensors import LENGTH_BYTES, MAX_HEADER_BYTES, HeaderError, header_length
from release.domain.truth import Verdict
from release.errors import ArtifactIncompleteError, ArtifactRejectedError
from release.flows.drops import Sealed, read_sealed
from release.flows.records import enter, entry, release_of, rollout_of
from release.ports import ArtifactStore, Clock, Member, ReleaseTable

MAX_SENTENCES = 5
"""Of a refusal; whoever mends five things finds the others by asking again."""


@dataclass(frozen=True, slots=True)
class Examining:
    table: ReleaseTable
    artifacts: ArtifactStore
    now: Clock

    def examine(self, step: RolloutStep) -> Judged:
        """Judge the rollout's artifact and record it as examined if it passes.

        Raises:
            ArtifactIncompleteError: files that the manifest lists have not arrived; the sentence names one.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        problems = self._problems(rollout, release_of(self.table, rollout))
        if problems:
            more = f"; and {len(problems) - MAX_SENTENCES} more" if len(problems) > MAX_SENTENCES else ""
            return Judged(verdict=Verdict.FAILED, reason="; ".join(problems[:MAX_SENTENCES]) + more)
        reason = f"the artifact at {rollout.source} keeps every rule"
        enter(self.table, rollout, entry(Phase.EXAMINED, reason, self.now()))
        return Judged(verdict=Verdict.PASSED, reason=reason)

    def _problems(self, rollout: RolloutItem, release: ReleaseItem) -> list[str]:
        source = Source.parse(rollout.source)
        if not source.bucket:
            return [f"the bytes of artifact {release.artifact_id} are no longer published; drop the artifact again"]
        sealed = read_sealed(self.artifacts, source)
        if sealed.problem:
            return [sealed.problem]
        if sealed.artifact_id != release.artifact_id:
            return [f"the files at {source} changed after the drop was sealed; upload {MANIFEST} again, last of all"]
        if source.is_tarball:
            return self._tarball_problems(source, sealed.files[0].checksum)
        files = {file.path: file.size for file in sealed.files}
        return listing_problems(files) or self._stored_problems(source, sealed, files)

    def _stored_problems(self, source: Source, sealed: Sealed, files: Mapping[str, int]) -> list[str]:
        held = self.artifacts.sizes(source.key)
        if INDEX in files and INDEX in held:
            # No waiting for a shard that nobody has announced.
            problems = index_problems(files, self.artifacts.read(source.key + INDEX, length=MAX_DOCUMENT_BYTES))
            if problems:
                return problems
        missing = sorted(files.keys() - held.keys())
        if missing:
            raise ArtifactIncompleteError(
                f"{missing[0]} is missing, one of {len(missing)} files that {MANIFEST} lists; upload them all"
            )
        return list(self._integrity_problems(source, sealed.manifest, held)) or self._content_problems(source, files)

    def _integrity_problems(self, source: Source, manifest: Manifest, held: Mapping[str, int]) -> Iterator[str]:
        for file in manifest.files or ():
            if held[file.path] != file.size_bytes:
                yield f"{file.path} has {held[file.path]} bytes, {MANIFEST} says {file.size_bytes}; upload it again"
            elif file.crc32:
                stored = self.artifacts.head(source.key + file.path)
                if stored and stored.crc32 and stored.crc32 != file.crc32:
                    yield f"{file.path} has CRC-32 {stored.crc32}, {MANIFEST} says {file.crc32}; upload it again"

    def _content_problems(self, source: Source, files: Mapping[str, int]) -> list[str]:
        documents = {path: self.artifacts.read(source.key + path) for path in files if must_be_read(path)}
        heads, broken = {}, []
        for path in filter(is_weights, sorted(files)):
            try:
                heads[path] = self._head(source.key + path, files[path])
            except HeaderError as error:
                broken.append(f"{path} {error}")
        return broken + content_problems(files, documents, heads)

    def _head(self, key: str, size: int) -> bytes:
        first = self.artifacts.read(key, length=LENGTH_BYTES)
        return first + self.artifacts.read(key, start=LENGTH_BYTES, length=header_length(first, size))

    def _tarball_problems(self, source: Source, checksum: str) -> list[str]:
        """One pass: what is wanted of each member is taken while its bytes go by."""
        files: dict[str, int] = {}
        documents: dict[str, bytes] = {}
        heads: dict[str, bytes] = {}
        try:
            for member in self.artifacts.members(source.key, checksum):
                if member.path in files:
                    return [f"{member.path} lies twice in {source.key}; pack it once"]
                files[member.path] = member.size
                if must_be_read(member.path):
                    documents[member.path] = member.body.read(MAX_DOCUMENT_BYTES)
                elif is_weights(member.path):
                    heads[member.path] = _head_of(member)
        except ArtifactRejectedError as error:
            return [str(error)]
        except HeaderError as error:
            return [f"{[*files][-1]} {error}"]
        return listing_problems(files) or content_problems(files, documents, heads)


def _head_of(member: Member) -> bytes:
    first = member.body.read(LENGTH_BYTES)
    return first + member.body.read(min(header_length(first, member.size), MAX_HEADER_BYTES))
