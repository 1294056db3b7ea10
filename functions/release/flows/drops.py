"""What a source holds: its manifest, its files, and what is wrong with the manifest."""

from collections import Counter
from dataclasses import dataclass

from release.contracts.artifact import Manifest
from release.domain.identity import SealedFile, artifact_id
from release.domain.keys import MANIFEST, TARBALL, Source
from release.errors import ArtifactIncompleteError, InvalidInputError
from release.ports import ArtifactStore

_MAX_MANIFEST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Sealed:
    """Files as the artifact's id sees them.

    `problem` says why the manifest cannot be used. Such a manifest counts as one more file, so that the drop's id can
    never be that of a sound artifact with the same weights.
    """

    files: tuple[SealedFile, ...]
    manifest: Manifest
    problem: str = ""

    @property
    def artifact_id(self) -> str:
        return artifact_id(self.files)


def read_sealed(artifacts: ArtifactStore, source: Source, *, manifest_version: str | None = None) -> Sealed:
    """Read what the source holds now.

    Args:
        manifest_version: the S3 version of the manifest that sealed the drop; the newest if None.

    Raises:
        ArtifactIncompleteError: the tarball or the manifest is gone.
    """
    if source.is_tarball:
        found = artifacts.head(source.key)
        if found is None:
            raise ArtifactIncompleteError(f"{source.key} is not there; upload it again")
        return Sealed((SealedFile(TARBALL, found.size, found.checksum),), Manifest())
    text = artifacts.read(source.key + MANIFEST, version_id=manifest_version)
    manifest, problem = _parse(text)
    if manifest.files:
        declared = (SealedFile(file.path, file.size_bytes, f"sha256:{file.sha256}") for file in manifest.files)
        return Sealed(tuple(declared), manifest)
    return Sealed(_files_under(artifacts, source.key, with_manifest=bool(problem)), manifest, problem)


def _parse(text: bytes) -> tuple[Manifest, str]:
    if len(text) > _MAX_MANIFEST_BYTES:
        return Manifest(), f"{MANIFEST} has {len(text)} bytes, the limit is {_MAX_MANIFEST_BYTES}; list the files only"
    try:
        manifest = Manifest.parse_text(text)
    except InvalidInputError as error:
        return Manifest(), f"{MANIFEST} cannot be used: {error}"
    listed = Counter(file.path for file in manifest.files or ())
    if twice := sorted(path for path, times in listed.items() if times > 1):
        return Manifest(), f"{MANIFEST} lists {twice[0]} twice; list every file once"
    return manifest, ""


def _files_under(artifacts: ArtifactStore, prefix: str, *, with_manifest: bool) -> tuple[SealedFile, ...]:
    files = []
    for path in artifacts.sizes(prefix):
        if not path or (path == MANIFEST and not with_manifest):
            continue  # the empty path is the "folder" that the S3 console makes for the prefix itself
        found = artifacts.head(prefix + path)
        if found is not None:  # None: deleted since it was listed
            files.append(SealedFile(path, found.size, found.checksum))
    return tuple(files)
