"""Who is who: ids are digests of content, so the same content always gets the same id, whoever computes it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

RELEASE_ID_LENGTH = 12


@dataclass(frozen=True, slots=True, order=True)
class SealedFile:
    """One file of an artifact as its id sees it.

    Args:
        size: bytes.
        checksum: algorithm-prefixed, such as `sha256:<hex>`, `crc64nvme:<base64>` or `etag:<opaque>`.
    """

    path: str
    size: int
    checksum: str


def canonical_json(value: Any) -> bytes:
    """One spelling per value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def artifact_id(files: Iterable[SealedFile]) -> str:
    """64 hex digits over the sorted files; the manifest's wording never matters, nor does the upload's order."""
    rows = [[file.path, file.size, file.checksum] for file in sorted(files)]
    return hashlib.sha256(canonical_json(rows)).hexdigest()


def release_id(endpoint: str, artifact: str, image: str, config: Mapping[str, Any]) -> str:
    """The first 12 hex digits of SHA-256 over the canonical JSON of the four.

    Args:
        artifact: artifact id.
        image: repository URI and digest.
        config: complete config as on the wire, camelCase.
    """
    four = {"endpoint": endpoint, "artifact": artifact, "image": image, "config": config}
    return hashlib.sha256(canonical_json(four)).hexdigest()[:RELEASE_ID_LENGTH]


def rollout_id(release: str, number: int) -> str:
    return f"{release}-{number}"


def drop_seal(bucket: str, key: str, version_id: str) -> str:
    """One upload of a sealing object; the version id keeps a second upload of the same key apart."""
    return f"s3://{bucket}/{key}?versionId={version_id}"


def push_seal(repository: str, digest: str, tag: str, endpoint: str) -> str:
    return f"ecr://{repository}@{digest}?endpoint={endpoint}&tag={tag}"


def seal_digest(seal: str) -> str:
    return hashlib.sha256(seal.encode()).hexdigest()
