"""The way of an artifact into the bucket: what is missing, in parallel, checked whole by S3, and the seal last of all.

A run that is killed leaves files without a seal, which start nothing; the next one sends only what is not there. The
seal is written once: a conditional write, so that two runs cannot both start a rollout.
"""

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from release.domain.identity import drop_seal
from release.domain.keys import Drop
from slipway.artifacts import ArtifactFile, OnProgress, Progress, SealedDrop
from slipway.aws_errors import error_code
from slipway.errors import ArtifactChangedError, VersionSealedError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from s3transfer.futures import TransferFuture

_PART_BYTES = 16 * 2**20
_REQUESTS = 10
_SEAL_ATTEMPTS = 5
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
# S3's words for bytes that are not those of the declared checksum.
_WRONG_BYTES = frozenset({"BadDigest", "InvalidRequest.Checksum", "XAmzContentChecksumMismatch"})


def find_seal(s3: "S3Client", bucket: str, drop: Drop, manifest: dict[str, Any]) -> SealedDrop | None:
    """The drop, if this very manifest has sealed it already; None if nothing has.

    Raises:
        VersionSealedError: another manifest has sealed it.
    """
    try:
        found = s3.get_object(Bucket=bucket, Key=drop.key)
    except ClientError as error:
        if error_code(error) in _ABSENT:
            return None
        raise
    if _parsed(found["Body"].read()) != manifest:
        raise VersionSealedError(
            f"{drop.prefix} is sealed with other files or another config; choose another --version"
        )
    return SealedDrop(drop.prefix, drop_seal(bucket, drop.key, found.get("VersionId", "null")))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def upload(s3: "S3Client", bucket: str, drop: Drop, files: list[ArtifactFile], on_progress: OnProgress) -> None:
    """Send what the bucket lacks; S3 checks each whole file against the CRC-32 that is declared here.

    Raises:
        ArtifactChangedError: a file is not what its manifest declares.
    """
    held = _held(s3, bucket, drop, files)
    meter = _Meter(sum(file.size_bytes for file in files), on_progress)
    for file in files:
        if file.path in held:
            meter.count(file.path, file.size_bytes)
    config = TransferConfig(multipart_chunksize=_PART_BYTES, max_request_concurrency=_REQUESTS)
    with TransferManager(s3, config) as manager:
        sent = [
            (
                file,
                manager.upload(str(file.source), bucket, drop.prefix + file.path, _checks(file), [_Told(meter, file)]),
            )
            for file in files
            if file.path not in held
        ]
        for file, future in sent:
            try:
                future.result()
            except ClientError as error:
                if error_code(error) in _WRONG_BYTES:
                    raise ArtifactChangedError(
                        f"{file.path} is not what manifest.json declares; package it again, or delete manifest.json"
                    ) from error
                raise


def _checks(file: ArtifactFile) -> dict[str, str]:
    return {"ChecksumCRC32": file.crc32, "ChecksumType": "FULL_OBJECT"}


def _held(s3: "S3Client", bucket: str, drop: Drop, files: Iterable[ArtifactFile]) -> set[str]:
    """Paths of files that lie in the bucket byte for byte, by S3's own CRC-32 of the whole object."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=drop.prefix)
    sizes = {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}
    likely = [file for file in files if sizes.get(drop.prefix + file.path) == file.size_bytes]

    def is_held(file: ArtifactFile) -> bool:
        found = s3.head_object(Bucket=bucket, Key=drop.prefix + file.path, ChecksumMode="ENABLED")
        return found.get("ChecksumCRC32") == file.crc32

    with ThreadPoolExecutor(_REQUESTS) as pool:
        return {file.path for file, held in zip(likely, pool.map(is_held, likely), strict=True) if held}


def seal(s3: "S3Client", bucket: str, drop: Drop, manifest: dict[str, Any]) -> SealedDrop:
    """Write the manifest, the object that says that all others are there, unless it is there already.

    Raises:
        VersionSealedError: another manifest was faster.
    """
    body = json.dumps(manifest, indent=2).encode()
    for attempt in range(1, _SEAL_ATTEMPTS + 1):
        try:
            answer = s3.put_object(
                Bucket=bucket, Key=drop.key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
            return SealedDrop(drop.prefix, drop_seal(bucket, drop.key, answer.get("VersionId", "null")))
        except ClientError as error:
            # 412: somebody, perhaps an earlier attempt of ours, has sealed it. 409: somebody is about to.
            if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
            there = find_seal(s3, bucket, drop, manifest)
            if there is not None:
                return there
            if attempt == _SEAL_ATTEMPTS:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


class _Meter:
    """Bytes of the whole artifact, counted by many threads."""

    def __init__(self, total: int, on_progress: OnProgress) -> None:
        self._total, self._on_progress = total, on_progress
        self._done, self._lock = 0, threading.Lock()

    def count(self, path: str, delta: int) -> None:
        """Args: delta: bytes; negative when a part is sent again."""
        with self._lock:
            self._done += delta
            self._on_progress(Progress(path, self._done, self._total))


class _Told(BaseSubscriber):
    def __init__(self, meter: _Meter, file: ArtifactFile) -> None:
        self._count: Callable[[int], None] = lambda delta: meter.count(file.path, delta)

    def on_progress(self, future: "TransferFuture", bytes_transferred: int, **_: Any) -> None:  # noqa: ARG002 - by name
        self._count(bytes_transferred)
