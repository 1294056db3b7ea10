"""Reading a gzipped tarball from front to back, as it comes over the wire, and trusting nothing in it."""

import gzip
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
_MAX_MEMBERS = 2000
_MAX_OVERHEAD_BYTES = 16 * 2**20
"""Of everything that is not a file's bytes: headers, long names, padding. Python reads a header into memory whole."""
_MAX_RATIO = 100
_RATIO_FROM_BYTES = 2**30
"""Trained weights hardly compress at all; what unpacks to a hundred times its size is a bomb."""


def regular_members(stream: IO[bytes], key: str) -> "Iterator[Member]":
    """The regular files in `stream`, each readable until the next one is asked for.

    Args:
        key: names the tarball in errors.

    Raises:
        ArtifactRejectedError: no gzipped tarball; one with links, devices, sparse files or paths out of it; or too many
            members or bytes.
        ServiceUnavailableError: the stream broke off.
    """
    packed = _Counted(stream)
    plain = _Bounded(gzip.GzipFile(fileobj=cast("IO[bytes]", packed), mode="rb"), packed, key)
    with _unpacking(key), tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r|") as tarball:
        for number, entry in enumerate(tarball, 1):
            path = entry.name.removeprefix("./")
            _check(path, entry, key)
            if number > _MAX_MEMBERS:
                raise ArtifactRejectedError(
                    f"{key} holds more than {_MAX_MEMBERS} members; leave out what is not served"
                )
            if entry.isdir():
                continue
            plain.expect(entry.size)
            body = tarball.extractfile(entry)
            if body is not None:  # never None for a regular file
                yield Member(path, entry.size, cast("IO[bytes]", _MemberBody(body, key)))
        plain.drain()


def _check(path: str, entry: tarfile.TarInfo, key: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise ArtifactRejectedError(f"{path} in {key} points out of the tarball; pack with relative paths")
    if entry.issparse():
        raise ArtifactRejectedError(f"{path} in {key} is a sparse file; pack it without --sparse")
    if not entry.isfile() and not entry.isdir():
        raise ArtifactRejectedError(f"{path} in {key} is a link or a device; pack regular files only")


@contextmanager
def _unpacking(key: str) -> "Iterator[None]":
    """Tell a broken tarball from a broken connection; some of the latter are OSErrors too, so they are sorted first."""
    try:
        with translated(f"reading {key}"):
            yield
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ArtifactRejectedError(f"{key} is not a readable gzipped tarball ({error}); upload it again") from error


class _Counted:
    """The compressed bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.size += len(chunk)
        return chunk


class _Bounded:
    """The plain bytes, as many as the members explain."""

    def __init__(self, plain: gzip.GzipFile, packed: _Counted, key: str) -> None:
        self._plain, self._packed, self._key = plain, packed, key
        self._read = self._expected = 0

    def expect(self, size: int) -> None:
        """A member of this size comes next."""
        self._expected += size
        if self._expected > _MAX_UNPACKED_BYTES:
            raise ArtifactRejectedError(
                f"{self._key} unpacks to more than {_MAX_UNPACKED_BYTES} bytes; upload the files instead"
            )

    def read(self, size: int = -1) -> bytes:
        chunk = self._plain.read(size)
        self._read += len(chunk)
        if self._read > self._expected + _MAX_OVERHEAD_BYTES:
            raise ArtifactRejectedError(
                f"{self._key} holds more than {_MAX_OVERHEAD_BYTES} bytes that belong to no file; pack it again"
            )
        if self._read > max(_RATIO_FROM_BYTES, _MAX_RATIO * self._packed.size):
            raise ArtifactRejectedError(
                f"{self._key} unpacks to more than {_MAX_RATIO} times its size; upload the files instead"
            )
        return chunk

    def drain(self) -> None:
        """To the end, where gzip's checksum stands."""
        while self.read(1 << 16):
            pass


class _MemberBody:
    """A member's bytes; what breaks while they are read is told as what breaks between two members."""

    def __init__(self, body: IO[bytes], key: str) -> None:
        self._body = body
        self._key = key

    def read(self, size: int = -1) -> bytes:
        with _unpacking(self._key):
            return self._body.read(size)
