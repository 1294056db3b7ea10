"""An artifact on this machine: which files it has, and what its manifest says."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.contracts.artifact import Manifest
from release.domain.keys import MANIFEST
from release.errors import InvalidInputError
from slipway.errors import ArtifactFolderError

_READ_BYTES = 4 * 1024 * 1024
_LONGEST_PATH = 255
_LARGE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Progress:
    path: str
    sent_bytes: int
    """Of the whole artifact, all files before this one included."""
    total_bytes: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class SealedDrop:
    """An uploaded artifact. Its seal is what the release table knows it by."""

    prefix: str
    seal: str


@dataclass(frozen=True)
class ArtifactFile:
    path: str
    source: Path
    size_bytes: int
    sha256: str
    crc32: str
    """Base64 of the big-endian CRC-32, as S3 writes it."""

    @classmethod
    def declared(cls, source: Path, entry: dict[str, Any]) -> "ArtifactFile":
        """As a manifest has it; raises KeyError for an entry without checksums."""
        return cls(entry["path"], source, entry["sizeBytes"], entry["sha256"], entry["crc32"])

    @classmethod
    def read(cls, root: Path, source: Path) -> "ArtifactFile":
        sha256, crc32 = hashlib.sha256(), 0
        with source.open("rb") as content:
            while block := content.read(_READ_BYTES):
                sha256.update(block)
                crc32 = zlib.crc32(block, crc32)
        return cls(
            path=source.relative_to(root).as_posix(),
            source=source,
            size_bytes=source.stat().st_size,
            sha256=sha256.hexdigest(),
            crc32=base64.b64encode(crc32.to_bytes(4, "big")).decode(),
        )

    def entry(self) -> dict[str, Any]:
        return {"path": self.path, "sizeBytes": self.size_bytes, "sha256": self.sha256, "crc32": self.crc32}


def read_artifact(directory: Path) -> list[ArtifactFile]:
    """Every file of the folder but the manifest and hidden ones, with its checksums.

    A large file that has not changed since the folder's manifest was written is not read again: S3 compares what it
    receives with the CRC-32 that the manifest declares. Nothing is left out because of its kind: whether a file may be
    served is for the examination to say.

    Raises:
        ArtifactFolderError: no such folder, no files, or a file that cannot be an S3 object of an artifact.
    """
    if not directory.is_dir():
        raise ArtifactFolderError(f"{directory} is not a folder; give the folder that holds config.json")
    sources = sorted(
        path
        for path in directory.rglob("*")
        if path.is_file() and path.relative_to(directory).as_posix() != MANIFEST and not _hidden(directory, path)
    )
    if not sources:
        raise ArtifactFolderError(f"{directory} holds no files; give the folder that holds config.json")
    for source in sources:
        _check(directory, source)
    declared = _declared(directory)
    return [declared.get(source) or ArtifactFile.read(directory, source) for source in sources]


def _declared(directory: Path) -> dict[Path, ArtifactFile]:
    """Large files as the folder's manifest declares them, where size and time say that they are still those."""
    manifest = directory / MANIFEST
    try:
        entries = json.loads(manifest.read_bytes())["files"]
        found = [ArtifactFile.declared(directory / entry["path"], entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # no manifest, or one that `manifest_of` will tell about
    written = manifest.stat().st_mtime_ns
    return {file.source: file for file in found if file.size_bytes >= _LARGE_BYTES and _unchanged(file, written)}


def _unchanged(file: ArtifactFile, written_ns: int) -> bool:
    if not file.source.is_file():
        return False
    found = file.source.stat()
    return found.st_size == file.size_bytes and found.st_mtime_ns <= written_ns


def _hidden(root: Path, path: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _check(root: Path, source: Path) -> None:
    path = source.relative_to(root).as_posix()
    if source.stat().st_size == 0:
        raise ArtifactFolderError(f"{path} has 0 bytes and SageMaker cannot load an empty object; delete the file")
    if any(character.isspace() for character in path):
        raise ArtifactFolderError(f"{path!r} has white space in its name; rename the file")
    if len(path.encode()) > _LONGEST_PATH:
        raise ArtifactFolderError(
            f"{path} is {len(path.encode())} bytes long, over the limit of {_LONGEST_PATH}; shorten the name"
        )


def manifest_of(directory: Path, files: list[ArtifactFile], config: dict[str, Any] | None) -> dict[str, Any]:
    """The full manifest: what the folder's own manifest.json says about the model, and what the files are.

    Args:
        config: overrides the folder's `config`; None keeps it.

    Raises:
        ArtifactFolderError: the folder's own manifest.json is no JSON object, or it or the config breaks its contract.
    """
    manifest: dict[str, Any] = {}
    own = directory / MANIFEST
    if own.is_file():
        try:
            manifest = json.loads(own.read_bytes())
        except ValueError as error:
            raise ArtifactFolderError(f"{own} is not JSON ({error}); mend or delete it") from error
        if not isinstance(manifest, dict):
            raise ArtifactFolderError(f"{own} is not a JSON object; mend or delete it")
    manifest.setdefault("name", directory.resolve().name)
    if config is not None:
        manifest["config"] = config
    manifest |= {"files": [file.entry() for file in files]}
    try:
        Manifest.parse(manifest)
    except InvalidInputError as error:
        raise ArtifactFolderError(f"no release can be made with this: {error}; mend {own} or the config") from error
    return manifest
