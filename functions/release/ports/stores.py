"""The artifact bucket, in the flows' words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`checksum` is over the whole object and algorithm-prefixed, or the ETag as `etag:…`; `crc32` is base64."""

    size: int
    checksum: str
    crc32: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file of a tarball; `body` can be read once, before the next member is asked for."""

    path: str
    size: int
    body: IO[bytes]


class ArtifactStore(Protocol):
    """The artifact bucket."""

    @property
    def bucket(self) -> str: ...

    def sizes(self, prefix: str) -> dict[str, int]:
        """Path below the prefix → bytes, of every object under it."""
        ...

    def head(self, key: str) -> StoredObject | None: ...

    def read(self, key: str, *, start: int = 0, length: int | None = None, version_id: str | None = None) -> bytes:
        """`length` bytes from `start`; fewer at the object's end.

        Raises:
            ArtifactIncompleteError: there is no such object.
        """
        ...

    def sha256(self, key: str) -> str:
        """Hex, by reading all of it."""
        ...

    def copy(self, key: str, target: str, size: int) -> None:
        """Server-side; any size.

        Raises:
            ArtifactIncompleteError: there is no such object.
        """
        ...

    def write(self, key: str, body: bytes) -> None: ...

    def write_stream(self, key: str, body: IO[bytes], size: int) -> str:
        """Write exactly `size` bytes from a stream; returns their SHA-256 in hex."""
        ...

    def members(self, key: str, checksum: str) -> Iterator[Member]:
        """The regular files of a gzipped tarball, in its order, read once from front to back.

        Args:
            checksum: of the tarball that is meant, as StoredObject has it; another may lie there by now.

        Raises:
            ArtifactRejectedError: another tarball, none at all, or one with links, devices, paths out of it, or too
                many bytes.
        """
        ...
