"""Questions about the past, answered from the ledger, the records and the artifact's bytes. Nothing is changed."""

from dataclasses import dataclass, field

from release.contracts.artifact import ManifestFile
from release.contracts.history import Attempt, Deed, Provenance, Ran, Verified
from release.contracts.table import LedgerItem, ReleaseItem
from release.domain.history import WentLive, reign_at
from release.domain.identity import SealedFile, artifact_id
from release.domain.keys import Source, published_prefix
from release.domain.ledger import Head, verify_chain
from release.domain.phases import Phase
from release.errors import ArtifactIncompleteError, InvalidInputError
from release.flows.drops import read_sealed
from release.flows.stamps import read_stamp, stamp
from release.ports import ArtifactStore, Clock, ReleaseTable

MOST_READ_BYTES = 64 * 2**20
"""Of one artifact; its manifest, config and tokenizer. Weights are proved by S3's CRC-32 or, on loading, by SHA-256."""
_MOST_LINES = 100


@dataclass
class _Comparison:
    crc32: int = 0
    sha256: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)
    left_bytes: int = MOST_READ_BYTES


@dataclass(frozen=True, slots=True)
class Remembering:
    table: ReleaseTable
    artifacts: ArtifactStore
    now: Clock

    def what_ran(self, endpoint: str, at: str | None) -> Ran:
        """What served at an instant, now if none is given.

        Raises:
            InvalidInputError: the instant is still to come, or nothing had gone live by then.
        """
        now = self.now()
        moment = read_stamp(at) if at else now
        if moment > now:
            raise InvalidInputError(f"{at} is still to come; it is {stamp(now)}")
        lines = self.table.ledger(endpoint)
        found = reign_at([_went_live(line) for line in lines if line.phase is Phase.LIVE], moment)
        if found is None:
            raise InvalidInputError(f"nothing was live on endpoint {endpoint} at {stamp(moment)}; name a later time")
        release = self._release(endpoint, found.began.release_id)
        return Ran(
            at=stamp(moment),
            release_id=release.release_id,
            rollout_id=found.began.rollout_id,
            artifact_id=release.artifact_id,
            image=release.image,
            since=stamp(found.began.at),
            until=stamp(found.until) if found.until else None,
            by=found.began.by,
            ledger=self._ledger_problem(endpoint, lines),
        )

    def provenance(self, endpoint: str, release_id: str) -> Provenance:
        """Where a release comes from, with its artifact's bytes compared.

        Raises:
            InvalidInputError: the endpoint never had such a release.
        """
        release = self._release(endpoint, release_id)
        lines = self.table.ledger(endpoint)
        try:
            manifest = read_sealed(self.artifacts, Source.published(release.artifact_id)).manifest
        except ArtifactIncompleteError as error:
            return self._told(release, lines, (), _Comparison(problems=[f"its bytes are gone: {error}"]))
        files = manifest.files or ()
        told = self._told(release, lines, files, self._compared(release, files))
        words = {"name": manifest.name, "license": manifest.license, "origin": manifest.source}
        return told.model_copy(update={name: value for name, value in words.items() if value})

    def _told(
        self, release: ReleaseItem, lines: list[LedgerItem], files: tuple[ManifestFile, ...], seen: _Comparison
    ) -> Provenance:
        sealed = [SealedFile(file.path, file.size_bytes, f"sha256:{file.sha256}") for file in files]
        return Provenance(
            release_id=release.release_id,
            artifact_id=release.artifact_id,
            image=release.image,
            config=release.config,
            created_at=release.created_at,
            files=len(files),
            size_bytes=sum(file.size_bytes for file in files),
            verified=Verified(crc32=seen.crc32, sha256=seen.sha256, size=seen.size),
            id_proved=bool(sealed) and artifact_id(sealed) == release.artifact_id,
            problems=tuple(seen.problems),
            rollouts=self._attempts(release),
            history=tuple(_deed(line) for line in lines if line.release_id == release.release_id)[-_MOST_LINES:],
            ledger=self._ledger_problem(release.endpoint, lines),
        )

    def _release(self, endpoint: str, release_id: str) -> ReleaseItem:
        release = self.table.release(endpoint, release_id)
        if release is None:
            raise InvalidInputError(f"endpoint {endpoint} never had a release {release_id}; choose one that it has had")
        return release

    def _attempts(self, release: ReleaseItem) -> tuple[Attempt, ...]:
        rollouts = [one for one in self.table.rollouts(release.endpoint) if one.release_id == release.release_id]
        return tuple(
            Attempt(
                rollout_id=one.rollout_id,
                kind=one.kind,
                source=one.source,
                phase=one.phase,
                at=one.created_at,
                gates=one.gates or (),
            )
            for one in sorted(rollouts, key=lambda one: one.created_at)
        )

    def _ledger_problem(self, endpoint: str, lines: list[LedgerItem]) -> str:
        record = self.table.endpoint(endpoint)
        if record is None or record.ledger_seq is None or record.ledger_hash is None:
            return "the endpoint's record names no ledger"
        problem = verify_chain([line.wire() for line in lines], Head(record.ledger_seq, record.ledger_hash))
        return f"from line {problem.seq} on it cannot be trusted: {problem.reason}" if problem else ""

    def _compared(self, release: ReleaseItem, files: tuple[ManifestFile, ...]) -> _Comparison:
        prefix, seen = published_prefix(release.artifact_id), _Comparison()
        # The small ones first: the budget of bytes to read then proves as many files as it can.
        for file in sorted(files, key=lambda file: (file.size_bytes, file.path)):
            self._compare(prefix + file.path, file, seen)
        return seen

    def _compare(self, key: str, file: ManifestFile, seen: _Comparison) -> None:
        held = self.artifacts.head(key)
        if held is None:
            seen.problems.append(f"{key} is missing")
        elif held.size != file.size_bytes:
            seen.problems.append(f"{key} has {held.size} bytes, its manifest says {file.size_bytes}")
        elif file.crc32 and held.crc32:
            seen.crc32 += 1
            if file.crc32 != held.crc32:
                seen.problems.append(f"{key} has CRC-32 {held.crc32}, its manifest says {file.crc32}")
        elif held.size <= seen.left_bytes:
            seen.left_bytes -= held.size
            seen.sha256 += 1
            if (sha256 := self.artifacts.sha256(key)) != file.sha256:
                seen.problems.append(f"{key} has SHA-256 {sha256}, its manifest says {file.sha256}")
        else:
            seen.size += 1


