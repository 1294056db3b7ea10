"""The command, killed by SIGKILL while it pushes: nothing is lost, nothing is sealed early, one release comes of it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from release.domain.identity import drop_seal, seal_digest
from tests.integration.slipway.conftest import BUCKET

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "events"
PREFIX, TABLE = "models/chat/v1/", "slipway-releases"
ROLLOUT = "3f2a91c07d4e-1"
Request = dict[str, Any]


def is_small_file(request: Request) -> bool:
    return bool(request["REQUEST_METHOD"] == "PUT" and request["PATH_INFO"].endswith("config.json"))


def is_second_part(request: Request) -> bool:
    return request["REQUEST_METHOD"] == "PUT" and "partNumber=2" in request["QUERY_STRING"]


def is_completion(request: Request) -> bool:
    return request["REQUEST_METHOD"] == "POST" and "uploadId=" in request["QUERY_STRING"]


def is_seal(request: Request) -> bool:
    return bool(request["REQUEST_METHOD"] == "PUT" and request["PATH_INFO"].endswith("manifest.json"))


MOMENTS = [
    pytest.param((is_small_file, "before"), id="as the first small file arrives", marks=pytest.mark.prove),
    pytest.param((is_second_part, "before"), id="in the middle of a large file"),
    pytest.param(
        (is_completion, "after"), id="when a large file is whole and the answer is on its way", marks=pytest.mark.prove
    ),
    pytest.param((is_seal, "before"), id="as the seal arrives", marks=pytest.mark.prove),
    pytest.param((is_seal, "after"), id="when the seal is written and the answer is on its way"),
]


@dataclass
class Gallows:
    """Kills the process that pushes at the first request that `strikes`; the server finishes what reached it."""

    pid: int = 0
    strikes: Callable[[Request], bool] | None = None
    when: str = "before"

    def kill(self) -> None:
        self.strikes = None
        os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def gallows(monkeypatch: pytest.MonkeyPatch) -> Gallows:
    gallows = Gallows()
    original = DomainDispatcherApplication.__call__

    def call(self: Any, request: Request, start_response: Any) -> Iterable[bytes]:
        struck = gallows.strikes is not None and gallows.strikes(request)
        if struck and gallows.when == "before":
            gallows.kill()
        answer = list(original(self, request, start_response))
        if struck and gallows.when == "after":
            gallows.kill()
        return answer

    monkeypatch.setattr(DomainDispatcherApplication, "__call__", call)
    return gallows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file in two parts of 16 MiB, and two small ones."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(os.urandom(1024) * 1024 * 20)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "tokenizer.json").write_bytes(b"{} ")
    return folder


@pytest.fixture
def table(session: boto3.Session) -> None:
    session.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )


@pytest.fixture
def push(folder: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway", "push", str(folder), "--version", "v1", "--json"],
            cwd=ROOT,
            env=os.environ | keys | {"AWS_DEFAULT_REGION": "us-east-1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def seals(session: boto3.Session) -> list[str]:
    found = session.client("s3").list_object_versions(Bucket=BUCKET, Prefix=f"{PREFIX}manifest.json")
    return [drop_seal(BUCKET, one["Key"], one["VersionId"]) for one in found.get("Versions", [])]


def stored(session: boto3.Session) -> dict[str, str]:
    """Path → SHA-256 of what lies under the drop's prefix."""
    client = session.client("s3")
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX).get("Contents", [])]
    bodies = {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
    return {key.removeprefix(PREFIX): hashlib.sha256(body).hexdigest() for key, body in bodies.items()}


def put(session: boto3.Session, name: str, **changes: Any) -> None:
    item = json.loads((EVENTS / "table" / f"{name}.example.json").read_bytes()) | changes
    wire = {key: TypeSerializer().serialize(value) for key, value in item.items()}
    session.client("dynamodb").put_item(TableName=TABLE, Item=wire)


def answer_the_seal(session: boto3.Session, process: "subprocess.Popen[str]") -> None:
    """What the rule, the function and the machine do with a seal: one rollout, which goes live."""
    while not (written := seals(session)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    at = "2026-11-23T12:00:00Z"
    phase = {"phase": "live", "history": [{"phase": "live", "at": at, "reason": "it serves"}]}
    put(session, "rollout", sk=f"rollout#{ROLLOUT}", rolloutId=ROLLOUT, **phase)
    put(session, "seal", pk=f"seal#{seal_digest(written[0])}", seal=written[0], rolloutId=ROLLOUT)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_push_that_is_killed_is_finished_by_the_same_push(
    session: boto3.Session,
    gallows: Gallows,
    folder: Path,
    push: Callable[[], "subprocess.Popen[str]"],
    moment: tuple[Callable[[Request], bool], str],
) -> None:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    killed = push()
    gallows.pid, (gallows.strikes, gallows.when) = killed.pid, moment
    assert killed.wait() == -signal.SIGKILL, killed.communicate()
    there = stored(session)
    assert {path: digests[path] for path in there if path in digests}.items() <= there.items(), (
        "a file lies there in part"
    )
    if seals(session):
        assert there.items() >= digests.items(), "it was sealed before all was there"

    again = push()
    answer_the_seal(session, again)
    out, err = again.communicate()

    assert again.returncode == 0, err
    assert [json.loads(line)["rolloutId"] for line in out.splitlines()] == [ROLLOUT]
    assert len(seals(session)) == 1
    assert stored(session).items() >= digests.items()
