"""S3: bodies as they were sent, and checksums that say what they cover."""

import io
import re
import threading
from typing import Any

from moto.s3 import models, responses
from moto.s3.exceptions import S3ClientError

from local.moto_patches.patching import Patches
from local.moto_patches.s3_bodies import COMPUTABLE, body_of, checksum, in_base64

_ALGORITHMS = frozenset({"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"})
_TRAILER = re.compile(rb"x-amz-checksum-(\w+):([A-Za-z0-9+/=]+)\s*\Z")


def install(patches: Patches) -> None:
    _decode_chunks_in_one_pass(patches)
    _check_checksums(patches)
    _check_the_whole(patches)
    _say_what_a_checksum_covers(patches)
    _checksum_copies(patches)


def _decode_chunks_in_one_pass(patches: Patches) -> None:
    """moto decodes an aws-chunked body by copying all that came before for every chunk: 300 MB would take seconds."""

    def decode(_self: Any, body: Any) -> bytes:
        stream = io.BytesIO(body or b"0\r\n") if isinstance(body, bytes | None) else body
        chunks = []
        while size := int(stream.readline().split(b";")[0].strip() or b"0", 16):
            chunks.append(stream.read(size))
            stream.readline()
        return b"".join(chunks)

    patches.replace(responses.S3Response, "_handle_encoded_body", decode)


def _check_checksums(patches: Patches) -> None:
    """moto believes any checksum, and stores it only if `x-amz-sdk-checksum-algorithm` names it."""

    def get_checksum(self: responses.S3Response, response_headers: dict[str, Any]) -> tuple[str, str | None]:
        algorithm, sent = _sent_checksum(self)
        computed = None
        if algorithm in COMPUTABLE:
            body: Any = self.body or b""
            computed = in_base64(checksum(algorithm, body.encode() if isinstance(body, str) else body))
        if computed:
            _compare(algorithm, sent, computed)
        value = sent or computed
        if value is None:
            return "", None
        response_headers[f"x-amz-checksum-{algorithm.lower()}"] = value
        return algorithm, value

    patches.replace(responses.S3Response, "_get_checksum", get_checksum)


def _check_the_whole(patches: Patches) -> None:
    """moto believes what CompleteMultipartUpload says of the whole object."""
    request = threading.local()

    def post(self: responses.S3Response, *args: Any, **named: Any) -> Any:
        request.checksum = _sent_checksum(self)
        return post_original(self, *args, **named)

    def complete(self: models.FakeMultipart, listed: Any) -> Any:
        whole, etag, covered = complete_original(self, listed)
        algorithm, sent = request.checksum
        if covered and covered[0] == "FULL_OBJECT" and algorithm == self.metadata.get("x-amz-checksum-algorithm"):
            _compare(algorithm, sent, covered[1])
        return whole, etag, covered

    post_original = patches.replace(responses.S3Response, "_key_response_post", post)
    complete_original = patches.replace(models.FakeMultipart, "complete", complete)


def _compare(algorithm: str, sent: str | None, computed: str) -> None:
    if sent and sent != computed:
        message = f"The {algorithm} you specified, {sent}, did not match the calculated checksum, {computed}."
        raise S3ClientError("BadDigest", message)


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
        if src_key.checksum_type == "COMPOSITE" and src_key.checksum_algorithm in COMPUTABLE:
            copied.checksum_value = in_base64(checksum(src_key.checksum_algorithm, body_of(copied)))
        copied.checksum_type = "FULL_OBJECT" if copied.checksum_value else None

    original = patches.replace(models.S3Backend, "copy_object", copy_object)
