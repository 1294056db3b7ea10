"""Answers about the past: what served when, and where a release comes from."""

from typing import Annotated

from pydantic import Field

from release.contracts.base import Actor, ArtifactId, Contract, Image, ReleaseId, RolloutId, Timestamp
from release.contracts.config import Config
from release.contracts.table import GateItem
from release.domain.ledger import Happened
from release.domain.phases import Phase


class Ran(Contract):
    """Answer of `what-ran`.

    Args:
        since, until: when the release went live, and when another took its place; no `until`: it serves.
        by: who made it live, as the ledger says.
        ledger: empty if the whole ledger is as it was written; otherwise what is wrong with it.
    """

    at: Timestamp
    release_id: ReleaseId
    rollout_id: RolloutId
    artifact_id: ArtifactId
    image: Image
    since: Timestamp
    until: Timestamp | None = None
    by: Actor
    ledger: str


class Verified(Contract):
    """Files by how they were compared with the manifest: by S3's CRC-32, by reading them, or by their size alone."""

    crc32: int = Field(ge=0)
    sha256: int = Field(ge=0)
    size: int = Field(ge=0)


class Deed(Contract):
    """One line of the ledger about the release."""

    at: Timestamp
    by: Actor
    event: Happened
    rollout_id: RolloutId | None = None
    phase: Phase | None = None
    reason: str


class Attempt(Contract):
    """One rollout of the release."""

    rollout_id: RolloutId
    kind: str
    source: str
    phase: Phase
    at: Timestamp
    gates: tuple[GateItem, ...] = ()


class Provenance(Contract):
    """Answer of `provenance`: from a release's id to its artifact's bytes.

    Args:
        id_proved: the artifact's id was computed again from the files' checksums, and is the same.
        problems: what is not as the manifest says, each a sentence; none: the bytes are those that were released.
        history: the newest 100 lines.
        ledger: empty if the whole ledger is as it was written; otherwise what is wrong with it.
    """

    release_id: ReleaseId
    artifact_id: ArtifactId
    image: Image
    config: Config
    created_at: Timestamp
    name: str = ""
    license: str = ""
    origin: str = ""
    files: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    verified: Verified
    id_proved: bool
    problems: tuple[str, ...]
    rollouts: tuple[Attempt, ...]
    history: Annotated[tuple[Deed, ...], Field(max_length=100)]
    ledger: str
