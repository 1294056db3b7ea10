"""The artifact bucket in memory. It passes the port's test, as the adapter on S3 does."""

import base64
import hashlib
import io
import zlib
from collections.abc import Iterator
from typing import IO

from release.adapters.tarballs import regular_members
from release.errors import ArtifactIncompleteError, ArtifactRejectedError
from release.ports import Member, StoredObject


class FakeArtifacts:
    def __init__(self, bucket: str = "slipway-artifacts") -> None:
        self._bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.versions_read: list[str | None] = []

    @property
    def bucket(self) -> str:
        return self._bucket

    def sizes(self, prefix: str) -> dict[str, int]:
        found = {key: len(body) for key, body in sorted(self.objects.items()) if key.startswith(prefix)}
        return {key.removeprefix(prefix): size for key, size in found.items()}

    def head(self, key: str) -> StoredObject | None:
        body = self.objects.get(key)
        if body is None:
            return None
        crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        return StoredObject(len(body), f"crc32:{crc}", crc)

    def read(self, key: str, *, start: int = 0, length: int | None = None, version_id: str | None = None) -> bytes:
        self.versions_read.append(version_id)
        body = self._body(key)
        return body[start:] if length is None else body[start : start + length]

    def _body(self, key: str) -> bytes:
        if key not in self.objects:
            raise ArtifactIncompleteError(f"{key} is not there yet; upload it")
        return self.objects[key]

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self._body(key)).hexdigest()

    def copy(self, key: str, target: str, size: int) -> None:
        self.objects[target] = self._body(key)
        assert len(self.objects[target]) == size

    def write(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def write_stream(self, key: str, body: IO[bytes], size: int) -> str:
        self.objects[key] = body.read()
        if len(self.objects[key]) != size:
            raise ArtifactRejectedError(f"{key} ended after {len(self.objects[key])} of {size} bytes")
        return self.sha256(key)

    def members(self, key: str, checksum: str) -> Iterator[Member]:
        held = self.head(key)
        if held and held.checksum != checksum:
            raise ArtifactRejectedError(f"{key} was replaced by another tarball meanwhile; seal the drop again")
        yield from regular_members(io.BytesIO(self._body(key)), key)
