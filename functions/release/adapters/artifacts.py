"""The artifact bucket on S3."""

import hashlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.errors import ArtifactIncompleteError, ArtifactRejectedError
from release.ports import Member, StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 1 << 20

# Our functions may list the bucket, so a missing object is a 404; a 403 is a right that they lack and never an absence.
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
# Of several checksums the strongest names the object. Each counts only if it covers the whole object.
_CHECKSUMS = ("ChecksumSHA256", "ChecksumCRC64NVME", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumSHA1")


class S3ArtifactStore:
    def __init__(self, client: "S3Client", *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def sizes(self, prefix: str) -> dict[str, int]:
        pages = self._client.get_paginator("list_objects_v2")
        with translated(f"listing {prefix}"):
            return {
                found["Key"].removeprefix(prefix): found["Size"]
                for page in pages.paginate(Bucket=self._bucket, Prefix=prefix)
                for found in page.get("Contents", [])
            }

    def head(self, key: str) -> StoredObject | None:
        try:
            with translated(f"looking at {key}"):
                reply = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) in _NOT_FOUND:
                return None
            raise
        return _stored(reply)

    def read(self, key: str, *, start: int = 0, length: int | None = None, version_id: str | None = None) -> bytes:
        if length == 0:
            return b""
        options: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        if start or length:
            options["Range"] = f"bytes={start}-{start + length - 1 if length else ''}"
        try:
            with _present(key), translated(f"reading {key}"):
                return self._client.get_object(Bucket=self._bucket, Key=key, **options)["Body"].read()
        except ClientError as error:
            if code_of(error) != "InvalidRange":  # S3's word for a range that begins behind the end
                raise
            return b""

    def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with _present(key), translated(f"reading {key}"):
            for chunk in self._client.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def copy(self, key: str, target: str, size: int) -> None:
        """One request up to S3's limit of 5 GB for a single copy, parts above it; tags stay behind."""
        request: Any = {"Bucket": self._bucket, "Key": target, "CopySource": {"Bucket": self._bucket, "Key": key}}
        with _present(key), translated(f"copying {key} to {target}"):
            if size <= _SINGLE_COPY_BYTES:
                self._client.copy_object(**request, TaggingDirective="REPLACE")
            else:
                self._client.copy(**request, Config=_PARTS)

    def write(self, key: str, body: bytes) -> None:
        with translated(f"writing {key}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body)

    def write_stream(self, key: str, body: IO[bytes], size: int) -> str:
        counted = _Hashed(body)
        with translated(f"writing {key}"):
            self._client.upload_fileobj(cast("IO[bytes]", counted), self._bucket, key, Config=_IN_ORDER)
        if counted.size != size:
            raise ArtifactRejectedError(f"{key} ended after {counted.size} of {size} bytes; upload the tarball again")
        return counted.digest.hexdigest()

    def members(self, key: str, checksum: str) -> "Iterator[Member]":
        from release.adapters.tarballs import regular_members  # noqa: PLC0415 - tarfile, where a tarball is published

        with _present(key), translated(f"reading {key}"):
            reply = self._client.get_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        if _stored(reply).checksum != checksum:
            raise ArtifactRejectedError(f"{key} was replaced by another tarball meanwhile; seal the drop again")
        yield from regular_members(cast("IO[bytes]", reply["Body"]), key)


_SINGLE_COPY_BYTES = 5 * 10**9
_PARTS = TransferConfig(multipart_threshold=_SINGLE_COPY_BYTES, multipart_chunksize=512 * 2**20, max_concurrency=8)
_IN_ORDER = TransferConfig(multipart_chunksize=32 * 2**20, use_threads=False)


@contextmanager
def _present(key: str) -> "Iterator[None]":
    try:
        yield
    except ClientError as error:
        if code_of(error) not in _NOT_FOUND:
            raise
        raise ArtifactIncompleteError(f"{key} is not there yet; upload it") from error


def _stored(reply: "Mapping[str, Any]") -> StoredObject:
    full = _full_object_checksums(reply)
    name = next((name for name in _CHECKSUMS if name in full), None)
    etag = reply["ETag"].strip('"')
    checksum = f"{name.removeprefix('Checksum').lower()}:{full[name]}" if name else f"etag:{etag}"
    return StoredObject(reply["ContentLength"], checksum, full.get("ChecksumCRC32"))


def _full_object_checksums(reply: "Mapping[str, Any]") -> "dict[str, str]":
    """A multipart checksum that is made of the parts' checksums ends in `-<parts>` and says little about the bytes."""
    if reply.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    return {name: reply[name] for name in _CHECKSUMS if name in reply and "-" not in reply[name]}


class _Hashed:
    """A stream that remembers the digest and the size of what was read; not seekable, so it is read once, in order."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._body.read(size)
        self.digest.update(chunk)
        self.size += len(chunk)
        return chunk
