"""Model data on its way from S3 into the folder that a container reads."""

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from local.sagemaker.errors import not_emulated, validation

CHUNK_BYTES = 1 << 20
MAX_NAME_BYTES = 255


class ModelDataError(Exception):
    """The data cannot be laid out as a model folder; the message names the key and the reason."""


class Layout(Enum):
    PREFIX = "every object under the prefix, as files"
    OBJECT = "one object, as one file"
    ARCHIVE = "one gzip-compressed tar archive, unpacked"


@dataclass(frozen=True)
class ModelData:
    uri: str
    layout: Layout

    @property
    def bucket(self) -> str:
        return self.uri.removeprefix("s3://").partition("/")[0]

    @property
    def key(self) -> str:
        return self.uri.removeprefix("s3://").partition("/")[2]


def model_data_of(container: Mapping[str, Any]) -> ModelData | None:
    """Where a ContainerDefinition says that its data lie; None if it has none.

    Raises:
        AwsError: ValidationException: contradictory, or a form that the twin does not emulate.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    url = container.get("ModelDataUrl")
    if source and url:
        raise validation("Only one of ModelDataUrl and ModelDataSource can be specified in a container definition.")
    if not source and not url:
        return None
    for member in ("HubAccessConfig", "ManifestS3Uri", "ManifestEtag", "ETag"):
        if source and member in source:
            raise not_emulated(f"S3DataSource.{member}")
    data = ModelData(url, Layout.ARCHIVE) if url else ModelData(source["S3Uri"], _layout(source))
    if not data.uri.startswith("s3://"):
        raise not_emulated(f"model data at {data.uri}; write s3://<bucket>/<key>")
    if data.layout is Layout.PREFIX and not data.key.endswith("/"):
        raise validation(f"S3Uri {data.uri} must end with '/' because its S3DataType is S3Prefix.")
    return data


def _layout(source: Mapping[str, str]) -> Layout:
    kind = (source["S3DataType"], source["CompressionType"])
    if kind == ("S3Prefix", "Gzip"):
        raise not_emulated("S3DataType S3Prefix with CompressionType Gzip")
    return {"None": {"S3Prefix": Layout.PREFIX, "S3Object": Layout.OBJECT}, "Gzip": {"S3Object": Layout.ARCHIVE}}[
        kind[1]
    ][kind[0]]


def relative_paths(prefix: str, keys: Iterable[str]) -> dict[str, PurePosixPath]:
    """Which file each object under an S3 prefix becomes.

    Raises:
        ModelDataError: a key that SageMaker cannot turn into a file: a folder marker, a `.` or `..` segment, a name
            longer than 255 bytes, or a file where another key needs a folder.
    """
    paths = {key: PurePosixPath(key.removeprefix(prefix)) for key in keys}
    files = set(paths.values())
    for key, path in paths.items():
        segments = key.removeprefix(prefix).split("/")
        if any(segment in {"", ".", ".."} for segment in segments):
            raise ModelDataError(f"the key {key!r} has an empty, '.' or '..' segment and cannot become a file")
        longest = max(len(segment.encode()) for segment in segments)
        if longest > MAX_NAME_BYTES:
            raise ModelDataError(f"the key {key!r} has a name of {longest} bytes; the limit is {MAX_NAME_BYTES}")
        if clash := next((parent for parent in path.parents if parent in files), None):
            raise ModelDataError(f"the key {key!r} needs the folder {str(clash)!r}, which is a file")
    return paths


def is_readable(s3: Any, data: ModelData) -> bool:
    """Whether the first byte of the data is there and these credentials may read it."""
    try:
        key = data.key
        if data.layout is Layout.PREFIX:
            listing = s3.list_objects_v2(Bucket=data.bucket, Prefix=data.key, MaxKeys=1)
            key = listing["Contents"][0]["Key"]
        s3.head_object(Bucket=data.bucket, Key=key)
    except (ClientError, KeyError):
        return False
    return True


def fetch(s3: Any, data: ModelData, folder: Path, check: Callable[[], None]) -> None:
    """Lay the data out in `folder`, read-only.

    Args:
        check: called often; it raises to give the transfer up.

    Raises:
        ModelDataError: a key, an archive member or a transfer that cannot be used.
        Exception: whatever `check` raised.
    """
    folder.mkdir(parents=True)
    try:
        if data.layout is Layout.ARCHIVE:
            _unpack(s3, data, folder, check)
        else:
            for key, path in _keys(s3, data).items():
                _download(s3, data.bucket, key, folder / path, check)
    except (ClientError, BotoCoreError, HTTPError, tarfile.TarError, OSError) as error:
        raise ModelDataError(f"{data.uri}: {error}") from error
    _make_read_only(folder)


def _keys(s3: Any, data: ModelData) -> dict[str, PurePosixPath]:
    if data.layout is Layout.OBJECT:
        return {data.key: PurePosixPath(PurePosixPath(data.key).name)}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=data.bucket, Prefix=data.key)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    if not keys:
        raise ModelDataError(f"{data.uri}: no object lies under this prefix")
    return relative_paths(data.key, keys)


def _download(s3: Any, bucket: str, key: str, target: Path, check: Callable[[], None]) -> None:
    check()
    target.parent.mkdir(parents=True, exist_ok=True)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with body, target.open("wb") as file:
        for chunk in body.iter_chunks(CHUNK_BYTES):
            check()
            file.write(chunk)


class _CheckedReader(io.RawIOBase):
    """A body that is given up as soon as `check` raises; a tar archive is read through it."""

    def __init__(self, body: Any, check: Callable[[], None]) -> None:
        super().__init__()
        self._body = body
        self._check = check

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._check()
        data: bytes = self._body.read(size if size >= 0 else None)
        return data


def _unpack(s3: Any, data: ModelData, folder: Path, check: Callable[[], None]) -> None:
    body = s3.get_object(Bucket=data.bucket, Key=data.key)["Body"]
    with body, tarfile.open(fileobj=_CheckedReader(body, check), mode="r|gz") as archive:
        archive.extractall(folder, filter="data")


def _make_read_only(folder: Path) -> None:
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            (Path(place) / name).chmod(0o444)
        Path(place).chmod(0o555)


def remove(folder: Path) -> None:
    """Delete a folder of an instance, its read-only model data included."""
    for place, _, _ in os.walk(folder):
        Path(place).chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
