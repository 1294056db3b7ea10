"""What the person who packages an artifact writes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from release.contracts.base import Contract
from release.contracts.config import PartialConfig


class ManifestFile(Contract):
    path: Annotated[str, StringConstraints(pattern=r"^[^/\s][^\s]*$", max_length=255)]
    size_bytes: int = Field(ge=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    crc32: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{6}==$")] | None = None
    """Base64 of the big-endian CRC-32, as S3 writes x-amz-checksum-crc32."""


class Manifest(Contract):
    """`{}` is allowed: the files are then those under the prefix at the moment of the seal."""

    name: Annotated[str, StringConstraints(max_length=200)] | None = None
    license: Annotated[str, StringConstraints(max_length=200)] | None = None
    source: Annotated[str, StringConstraints(max_length=500)] | None = None
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1)] | None = None
    config: PartialConfig | None = None
