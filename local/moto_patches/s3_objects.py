"""S3: bodies as they were sent, and checksums that say what they cover."""

import io
import re
import threading
from collections.abc import Iterator
from typing import Any

from moto.s3 import models, responses
from moto.s3.exceptions import S3ClientError
from moto.s3.utils import compute_checksum

from local.moto_patches.patching import Patches

_READ_BYTES = 1024 * 1024
_ALGORITHMS = frozenset({"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"})
# The others need libraries that are not installed here; moto would answer a CRC32 in their name.
_COMPUTABLE = frozenset({"CRC32", "SHA1", "SHA256"})
_TRAILER = re.compile(rb"x-amz-checksum-(\w+):([A-Za-z0-9+/=]+)\s*\Z")


def install(patches: Patches) -> None:
    _decode_chunks_in_one_pass(patches)
    _check_checksums(patches)
    _say_what_a_checksum_covers(patches)
    _checksum_copies(patches)
    _read_only_what_is_asked_for(patches)


def _decode_chunks_in_one_pass(patches: Patches) -> None:
    """moto decodes an aws-chunked body by copying all that came before for every chunk: 300 MB would take seconds."""

    def decode(_self: Any, body: Any) -> bytes:
        stream = io.BytesIO(body or b"0\r\n") if isinstance(body, bytes | None) else body
        decoded = bytearray()
        while size := int(stream.readline().split(b";")[0].strip() or b"0", 16):
            decoded += stream.read(size)
            stream.readline()
        return bytes(decoded)

    patches.replace(responses.S3Response, "_handle_encoded_body", decode)


def _check_checksums(patches: Patches) -> None:
    """moto believes any checksum, and stores it only if `x-amz-sdk-checksum-algorithm` names it."""

    def get_checksum(self: responses.S3Response, response_headers: dict[str, Any]) -> tuple[str, str | None]:
        algorithm, sent = _sent_checksum(self)
        computed = None
        if algorithm in _COMPUTABLE:
            body: Any = self.body or b""
            computed = compute_checksum(body.encode() if isinstance(body, str) else body, algorithm).decode()
        if sent and computed and sent != computed:
            raise S3ClientError(
                "BadDigest",
                f"The {algorithm} you specified, {sent}, did not match the calculated checksum, {computed}.",
            )
        value = sent or computed
        if value is None:
            return "", None
        response_headers[f"x-amz-checksum-{algorithm.lower()}"] = value
        return algorithm, value

    patches.replace(responses.S3Response, "_get_checksum", get_checksum)


def _sent_checksum(request: responses.S3Response) -> tuple[str, str | None]:
    """Algorithm and value, from the headers or from the trailer of a chunked body."""
    for algorithm in _ALGORITHMS:
        if value := request.headers.get(f"x-amz-checksum-{algorithm.lower()}"):
            return algorithm, value
    if trailer := _TRAILER.search((request.raw_body or b"")[-256:]):
        return trailer[1].decode().upper(), trailer[2].decode()
    return request.headers.get("x-amz-sdk-checksum-algorithm", "").upper(), None


def _say_what_a_checksum_covers(patches: Patches) -> None:
    """moto's HeadObject gives a multipart object's checksum of checksums as if it were one of the bytes."""

    def put_object(self: models.S3Backend, *args: Any, **named: Any) -> models.FakeKey:
        key: models.FakeKey = put_original(self, *args, **named)
        if named.get("checksum_value"):
            key.checksum_type = "FULL_OBJECT"
        return key

    def head_object(self: responses.S3Response, bucket: str, query: Any, name: str, headers: Any) -> Any:
        status, answer, body = head_original(self, bucket, query, name, headers)
        if status == 200 and headers.get("x-amz-checksum-mode") == "ENABLED":  # noqa: PLR2004
            key = self.backend.head_object(bucket, name, query.get("versionId", [None])[0])
            answer.pop("x-amz-checksum-type", None)  # of the upload, which moto keeps among the object's metadata
            answer.update(_checksum_headers(key))
        return status, answer, body

    put_original = patches.replace(models.S3Backend, "put_object", put_object)
    head_original = patches.replace(responses.S3Response, "head_object", head_object)


def _checksum_headers(key: models.FakeKey | None) -> dict[str, str]:
    if key is None or not key.checksum_algorithm or not key.checksum_value:
        return {}
    parts = f"-{key.checksum_parts}" if key.checksum_type == "COMPOSITE" else ""
    return {
        f"x-amz-checksum-{key.checksum_algorithm.lower()}": f"{key.checksum_value}{parts}",
        "x-amz-checksum-type": key.checksum_type or "FULL_OBJECT",
    }


def _checksum_copies(patches: Patches) -> None:
    """moto gives a copy its source's checksum of parts; S3 copies into one object and computes its checksum."""

    def copy_object(
        self: models.S3Backend, src_key: models.FakeKey, bucket: str, name: str, *args: Any, **named: Any
    ) -> None:
        original(self, src_key, bucket, name, *args, **named)
        copied: Any = self.get_object(bucket, name)
        copied.multipart = None
        if src_key.checksum_type == "COMPOSITE" and src_key.checksum_algorithm in _COMPUTABLE:
            copied.checksum_value = compute_checksum(copied.value, src_key.checksum_algorithm).decode()
        copied.checksum_type = "FULL_OBJECT" if copied.checksum_value else None

    original = patches.replace(models.S3Backend, "copy_object", copy_object)


def _read_only_what_is_asked_for(patches: Patches) -> None:
    """moto loads a whole object for every GetObject: 1 KB of a 300 MB object took 0.4 s, a download 15 s."""
    answering = threading.local()

    def get_object(self: responses.S3Response) -> Any:
        answering.now = True
        try:
            return get_original(self)
        finally:
            answering.now = False

    def value(self: models.FakeKey) -> Any:
        return _Stored(self) if getattr(answering, "now", False) else whole.fget(self)

    whole: Any = models.FakeKey.value
    get_original = patches.replace(responses.S3Response, "get_object", get_object)
    patches.replace(models.FakeKey, "value", property(value, whole.fset))


class _Stored:
    """An object's bytes where moto keeps them; read when sliced or iterated over."""

    def __init__(self, key: models.FakeKey) -> None:
        self._key = key

    def __len__(self) -> int:
        return self._key.contentsize

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        buffer = self._key._value_buffer  # noqa: SLF001 - the only way to a part of it
        with self._key.lock:
            buffer.seek(start)
            return buffer.read(stop - start)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self), _READ_BYTES):
            yield self[start : start + _READ_BYTES]