def _went_live(line: LedgerItem) -> WentLive:
    return WentLive(line.seq, line.release_id or "", line.rollout_id or "", line.actor, read_stamp(line.at))


def _deed(line: LedgerItem) -> Deed:
    return Deed(
        at=line.at,
        by=line.actor,
        event=line.event,
        rollout_id=line.rollout_id,
        phase=line.phase,
        reason=line.reason,
    )


def ran_sentence(endpoint: str, ran: Ran) -> str:
    until = f"until {ran.until}" if ran.until else "and still does"
    trust = f"; but its ledger is broken: {ran.ledger}" if ran.ledger else ""
    return (
        f"at {ran.at} endpoint {endpoint} served release {ran.release_id} by rollout {ran.rollout_id}, "
        f"since {ran.since} {until}{trust}"
    )


def provenance_sentence(endpoint: str, told: Provenance) -> str:
    bytes_ = "; ".join(told.problems) if told.problems else "its bytes are as they were released"
    trust = f"; the ledger is broken: {told.ledger}" if told.ledger else ""
    digest = told.image.partition("@")[2]
    return (
        f"release {told.release_id} of endpoint {endpoint} is artifact {told.artifact_id} on image {digest}, "
        f"{told.files} files of {told.size_bytes} bytes: {bytes_}{trust}"
    )
