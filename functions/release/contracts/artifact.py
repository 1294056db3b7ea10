"""What the person who packages an artifact writes."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from release.contracts.base import Contract
from release.contracts.config import PartialConfig


class ManifestFile(Contract):
    path: Annotated[str, StringConstraints(pattern=r"^[^/\s][^\s]*$", max_length=255)]
    size_bytes: int = Field(ge=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    crc32: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{6}==$")] | None = None
    """Base64 of the big-endian CRC-32, as S3 writes x-amz-checksum-crc32."""


class RecipeInput(Contract):
    """A file that the artifact was made of."""

    path: Annotated[str, StringConstraints(max_length=255)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Recipe(Contract):
    """How the artifact was made; nothing reads it but people, and what compares two artifacts."""

    source: Annotated[str, StringConstraints(max_length=500)]
    revision: Annotated[str, StringConstraints(max_length=100)] = ""
    quantisation: Literal["none", "nf4", "int8"]
    chat_template: Literal["own", "chosen", "plain"]
    inputs: tuple[RecipeInput, ...]
    libraries: dict[str, str] = Field(default_factory=dict)
    """Name → version of what computed the weights."""


class Manifest(Contract):
    """`{}` is allowed: the files are then those under the prefix at the moment of the seal."""

    name: Annotated[str, StringConstraints(max_length=200)] | None = None
    license: Annotated[str, StringConstraints(max_length=200)] | None = None
    source: Annotated[str, StringConstraints(max_length=500)] | None = None
    recipe: Recipe | None = None
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1)] | None = None
    config: PartialConfig | None = None
