"""S3: an object's bytes lie in one file, written once, hashed as they come in, shared with copies, read where asked."""

import base64
import hashlib
import os
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from moto.s3 import models, responses
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from local.moto_patches.patching import Patches

_IN_MEMORY_BYTES = 256 * 1024
_READ_BYTES = 1024 * 1024
# CRC32C and CRC64NVME need libraries that are not installed here; moto would answer a CRC32 in their name.
COMPUTABLE = frozenset({"CRC32", "SHA1", "SHA256"})
# Where moto passes an object's bytes on without looking at them.
_PASSING_ON = ("get_object", "copy_object", "upload_part_copy")


class Body:
    """The bytes of a stored object, which never change; read when sliced or iterated over."""

    def __init__(self, file: IO[bytes], size: int, md5: str | None = None) -> None:
        self._file = file
        self._size = size
        self.md5 = md5
        """In hex; None where it is not known without reading everything."""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        return os.pread(self._file.fileno(), stop - start, start) if start < stop else b""

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, self._size, _READ_BYTES):
            yield self[start : start + _READ_BYTES]

    def opened(self) -> IO[bytes]:
        """The same file with a position of its own; its disk space is free when the last user has closed it."""
        return Path(f"/proc/self/fd/{self._file.fileno()}").open("rb")


class _NewBody(Body):
    """The bytes of an object that is about to be: its file passes to it."""

    def opened(self) -> IO[bytes]:
        return self._file


def install(patches: Patches, folder: Path) -> None:
    """Keep objects in files without names in this folder, so that nothing of them outlives the process."""
    _pass_bytes_on_unread(patches)
    _keep_bodies_in_files(patches, folder)
    _join_parts_in_a_file(patches, folder)


def _pass_bytes_on_unread(patches: Patches) -> None:
    """moto loads a whole object for every GetObject and every copy: 1 KB of a 300 MB object took 0.4 s."""
    passing = threading.local()

    def value(self: models.FakeKey) -> Any:
        return body_of(self) if getattr(passing, "on", False) else whole.fget(self)

    def pass_on(name: str) -> None:
        def answer(self: responses.S3Response) -> Any:
            passing.on = True
            try:
                return original(self)
            finally:
                passing.on = False

        original = patches.replace(responses.S3Response, name, answer)

    whole: Any = models.FakeKey.value
    patches.replace(models.FakeKey, "value", property(value, whole.fset))
    for name in _PASSING_ON:
        pass_on(name)


def body_of(key: models.FakeKey) -> bytes | Body:
    buffer: Any = key._value_buffer  # noqa: SLF001 - the only way to a part of it
    if not isinstance(buffer, tempfile.SpooledTemporaryFile):
        etag = key.etag.strip('"')
        return Body(buffer, key.size, None if "-" in etag else etag)
    with key.lock:
        buffer.seek(0)
        content: bytes = buffer.read()
        return content


def pieces(body: bytes | Body) -> Iterable[bytes]:
    return [body] if isinstance(body, bytes) else body


def checksum(algorithm: str, body: bytes | Body) -> bytes:
    """Args:
    algorithm: MD5, or one of `COMPUTABLE`.
    """
    if algorithm == "CRC32":
        crc = 0
        for piece in pieces(body):
            crc = zlib.crc32(piece, crc)
        return crc.to_bytes(4, "big")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for piece in pieces(body):
        digest.update(piece)
    return digest.digest()


def _keep_bodies_in_files(patches: Patches, folder: Path) -> None:
    """moto writes a body to memory, then to a file, then reads it again for its ETag; a copy does it all once more."""

    def keep(self: Any, given: str | bytes | Body) -> None:
        body = given.encode() if isinstance(given, str) else given
        if isinstance(body, bytes) and len(body) <= _IN_MEMORY_BYTES:
            moto_value.fset(self, body)
            return
        self._value_buffer.close()
        self._value_buffer = _written(folder, body) if isinstance(body, bytes) else body.opened()
        self.contentsize = len(body)
        self._etag = self._etag or (body.md5 if isinstance(body, Body) else None) or checksum("MD5", body).hex()

    moto_value: Any = models.FakeKey.value
    patches.replace(models.FakeKey, "value", property(moto_value.fget, keep))


def _written(folder: Path, *bodies: bytes | Body) -> IO[bytes]:
    file = _nameless(folder)
    for body in bodies:
        file.writelines(pieces(body))
    file.flush()
    return file


def _nameless(folder: Path) -> IO[bytes]:
    """A file without a name, which may get one later; Python's own kind may not."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError:  # this file system has no files without names
        return tempfile.TemporaryFile(dir=folder)
    return os.fdopen(descriptor, "w+b")


def _join_parts_in_a_file(patches: Patches, folder: Path) -> None:
    """moto joins the parts in memory, four times over."""

    def complete(self: models.FakeMultipart, listed: Iterable[tuple[int, str]]) -> Any:
        parts = _listed_parts(self, listed)
        bodies = [body_of(part) for part in parts]
        whole = _NewBody(_written(folder, *bodies), sum(part.size for part in parts))
        etag = checksum("MD5", b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)).hex()
        return whole, f"{etag}-{len(parts)}", _checksum_of_parts(self.metadata, bodies, whole)

    patches.replace(models.FakeMultipart, "complete", complete)


def _listed_parts(upload: models.FakeMultipart, listed: Iterable[tuple[int, str]]) -> list[models.FakeKey]:
    parts = []
    for number, etag in listed:
        part = upload.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            raise InvalidPart
        parts.append(part)
    if any(part.size < S3_UPLOAD_PART_MIN_SIZE for part in parts[:-1]):
        raise EntityTooSmall
    if not parts:
        raise MalformedXML
    return parts


def _checksum_of_parts(
    asked: Mapping[str, str], parts: Sequence[bytes | Body], whole: Body
) -> tuple[str, str, int] | None:
    """Type, value and number of parts, as CreateMultipartUpload asked for them; None where nothing can be computed."""
    algorithm = asked.get("x-amz-checksum-algorithm")
    if algorithm not in COMPUTABLE:
        return None
    if asked.get("x-amz-checksum-type") == "FULL_OBJECT":
        return "FULL_OBJECT", in_base64(checksum(algorithm, whole)), 1
    of_parts = b"".join(checksum(algorithm, part) for part in parts)
    return "COMPOSITE", in_base64(checksum(algorithm, of_parts)), len(parts)


def in_base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
