"""What a push leaves in the bucket: whenever it is killed, however often it is repeated."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from slipway import artifacts, uploads
from slipway.client import Slipway
from slipway.errors import ArtifactChangedError, AwsUnreachableError, VersionSealedError
from tests.integration.slipway.conftest import BUCKET

PREFIX = "models/chat/v1/"
WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


class Line:
    """The connection to S3: counts what goes through, and can be cut before any write."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.left: int | None = None

    def pass_on(self, operation_name: str, **_: Any) -> None:
        if operation_name in WRITES:
            if self.left == 0:
                raise EndpointConnectionError(endpoint_url="cut")
            if self.left is not None:
                self.left -= 1
        elif self.left == 0 and operation_name == "AbortMultipartUpload":
            raise EndpointConnectionError(endpoint_url="cut")
        self.seen[operation_name] += 1


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def slipway(session: boto3.Session, line: Line) -> Callable[[], Slipway]:
    """A new process each time, as far as the client can tell."""

    def start() -> Slipway:
        client = Slipway(session=session)
        client.aws.s3.meta.events.register("request-created.s3", line.pass_on)
        return client

    return start


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file in two parts, one in one, and two small ones."""
    monkeypatch.setattr(uploads, "_PART_BYTES", 5 * 2**20)  # S3's smallest
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "model-00001-of-00002.safetensors").write_bytes(os.urandom(1024) * 1024 * 9)
    (folder / "model-00002-of-00002.safetensors").write_bytes(os.urandom(1024) * 1024)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "tokenizer.json").write_bytes(b"{} ")
    return folder


def stored(session: boto3.Session) -> dict[str, str]:
    """Path → SHA-256 of what lies under the drop's prefix."""
    client = session.client("s3")
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX).get("Contents", [])]
    bodies = {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
    return {key.removeprefix(PREFIX): hashlib.sha256(body).hexdigest() for key, body in bodies.items()}


def seals(session: boto3.Session) -> list[str]:
    versions = session.client("s3").list_object_versions(Bucket=BUCKET, Prefix=f"{PREFIX}manifest.json")
    return [one["VersionId"] for one in versions.get("Versions", [])]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_push_that_is_cut_before_any_write_is_never_sealed_early_and_never_twice(
    slipway: Callable[[], Slipway], session: boto3.Session, line: Line, folder: Path
) -> None:
    # Two files in one request each, one in one, one in four: create, two parts, complete; and the seal.
    writes = 3 + 4 + 1
    for after in range(writes):
        line.left = after
        with pytest.raises(AwsUnreachableError):
            slipway().push(folder, "chat", "v1")
        assert seals(session) == []
        for path, digest in stored(session).items():
            assert digest == digests(folder)[path]
        session.client("s3").delete_objects(
            Bucket=BUCKET, Delete={"Objects": [{"Key": PREFIX + path} for path in stored(session)] or [{"Key": "none"}]}
        )
    line.left = None

    drop = slipway().push(folder, "chat", "v1")

    assert seals(session) == [drop.seal.rpartition("=")[2]]
    assert stored(session).items() >= digests(folder).items()


def test_what_a_cut_push_has_sent_is_not_sent_again(
    slipway: Callable[[], Slipway], session: boto3.Session, line: Line, folder: Path
) -> None:
    line.left = 7  # everything but the seal
    with pytest.raises(AwsUnreachableError):
        slipway().push(folder, "chat", "v1")
    line.left, line.seen = None, Counter()

    slipway().push(folder, "chat", "v1")

    assert {name: line.seen[name] for name in WRITES if line.seen[name]} == {"PutObject": 1}


def test_the_same_push_again_finds_the_same_drop_and_writes_nothing(
    slipway: Callable[[], Slipway], session: boto3.Session, line: Line, folder: Path
) -> None:
    first = slipway().push(folder, "chat", "v1")
    line.seen = Counter()

    assert slipway().push(folder, "chat", "v1") == first
    assert not any(line.seen[name] for name in WRITES)
    assert len(seals(session)) == 1


def test_a_seal_whose_answer_was_lost_is_found_by_the_next_push(
    slipway: Callable[[], Slipway], session: boto3.Session, folder: Path
) -> None:
    client = slipway()

    def lose(**_: Any) -> None:
        if seals(session):
            raise EndpointConnectionError(endpoint_url="cut")

    client.aws.s3.meta.events.register("after-call.s3.PutObject", lose)
    with pytest.raises(AwsUnreachableError):
        client.push(folder, "chat", "v1")

    drop = slipway().push(folder, "chat", "v1")

    assert [drop.seal.rpartition("=")[2]] == seals(session)


def test_another_push_that_seals_first_wins_and_the_second_is_told(
    slipway: Callable[[], Slipway], session: boto3.Session, folder: Path
) -> None:
    client = slipway()

    sealed = iter([True])

    def overtake(**_: Any) -> None:
        if next(sealed, False):
            session.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}manifest.json", Body=b'{"name": "other"}')

    client.aws.s3.meta.events.register("before-call.s3.PutObject", overtake)

    with pytest.raises(VersionSealedError, match="is sealed with other files or another config; choose another"):
        client.push(folder, "chat", "v1")
    assert len(seals(session)) == 1


@pytest.mark.parametrize("change", ["a file", "the config"])
def test_a_sealed_version_takes_no_other_content(
    slipway: Callable[[], Slipway], session: boto3.Session, line: Line, folder: Path, change: str
) -> None:
    slipway().push(folder, "chat", "v1")
    before, line.seen = stored(session), Counter()
    if change == "a file":
        (folder / "config.json").write_bytes(b"[]")

    with pytest.raises(VersionSealedError):
        slipway().push(folder, "chat", "v1", config={"bakeSeconds": 60} if change == "the config" else None)

    assert stored(session) == before
    assert not any(line.seen[name] for name in WRITES)


def test_a_large_file_that_is_not_what_its_manifest_declares_is_refused_by_s3(
    slipway: Callable[[], Slipway], session: boto3.Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "_LARGE_BYTES", 1024)
    files = artifacts.read_artifact(folder)
    weights = folder / "model-00002-of-00002.safetensors"
    weights.write_bytes(os.urandom(weights.stat().st_size))
    (folder / "manifest.json").write_text(json.dumps(artifacts.manifest_of(folder, files, None)))

    with pytest.raises(ArtifactChangedError, match=r"00002-of-00002\.safetensors is not what manifest\.json declares"):
        slipway().push(folder, "chat", "v1")
    assert seals(session) == []


def test_a_large_file_is_read_again_when_it_is_younger_than_its_manifest(
    slipway: Callable[[], Slipway], session: boto3.Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "_LARGE_BYTES", 1024)
    (folder / "manifest.json").write_text(
        json.dumps(artifacts.manifest_of(folder, artifacts.read_artifact(folder), None))
    )
    weights = folder / "model-00002-of-00002.safetensors"
    weights.write_bytes(os.urandom(weights.stat().st_size))
    os.utime(weights, ns=(0, (folder / "manifest.json").stat().st_mtime_ns + 1))

    slipway().push(folder, "chat", "v1")

    assert stored(session)[weights.name] == digests(folder)[weights.name]
