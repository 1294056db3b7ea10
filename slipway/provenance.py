"""From an answer back to its bytes: every link is recomputed here, and none is believed because a record says so."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.domain import ledger
from release.domain.identity import SealedFile, artifact_id, release_id
from release.domain.keys import published_prefix
from release.domain.names import Names
from slipway.aws_errors import error_code, error_message, translated
from slipway.errors import UsageError
from slipway.fleets import fleets_of
from slipway.records import Release, plain_numbers

if TYPE_CHECKING:
    from slipway.client import Slipway

_RELEASE = re.compile(r"[0-9a-f]{12}")
_ROLLOUT = re.compile(r"([0-9a-f]{12})-([1-9][0-9]{0,5})")
_FINGERPRINT = re.compile(r"([0-9a-f]{12})-[0-9a-f]{12}")
_BLOCK_BYTES = 4 * 1024 * 1024
_LARGEST_ANSWER_BYTES = 16 * 1024 * 1024


class Verdict(StrEnum):
    VERIFIED = "verified"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    """It could not be recomputed; that is not the same as being right."""


@dataclass(frozen=True)
class Link:
    name: str
    verdict: Verdict
    says: str


@dataclass(frozen=True)
class Provenance:
    """The links in order, from what was asked about to the ledger."""

    endpoint: str
    release_id: str
    rollout_id: str
    artifact_id: str
    image: str
    links: tuple[Link, ...]

    @property
    def broken(self) -> bool:
        return any(link.verdict is Verdict.BROKEN for link in self.links)


@dataclass(frozen=True)
class Named:
    """What an answer or a person names; `rollout_id` is empty where only the release is known."""

    release_id: str
    rollout_id: str = ""


def named(what: str) -> Named:
    """Read a release id, a rollout id, a `system_fingerprint`, SageMaker's custom attributes, or a file with an answer.

    Raises:
        UsageError: it is none of them.
    """
    if _RELEASE.fullmatch(what):
        return Named(what)
    if found := _FINGERPRINT.fullmatch(what):
        return Named(found[1])
    if found := _ROLLOUT.fullmatch(what):
        return Named(found[1], what)
    if "release=" in what:
        attributes = dict(pair.partition("=")[::2] for pair in what.split(";"))
        return Named(_id(attributes.get("release", ""), what), attributes.get("rollout", ""))
    path = Path(what)
    if path.is_file():
        return _of_answer(path)
    raise UsageError(
        f"{what[:80]!r} is no release id, rollout id, system_fingerprint, custom attributes or file with an answer; "
        "`slipway releases` lists release ids"
    )


def _of_answer(path: Path) -> Named:
    if path.stat().st_size > _LARGEST_ANSWER_BYTES:
        raise UsageError(f"{path} has {path.stat().st_size} bytes, the limit of an answer is {_LARGEST_ANSWER_BYTES}")
    try:
        answer = json.loads(path.read_bytes())
        if "releaseId" in answer:  # what `slipway chat --json` prints
            return Named(_id(answer["releaseId"], str(path)), answer.get("rolloutId", ""))
        return Named(_id(answer["system_fingerprint"].partition("-")[0], str(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} holds no answer with a system_fingerprint; give one as `slipway chat --json` prints it"
        ) from error


def _id(text: str, where: str) -> str:
    if not _RELEASE.fullmatch(text):
        raise UsageError(f"{where[:80]!r} names no release; ask an endpoint that Slipway released")
    return text


@dataclass(frozen=True)
class Tracing:
    slipway: "Slipway"

    def explain(self, endpoint: str, what: str, *, every_byte: bool = False) -> Provenance:
        """Follow the chain and recompute each link.

        Args:
            every_byte: download every file and recompute its SHA-256, instead of comparing what S3 keeps of it.

        Raises:
            UsageError, ReleaseNotFoundError: `what` names no release of the endpoint.
        """
        asked = named(what)
        release = self.slipway.release(endpoint, asked.release_id)
        rollout_id = asked.rollout_id or self._newest_rollout(release)
        links = (
            self._release(release),
            *self._artifact(release, every_byte=every_byte),
            self._image(release),
            self._model(release, rollout_id),
            self._serves(release),
            self._ledger(release),
        )
        return Provenance(endpoint, release.release_id, rollout_id, release.artifact_id, release.image, links)

    def _newest_rollout(self, release: Release) -> str:
        own = [one for one in self.slipway.rollouts(release.endpoint) if one.release_id == release.release_id]
        return own[0].rollout_id if own else ""

    def _release(self, release: Release) -> Link:
        computed = release_id(release.endpoint, release.artifact_id, release.image, release.config)
        if computed == release.release_id:
            return Link(
                "release", Verdict.VERIFIED, f"{computed} is the digest of endpoint, artifact, image and config"
            )
        return Link(
            "release", Verdict.BROKEN, f"its four parts make {computed}, the record calls itself {release.release_id}"
        )

    def _artifact(self, release: Release, *, every_byte: bool) -> Iterator[Link]:
        manifest = self.slipway.manifest(release)
        if manifest is None:
            yield Link(
                "artifact", Verdict.UNKNOWN, f"{published_prefix(release.artifact_id)} holds no manifest (any more)"
            )
            return
        files = [SealedFile(one["path"], one["sizeBytes"], f"sha256:{one['sha256']}") for one in manifest["files"]]
        computed = artifact_id(files)
        if computed == release.artifact_id:
            yield Link("artifact", Verdict.VERIFIED, f"{computed} is the digest of its {len(files)} files")
        else:
            # A drop without declared digests is named by the checksums that S3 kept of it, which only the drop has.
            yield Link(
                "artifact",
                Verdict.UNKNOWN,
                f"its {len(files)} files make {computed}; a drop that declares no SHA-256, or a model.tar.gz, is named "
                f"{release.artifact_id} by what S3 kept of the drop itself",
            )
        yield self._bytes(release, manifest, every_byte=every_byte)

    def _bytes(self, release: Release, manifest: Mapping[str, Any], *, every_byte: bool) -> Link:
        aws, prefix = self.slipway.aws, published_prefix(release.artifact_id)
        bucket, unproved = aws.output("ArtifactBucketName"), 0
        for file in manifest["files"]:
            key = prefix + file["path"]
            with translated():
                try:
                    problem = (_hashed if every_byte else _kept)(aws.s3, bucket, key, file)
                except ClientError as error:
                    if error_code(error) not in {"404", "NoSuchKey"}:
                        raise
                    problem = "is not there"
            if problem:
                return Link("bytes", Verdict.BROKEN, f"{file['path']} {problem}")
            unproved += problem is None
        count = len(manifest["files"])
        if unproved:
            return Link("bytes", Verdict.UNKNOWN, f"S3 keeps no checksum of {unproved} of {count} files; add --bytes")
        how = "downloaded and hashed again" if every_byte else "compared with the checksums that S3 keeps"
        return Link("bytes", Verdict.VERIFIED, f"{count} files {how}")

    def _image(self, release: Release) -> Link:
        uri, _, digest = release.image.partition("@")
        repository = uri.partition("/")[2]
        with translated():
            try:
                found = self.slipway.aws.ecr.batch_get_image(
                    repositoryName=repository, imageIds=[{"imageDigest": digest}]
                )
            except ClientError as error:
                if error_code(error) != "RepositoryNotFoundException":
                    raise
                return Link("image", Verdict.BROKEN, f"the repository {repository} is gone")
        for image in found.get("images", []):
            manifest = image.get("imageManifest", "")
            computed = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
            if computed == digest:
                return Link("image", Verdict.VERIFIED, f"{digest} is the digest of the manifest in {repository}")
            return Link("image", Verdict.BROKEN, f"the manifest that {repository} calls {digest} hashes to {computed}")
        return Link("image", Verdict.BROKEN, f"{repository} holds no image {digest}; it was deleted")

    def _model(self, release: Release, rollout_id: str) -> Link:
        if not rollout_id:
            return Link("model", Verdict.UNKNOWN, "the release has had no rollout")
        name = Names(self.slipway.stack, release.endpoint).of_rollout(rollout_id)
        with translated():
            try:
                container = self.slipway.aws.sagemaker.describe_model(ModelName=name).get("PrimaryContainer", {})
            except ClientError as error:
                if "Could not find" not in error_message(error):
                    raise
                return Link("model", Verdict.UNKNOWN, f"SageMaker knows no model {name} (any more)")
        where = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
        expected = f"s3://{self.slipway.outputs()['ArtifactBucketName']}/{published_prefix(release.artifact_id)}"
        told = container.get("Environment", {}).get("SLIPWAY_RELEASE_ID")
        for what, is_so, should in (
            ("image", container.get("Image"), release.image),
            ("data", where, expected),
            ("release id", told, release.release_id),
        ):
            if is_so != should:
                return Link("model", Verdict.BROKEN, f"model {name} has {what} {is_so}, the release says {should}")
        return Link("model", Verdict.VERIFIED, f"{name} runs this image on these bytes")

    def _serves(self, release: Release) -> Link:
        serving = self.slipway.endpoint(release.endpoint)
        if serving.live_release_id != release.release_id:
            live = serving.live_release_id or "nothing"
            return Link("endpoint", Verdict.UNKNOWN, f"{live} serves now, so the endpoint cannot tell of this release")
        names = Names(self.slipway.stack, release.endpoint)
        fleets = fleets_of(self.slipway.aws, names.sagemaker_endpoint)
        config, blue = names.of_rollout(serving.live_rollout_id), fleets.blue if fleets else None
        digest = release.image.partition("@")[2]
        if blue is None or blue.config_name != config:
            runs = blue.config_name if blue else "nothing"
            return Link("endpoint", Verdict.BROKEN, f"the record says {config}, SageMaker runs {runs}")
        if not blue.image_digest:
            name = names.sagemaker_endpoint
            return Link("endpoint", Verdict.UNKNOWN, f"{name} runs {config}; SageMaker does not tell with which image")
        if blue.image_digest != digest:
            return Link(
                "endpoint", Verdict.BROKEN, f"SageMaker runs image {blue.image_digest}, the release says {digest}"
            )
        return Link("endpoint", Verdict.VERIFIED, f"{names.sagemaker_endpoint} runs {config} with this image")

    def _ledger(self, release: Release) -> Link:
        serving = self.slipway.endpoint(release.endpoint)
        lines = [plain_numbers(line) for line in self.slipway.ledger(release.endpoint)]
        head = ledger.Head(serving.ledger_seq, serving.ledger_hash or ledger.GENESIS)
        if problem := ledger.verify_chain(lines, head):
            return Link("ledger", Verdict.BROKEN, problem.reason)
        own = [line for line in lines if line.get("releaseId") == release.release_id]
        went_live = [line for line in own if line.get("phase") == "live"]
        when = f"; live since {went_live[-1]['at']} by {went_live[-1]['actor']}" if went_live else "; never live"
        return Link("ledger", Verdict.VERIFIED, f"{len(lines)} lines are whole, {len(own)} of this release{when}")


def _kept(s3: Any, bucket: str, key: str, file: Mapping[str, Any]) -> str | None:
    """A sentence about what is wrong, empty if nothing is, None if S3 keeps nothing to compare."""
    held = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    if held["ContentLength"] != file["sizeBytes"]:
        return f"has {held['ContentLength']} bytes, its manifest says {file['sizeBytes']}"
    whole = held.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    expected = {
        "ChecksumSHA256": base64.b64encode(bytes.fromhex(file["sha256"])).decode(),
        "ChecksumCRC32": file.get("crc32"),
    }
    for name, should in expected.items():
        if whole and should and name in held:
            return "" if held[name] == should else f"has {name} {held[name]}, its manifest says {should}"
    return None


def _hashed(s3: Any, bucket: str, key: str, file: Mapping[str, Any]) -> str:
    body, digest = s3.get_object(Bucket=bucket, Key=key)["Body"], hashlib.sha256()
    while block := body.read(_BLOCK_BYTES):
        digest.update(block)
    if digest.hexdigest() != file["sha256"]:
        return f"hashes to {digest.hexdigest()}, its manifest says {file['sha256']}"
    return ""
