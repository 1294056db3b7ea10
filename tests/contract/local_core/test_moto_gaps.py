"""Every patch of S3 fills a gap that this moto still has; when one of these turns red, its patch can go."""

import inspect
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import boto3
import pytest
from moto import mock_aws, settings
from moto.s3 import models as s3
from moto.s3 import notifications
from moto.s3.responses import S3Response
from moto.s3.utils import compute_checksum

from local.moto_patches import s3 as s3_patches
from local.moto_patches import s3_bodies, s3_objects
from tests.builders.gaps import justifies

MIB = 1024 * 1024
ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


def test_the_patches_are_written_for_this_moto() -> None:
    assert version("moto") == "5.2.5"


@pytest.fixture
def storage() -> s3.S3Backend:
    backend: s3.S3Backend = s3.s3_backends[ACCOUNT]["aws"]
    backend.create_bucket("bucket", REGION)
    return backend


@justifies(s3_patches._read_buckets_from_the_path)
def test_moto_takes_the_host_for_a_bucket() -> None:
    assert not settings.S3_IGNORE_SUBDOMAIN_BUCKETNAME


def multipart(storage: s3.S3Backend) -> s3.FakeKey:
    metadata: Any = {"x-amz-checksum-algorithm": "CRC32"}
    upload = storage.create_multipart_upload("bucket", "key", metadata, "STANDARD", {}, None, "", "")
    parts = [storage.upload_part("bucket", upload.id, n, bytes([n]) * 5 * MIB) for n in (1, 2)]
    key = storage.complete_multipart_upload(
        "bucket", upload.id, iter([(n, part.etag) for n, part in enumerate(parts, 1)])
    )
    assert key is not None
    return key


@justifies(s3_patches._complete_multipart_once)
def test_moto_tells_twice_of_one_multipart_upload(storage: s3.S3Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(notifications, "send_event", lambda *event: said.append(event[1].value))

    multipart(storage)

    assert said == [
        "s3:ObjectCreated:Put",
        "s3:ObjectTagging:Put",
        "s3:ObjectCreated:CompleteMultipartUpload",
    ]


@justifies(s3_patches._announce_created_objects)
def test_moto_says_one_sequencer_for_all() -> None:
    assert '"617f08299329d189"' in inspect.getsource(notifications._send_event_bridge_message)


@justifies(s3_objects._checksum_copies)
def test_moto_gives_a_copy_the_checksum_of_parts(storage: s3.S3Backend) -> None:
    key = multipart(storage)
    storage.copy_object(key, "bucket", "copy")
    copy = storage.get_object("bucket", "copy")

    assert copy is not None
    assert copy.checksum_value == key.checksum_value != compute_checksum(copy.value, "CRC32").decode()


@justifies(s3_objects._say_what_a_checksum_covers)
def test_moto_does_not_say_what_a_checksum_covers() -> None:
    assert "checksum_type" not in inspect.getsource(S3Response.head_object)


@justifies(s3_objects._check_checksums, s3_objects._check_the_whole)
def test_moto_believes_every_checksum() -> None:
    assert "BadDigest" not in inspect.getsource(S3Response)


@justifies(s3_objects._decode_chunks_in_one_pass)
def test_moto_decodes_chunks_by_copying_all_before_them() -> None:
    assert "decoded_body += " in inspect.getsource(S3Response._handle_encoded_body)


@justifies(s3_bodies._pass_bytes_on_unread)
def test_moto_reads_whole_objects_for_a_part() -> None:
    assert "key.value" in inspect.getsource(S3Response.get_object)


@justifies(s3_patches._read_no_bucket_policy)
def test_moto_reads_policies_without_conditions() -> None:
    assert "Condition" not in inspect.getsource(s3.FakeBucket.get_permission)


@justifies(s3_patches._configure_buckets_from_templates)
def test_moto_drops_a_templates_versioning_and_notifications() -> None:
    source = inspect.getsource(s3.FakeBucket.create_from_cloudformation_json)

    assert "VersioningConfiguration" not in source
    assert "NotificationConfiguration" not in source


@justifies(s3_patches._tell_of_event_bridge)
def test_moto_hides_that_a_bucket_tells_event_bridge(storage: s3.S3Backend) -> None:
    client = boto3.client("s3", region_name=REGION)
    wanted: Any = {"EventBridgeConfiguration": {}}
    client.put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration=wanted)

    told = client.get_bucket_notification_configuration(Bucket="bucket")

    kept = storage.get_bucket_notification_configuration("bucket")
    assert kept is not None
    assert kept.event_bridge is not None
    assert "EventBridgeConfiguration" not in told


@justifies(s3_bodies._join_parts_in_a_file)
def test_moto_joins_the_parts_of_an_upload_in_memory() -> None:
    assert "total.extend(part.value)" in inspect.getsource(s3.FakeMultipart.complete)


@justifies(s3_bodies._keep_bodies_in_files)
def test_moto_writes_a_copy_byte_by_byte() -> None:
    assert "value=src_key.value" in inspect.getsource(s3.S3Backend.copy_object)


@justifies(s3_patches._refuse_functions_as_targets)
def test_moto_runs_a_notifications_function_in_docker_and_hides_that_there_is_none() -> None:
    source = inspect.getsource(notifications._invoke_awslambda)

    assert "lambda_backend" in source
    assert "pass" in source


@justifies(s3_patches._refuse_unknown_subresources)
def test_moto_takes_one_operation_for_another(storage: s3.S3Backend) -> None:
    client = boto3.client("s3", region_name=REGION)
    client.put_object(Bucket="bucket", Key="k", Body=b"bytes")

    assert client.get_object_torrent(Bucket="bucket", Key="k")["Body"].read() == b"bytes"
