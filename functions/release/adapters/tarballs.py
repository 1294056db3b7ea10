"""Reading a gzipped tarball from front to back, as it comes over the wire, and trusting nothing in it."""

import tarfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from release.adapters.aws import translated
from release.errors import ArtifactRejectedError
from release.ports import Member

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_UNPACKED_BYTES = 64 * 10**9
"""A g5's local disk has 250 GB and more; a tarball that claims more than this is a mistake or an attack."""


def regular_members(stream: IO[bytes], key: str) -> "Iterator[Member]":
    """The regular files in `stream`, each readable until the next one is asked for.

    Args:
        key: names the tarball in errors.

    Raises:
        ArtifactRejectedError: no gzipped tarball, or one with links, devices, paths out of it, or too many bytes.
        ServiceUnavailableError: the stream broke off.
    """
    unpacked = 0
    with _unpacking(key), tarfile.open(fileobj=stream, mode="r|gz") as tarball:
        for entry in tarball:
            if entry.isdir():
                continue
            path = entry.name.removeprefix("./")
            _check(path, entry, key)
            unpacked += entry.size
            if unpacked > _MAX_UNPACKED_BYTES:
                raise ArtifactRejectedError(
                    f"{key} unpacks to more than {_MAX_UNPACKED_BYTES} bytes; upload the files instead"
                )
            body = tarball.extractfile(entry)
            if body is not None:  # never None for a regular file
                yield Member(path, entry.size, cast("IO[bytes]", _MemberBody(body, key)))


def _check(path: str, entry: tarfile.TarInfo, key: str) -> None:
    if not entry.isfile():
        raise ArtifactRejectedError(f"{path} in {key} is a link or a device; pack regular files only")
    if path.startswith("/") or ".." in path.split("/"):
        raise ArtifactRejectedError(f"{path} in {key} points out of the tarball; pack with relative paths")


@contextmanager
def _unpacking(key: str) -> "Iterator[None]":
    """Tell a broken tarball from a broken connection; some of the latter are OSErrors too, so they are sorted first."""
    try:
        with translated(f"reading {key}"):
            yield
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ArtifactRejectedError(f"{key} is not a readable gzipped tarball ({error}); upload it again") from error


class _MemberBody:
    """A member's bytes; what breaks while they are read is told as what breaks between two members."""

    def __init__(self, body: IO[bytes], key: str) -> None:
        self._body = body
        self._key = key

    def read(self, size: int = -1) -> bytes:
        with _unpacking(self._key):
            return self._body.read(size)
