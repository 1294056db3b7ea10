"""The gate "examine": everything that is wrong with a release before anything is created, in one report."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from release.contracts.artifact import Manifest
from release.contracts.steps import Judged, RolloutStep
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.examination.contents import Contents, read_contents
from release.domain.examination.listing import SIGNATURE
from release.domain.examination.placement import image_finding, memory_findings
from release.domain.examination.report import Check, Finding, finding, refusal, skipped
from release.domain.examination.signature import SignatureError, coverage_problems, read_envelope
from release.domain.examination.text import templates
from release.domain.golden import GOLDEN
from release.domain.keys import MANIFEST, Source
from release.domain.phases import Phase
from release.domain.truth import Verdict
from release.errors import ArtifactIncompleteError
from release.flows.contents import prefix_contents, tarball_contents
from release.flows.drops import Sealed, read_sealed
from release.flows.examination_report import Seen, report_key, report_of
from release.flows.golden import read_golden
from release.flows.records import enter, entry, release_of, rollout_of
from release.flows.stamps import stamp
from release.ports import ArtifactStore, Clock, ImageRegistry, ReleaseTable, Schemas, Signers, Templates


@dataclass(frozen=True, slots=True)
class Examining:
    table: ReleaseTable
    artifacts: ArtifactStore
    now: Clock
    templates: Templates
    registry: ImageRegistry
    signers: Signers
    schemas: Schemas

    def examine(self, step: RolloutStep) -> Judged:
        """Judge the rollout's artifact, image and config, keep the report, and record the rollout as examined if it
        passes.

        Raises:
            ArtifactIncompleteError: nothing is wrong so far, but files that the manifest lists have not arrived; the
                sentence names one.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        release = release_of(self.table, rollout)
        seen = self._look(rollout, release)
        key = report_key(step.endpoint, step.rollout_id)
        reason = refusal(seen.problems, key) or f"the artifact at {rollout.source} keeps every rule; see {key}"
        report = report_of(rollout, release, seen, reason, stamp(self.now()))
        self.artifacts.write(key, json.dumps(report.wire(), indent=1, ensure_ascii=False).encode())
        if seen.problems:
            return Judged(verdict=Verdict.FAILED, reason=reason)
        enter(self.table, rollout, entry(Phase.EXAMINED, reason, self.now()))
        return Judged(verdict=Verdict.PASSED, reason=reason)

    def _look(self, rollout: RolloutItem, release: ReleaseItem) -> Seen:
        source = Source.parse(rollout.source)
        image = image_finding(release.image, self.registry.media_type(release.image))
        opened = self._open(source, release)
        if isinstance(opened, str):
            return Seen((finding(Check.DROP, [opened]), image))
        contents = self._contents(source, opened)
        reading = read_contents(contents)
        memory, plans = memory_findings(
            release.config.instance_types, release.config.environment, reading.model, reading.census
        )
        seen = Seen(
            findings=(
                *reading.findings,
                self._integrity(source, opened.manifest, contents),
                self._templates(contents),
                self._golden(contents),
                memory,
                image,
                self._signature(rollout.endpoint, opened, contents),
            ),
            contents=contents,
            reading=reading,
            plans=plans,
        )
        if contents.missing and not seen.problems:
            raise ArtifactIncompleteError(
                f"{contents.missing[0]} is missing, one of {len(contents.missing)} files that {MANIFEST} lists; "
                "upload them all"
            )
        return seen

    def _open(self, source: Source, release: ReleaseItem) -> Sealed | str:
        """What the source holds, or the sentence that says why that is not the release's artifact."""
        if not source.bucket and self.artifacts.head(source.key + MANIFEST) is None:
            return f"the bytes of artifact {release.artifact_id} are no longer published; drop the artifact again"
        sealed = read_sealed(self.artifacts, source)
        if sealed.problem:
            return sealed.problem
        # A published manifest has a SHA-256 for every file, whatever the drop's id was made of, and never changes.
        if source.bucket and sealed.artifact_id != release.artifact_id:
            return f"the files at {source} changed after the drop was sealed; upload {MANIFEST} again, last of all"
        return sealed

    def _contents(self, source: Source, sealed: Sealed) -> Contents:
        if source.is_tarball:
            (packed,) = sealed.files
            return tarball_contents(self.artifacts, source, packed.size, packed.checksum)
        files = {file.path: file.size for file in sealed.files}
        return prefix_contents(self.artifacts, source, files, self.artifacts.sizes(source.key))

    def _integrity(self, source: Source, manifest: Manifest, contents: Contents) -> Finding:
        """S3's own CRC of each whole file against the manifest's; where it has none, publication hashes the file."""
        declared = [file for file in manifest.files or () if file.path not in contents.missing]
        if not declared:
            return skipped(Check.INTEGRITY, f"{MANIFEST} declares no files")
        problems, compared = [], 0
        for file in declared:
            stored = self.artifacts.head(source.key + file.path)
            if stored is None or stored.size != file.size_bytes:
                size = stored.size if stored else 0
                problems.append(f"{file.path} has {size} bytes, {MANIFEST} says {file.size_bytes}; upload it again")
            elif file.crc32 and stored.crc32:
                compared += 1
                if stored.crc32 != file.crc32:
                    problems.append(
                        f"{file.path} has CRC-32 {stored.crc32}, {MANIFEST} says {file.crc32}; upload it again"
                    )
        return finding(Check.INTEGRITY, problems, f"CRC-32 of {compared} of {len(declared)} files compared")

    def _templates(self, contents: Contents) -> Finding:
        if not contents.files:
            return skipped(Check.CHAT_TEMPLATE, "no file could be read")
        sources, problems = templates(contents.files, contents.documents)
        for place, source in sources.items():
            problems += [f"{place} {problem}" for problem in self.templates.problems(source)]
        return finding(Check.CHAT_TEMPLATE, problems, ", ".join(sources))

    def _golden(self, contents: Contents) -> Finding:
        if GOLDEN not in contents.documents:
            return skipped(Check.GOLDEN, f"the artifact brings no readable {GOLDEN}")
        golden = read_golden(contents.documents[GOLDEN], self.schemas)
        return finding(Check.GOLDEN, golden.problems, f"{len(golden.prompts)} prompts")

    def _signature(self, endpoint: str, sealed: Sealed, contents: Contents) -> Finding:
        keys = self.signers.keys_of(endpoint)
        if not keys:
            return skipped(Check.SIGNATURE, f"endpoint {endpoint} asks for none")
        if SIGNATURE in contents.missing:
            return skipped(Check.SIGNATURE, f"{SIGNATURE} has not arrived")
        return finding(
            Check.SIGNATURE, self._signature_problems(keys, sealed.manifest, contents), "signed by a known key"
        )

    def _signature_problems(self, keys: str, manifest: Manifest, contents: Contents) -> Iterator[str]:
        """Signed digests against declared ones; that the bytes have them, publication and the container prove."""
        if SIGNATURE not in contents.documents:
            yield f"{SIGNATURE} is missing, and this endpoint serves signed models only; sign the model before the seal"
            return
        if not manifest.files:
            yield f"{MANIFEST} declares no SHA-256 of its files, so no signature can cover them; list the files"
            return
        try:
            envelope = read_envelope(contents.documents[SIGNATURE])
        except SignatureError as error:
            yield str(error)
            return
        if not any(self.signers.verified(keys, envelope.signed, one) for one in envelope.signatures):
            yield f"{SIGNATURE} was made by none of the keys that this endpoint trusts; sign with one of them"
            return
        yield from coverage_problems(envelope.digests, {file.path: file.sha256 for file in manifest.files})
