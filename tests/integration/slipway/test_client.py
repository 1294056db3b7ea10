"""The client against S3, DynamoDB, CloudFormation and Step Functions of moto, in this process."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws

from slipway.artifacts import Progress, SealedDrop
from slipway.client import Slipway
from slipway.errors import (
    AwsRefusedError,
    DropNotSeenError,
    ImageMissingError,
    RollbackRefusedError,
    RolloutNotFoundError,
    RolloutTimeoutError,
    StackNotFoundError,
    UsageError,
)

EVENTS = Path(__file__).parents[3] / "events"
BUCKET, TABLE = "slipway-artifacts-123456789012", "slipway-releases"
TEMPLATE: dict[str, Any] = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {
        "ArtifactBucketName": {"Value": BUCKET},
        "ReleaseTableName": {"Value": TABLE},
        "RollbackStateMachineArn": {"Value": "arn:aws:states:us-east-1:123456789012:stateMachine:slipway-rollback"},
    },
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        session.client("cloudformation").create_stack(StackName="slipway", TemplateBody=json.dumps(TEMPLATE))
        s3 = session.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        session.client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        )
        yield session


@pytest.fixture
def slipway(session: boto3.Session) -> Slipway:
    return Slipway(session=session)


def put(session: boto3.Session, name: str, **changes: Any) -> None:
    """Write a contract's example into the table."""
    item = json.loads((EVENTS / "table" / f"{name}.example.json").read_bytes()) | changes
    wire = {key: TypeSerializer().serialize(value) for key, value in item.items()}
    session.client("dynamodb").put_item(TableName=TABLE, Item=wire)


def put_rollout(session: boto3.Session, number: int, **changes: Any) -> None:
    rollout_id = f"3f2a91c07d4e-{number}"
    put(session, "rollout", sk=f"rollout#{rollout_id}", rolloutId=rollout_id, **changes)


def test_a_pushed_folder_lies_in_the_bucket_sealed_by_a_manifest_that_is_true(
    slipway: Slipway, session: boto3.Session, tmp_path: Path
) -> None:
    weights = bytes(range(256)) * 40_000  # 10 MB: boto3 sends it in two parts
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "config.json").write_bytes(b"{}")
    seen: list[Progress] = []

    drop = slipway.push(tmp_path, "chat", "v1", seen.append)

    s3 = session.client("s3")
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key="models/chat/v1/manifest.json")["Body"].read())
    stored = s3.get_object(Bucket=BUCKET, Key="models/chat/v1/model.safetensors")["Body"].read()
    listed = {entry["path"]: entry for entry in manifest["files"]}
    assert stored == weights
    assert listed["model.safetensors"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert listed["model.safetensors"]["sizeBytes"] == 10_240_000
    assert len(base64.b64decode(listed["config.json"]["crc32"])) == 4
    version = s3.head_object(Bucket=BUCKET, Key="models/chat/v1/manifest.json")["VersionId"]
    assert drop.seal == f"s3://{BUCKET}/models/chat/v1/manifest.json?versionId={version}"
    assert seen[-1].sent_bytes == seen[-1].total_bytes == 10_240_002


def test_nothing_is_sealed_when_the_folder_is_refused(slipway: Slipway, session: boto3.Session, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"")

    with pytest.raises(Exception, match="0 bytes"):
        slipway.push(tmp_path, "chat", "v1")

    assert session.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


@pytest.mark.parametrize(("endpoint", "version"), [("Chat", "v1"), ("a" * 21, "v1"), ("chat", "v/1"), ("chat", "")])
def test_a_key_that_starts_no_rollout_is_refused_before_the_upload(
    slipway: Slipway, tmp_path: Path, endpoint: str, version: str
) -> None:
    (tmp_path / "config.json").write_bytes(b"{}")

    with pytest.raises(UsageError, match="models/"):
        slipway.push(tmp_path, endpoint, version)


def test_the_rollout_of_a_drop_is_found_by_its_seal(slipway: Slipway, session: boto3.Session) -> None:
    example = json.loads((EVENTS / "table" / "seal.example.json").read_bytes())
    drop = SealedDrop("models/chat/v1/", example["seal"])
    put(session, "seal", pk=f"seal#{hashlib.sha256(example['seal'].encode()).hexdigest()}")

    assert slipway.rollout_of(drop, timeout_s=1) == "3f2a91c07d4e-1"


def test_a_drop_that_nobody_saw_and_one_without_an_image_are_two_errors(
    slipway: Slipway, session: boto3.Session
) -> None:
    drop = SealedDrop("models/chat/v1/", "s3://b/models/chat/v1/manifest.json?versionId=1")
    with pytest.raises(DropNotSeenError, match="dead-letter queue"):
        slipway.rollout_of(drop, timeout_s=0.1)

    put(session, "seal", pk=f"seal#{hashlib.sha256(drop.seal.encode()).hexdigest()}", rolloutId="")

    with pytest.raises(ImageMissingError, match="release-"):
        slipway.rollout_of(drop, timeout_s=0.1)


def test_watching_tells_every_phase_once_and_ends_with_the_rollout(slipway: Slipway, session: boto3.Session) -> None:
    at = "2026-11-23T12:00:00Z"
    entries = [{"phase": phase, "at": at, "reason": phase} for phase in ("received", "examined", "shifting", "live")]
    put_rollout(session, 1, phase="examined", history=entries[:2])

    def go_on() -> None:
        time.sleep(0.7)
        put_rollout(session, 1, phase="live", history=entries)

    threading.Thread(target=go_on).start()

    seen = [change.phase for change in slipway.watch("chat", "3f2a91c07d4e-1", timeout_s=10)]
    assert seen == ["received", "examined", "shifting", "live"]


def test_watching_gives_up_at_its_limit_and_says_how_to_go_on(slipway: Slipway, session: boto3.Session) -> None:
    put_rollout(session, 1, phase="waiting")

    with pytest.raises(RolloutTimeoutError, match=r"still waiting.*slipway watch 3f2a91c07d4e-1"):
        list(slipway.watch("chat", "3f2a91c07d4e-1", timeout_s=0))


def test_an_unknown_rollout_is_said_to_be_unknown(slipway: Slipway) -> None:
    with pytest.raises(RolloutNotFoundError, match=r"no rollout 3f2a91c07d4e-9; `slipway watch --endpoint chat`"):
        slipway.rollout("chat", "3f2a91c07d4e-9")


def test_releases_come_newest_first_and_only_of_their_endpoint(slipway: Slipway, session: boto3.Session) -> None:
    for release_id, day in (("aaaaaaaaaaaa", 1), ("bbbbbbbbbbbb", 3), ("cccccccccccc", 2)):
        put(
            session,
            "release",
            sk=f"release#{release_id}",
            releaseId=release_id,
            createdAt=f"2026-11-0{day}T00:00:00Z",
        )
    put(session, "release", pk="endpoint#other", endpoint="other")

    assert [release.release_id for release in slipway.releases("chat")] == [
        "bbbbbbbbbbbb",
        "cccccccccccc",
        "aaaaaaaaaaaa",
    ]


def test_an_endpoint_that_never_served_has_empty_ids(slipway: Slipway) -> None:
    assert slipway.endpoint("chat").live_release_id == ""


@pytest.mark.parametrize("endpoint", ["Chat", "a" * 21, "chat_1", ""])
def test_a_name_that_no_endpoint_can_have_is_refused_and_not_empty(slipway: Slipway, endpoint: str) -> None:
    with pytest.raises(UsageError, match="the name"):
        slipway.endpoint(endpoint)


def test_a_missing_stack_is_said_to_be_missing(session: boto3.Session) -> None:
    with pytest.raises(StackNotFoundError, match="the stack other is not deployed here"):
        Slipway("other", session).outputs()


@pytest.fixture
def rollback_machine(session: boto3.Session) -> None:
    session.client("stepfunctions").create_state_machine(
        name="slipway-rollback",
        roleArn="arn:aws:iam::123456789012:role/any",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
    )


@pytest.mark.usefixtures("rollback_machine")
def test_a_rollback_answers_the_rollout_that_its_own_execution_registered(
    slipway: Slipway, session: boto3.Session
) -> None:
    put_rollout(session, 1, kind="rollback")
    machines = session.client("stepfunctions")

    def register() -> None:
        machine = machines.list_state_machines()["stateMachines"][0]["stateMachineArn"]
        while not (running := machines.list_executions(stateMachineArn=machine)["executions"]):
            time.sleep(0.05)
        digest = hashlib.sha256(running[0]["executionArn"].encode()).hexdigest()
        put(session, "seal", pk=f"seal#{digest}", rolloutId="3f2a91c07d4e-3")

    threading.Thread(target=register).start()

    assert slipway.rollback("chat", timeout_s=10) == "3f2a91c07d4e-3"


@pytest.mark.parametrize("to", ["xyz", "3f2a91c07d4e-1", "3F2A91C07D4E", ""])
def test_what_cannot_be_a_release_id_starts_no_machine(slipway: Slipway, to: str) -> None:
    with pytest.raises(UsageError, match=r"not a release id, 12 hex digits; `slipway releases chat`"):
        slipway.rollback("chat", to=to)


def test_a_rollback_of_a_stack_without_its_machine_is_refused_by_aws(slipway: Slipway) -> None:
    with pytest.raises(AwsRefusedError, match="StartExecution"):
        slipway.rollback("chat")


@pytest.mark.usefixtures("rollback_machine")
def test_a_rollback_that_ends_at_once_says_why(
    slipway: Slipway, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SF_EXECUTION_HISTORY_TYPE", "FAILURE")  # moto then ends every execution as failed

    with pytest.raises(RollbackRefusedError, match="was not rolled back"):
        slipway.rollback("chat", to="000000000000", timeout_s=5)
