"""S3 through plain boto3: what was sent is what is stored, and every upload says so exactly once."""

import base64
import binascii
import hashlib
import io
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from botocore.exceptions import ClientError

from tests.builders.stacks import settled
from tests.integration.local_core.aws import Aws

EVENTS = Path(__file__).parents[3] / "events" / "aws"
MIB = 1024 * 1024
BYTES = random.Random(4).randbytes(20 * MIB + 17)  # noqa: S311 - no secret, only bytes


def crc32(body: bytes) -> str:
    return base64.b64encode(binascii.crc32(body).to_bytes(4, "big")).decode()


def composite_crc32(body: bytes, part_size: int) -> str:
    """Amazon S3 User Guide, object integrity: the checksum of the parts' checksums, a dash, how many."""
    parts = [body[start : start + part_size] for start in range(0, len(body), part_size)]
    return crc32(b"".join(binascii.crc32(part).to_bytes(4, "big") for part in parts)) + f"-{len(parts)}"


def head(aws: Aws, bucket: str, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws.client("s3").head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    return answer


def stored(aws: Aws, bucket: str, key: str) -> bytes:
    body: bytes = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def test_a_put_object_keeps_its_bytes_and_the_checksum_that_was_sent(aws: Aws) -> None:
    bucket = aws.bucket()
    body = BYTES[:100_000]
    aws.client("s3").put_object(Bucket=bucket, Key="models/ü b+c/weights.bin", Body=body)

    answer = head(aws, bucket, "models/ü b+c/weights.bin")

    assert stored(aws, bucket, "models/ü b+c/weights.bin") == body
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc32(body), "FULL_OBJECT")


def test_a_checksum_that_only_a_header_names_is_kept_too(aws: Aws) -> None:
    bucket = aws.bucket()
    digest = base64.b64encode(hashlib.sha256(b"weights").digest()).decode()
    aws.client("s3").put_object(Bucket=bucket, Key="k", Body=b"weights", ChecksumSHA256=digest)

    assert head(aws, bucket, "k")["ChecksumSHA256"] == digest


def test_an_object_that_is_not_there_is_not_found(aws: Aws) -> None:
    with pytest.raises(ClientError) as missing:
        head(aws, aws.bucket(), "published/nothing")

    assert missing.value.response["Error"]["Code"] == "404"


def test_a_wrong_checksum_is_refused_and_nothing_stored(aws: Aws) -> None:
    bucket = aws.bucket()

    with pytest.raises(ClientError) as refused:
        aws.client("s3").put_object(Bucket=bucket, Key="k", Body=b"weights", ChecksumCRC32=crc32(b"other"))

    assert refused.value.response["Error"]["Code"] == "BadDigest"
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)


def test_a_multipart_upload_is_one_object_whose_checksum_covers_parts(aws: Aws) -> None:
    bucket = aws.bucket()
    aws.client("s3").upload_fileobj(io.BytesIO(BYTES), bucket, "weights.bin")

    answer = head(aws, bucket, "weights.bin")

    assert stored(aws, bucket, "weights.bin") == BYTES
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (composite_crc32(BYTES, 8 * MIB), "COMPOSITE")


def test_a_multipart_upload_whose_whole_checksum_is_wrong_is_refused(aws: Aws) -> None:
    bucket = aws.bucket()

    with pytest.raises(ClientError) as refused:
        aws.client("s3").upload_fileobj(
            io.BytesIO(BYTES),
            bucket,
            "weights.bin",
            ExtraArgs={"ChecksumCRC32": crc32(BYTES[1:]), "ChecksumType": "FULL_OBJECT"},
        )

    assert refused.value.response["Error"]["Code"] == "BadDigest"
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)


def test_a_multipart_upload_may_ask_for_a_checksum_of_the_whole(aws: Aws) -> None:
    bucket = aws.bucket()
    whole = {"ChecksumCRC32": crc32(BYTES), "ChecksumType": "FULL_OBJECT"}
    aws.client("s3").upload_fileobj(io.BytesIO(BYTES), bucket, "weights.bin", ExtraArgs=whole)

    answer = head(aws, bucket, "weights.bin")

    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc32(BYTES), "FULL_OBJECT")
    assert stored(aws, bucket, "weights.bin") == BYTES


def test_what_was_uploaded_does_not_stay_in_memory(aws: Aws) -> None:
    bucket, process = aws.bucket(), psutil.Process(aws.process_id)
    aws.client("s3").upload_fileobj(io.BytesIO(BYTES), bucket, "warm-up")
    before = process.memory_info().rss

    for number in range(5):
        aws.client("s3").upload_fileobj(io.BytesIO(BYTES), bucket, f"weights-{number}")
        aws.client("s3").copy_object(
            Bucket=bucket, Key=f"copy-{number}", CopySource={"Bucket": bucket, "Key": f"weights-{number}"}
        )

    assert process.memory_info().rss - before < 2 * len(BYTES), "ten objects of this size were stored"


def test_a_copy_is_not_changed_by_what_happens_to_its_source(aws: Aws) -> None:
    bucket, s3 = "unversioned-" + aws.bucket(), aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=BYTES)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})

    s3.put_object(Bucket=bucket, Key="k", Body=BYTES[::-1])
    s3.delete_object(Bucket=bucket, Key="k")

    assert stored(aws, bucket, "copy") == BYTES
    assert head(aws, bucket, "copy")["ETag"].strip('"') == hashlib.md5(BYTES, usedforsecurity=False).hexdigest()


def test_a_copy_of_a_multipart_object_has_a_checksum_of_its_bytes(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    s3.upload_fileobj(io.BytesIO(BYTES), bucket, "weights.bin")
    s3.copy_object(Bucket=bucket, Key="copy.bin", CopySource={"Bucket": bucket, "Key": "weights.bin"})

    answer = head(aws, bucket, "copy.bin")

    assert stored(aws, bucket, "copy.bin") == BYTES
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc32(BYTES), "FULL_OBJECT")


def test_parts_can_be_copied_from_ranges_of_another_object(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    s3.put_object(Bucket=bucket, Key="whole", Body=BYTES)
    upload = {
        "Bucket": bucket,
        "Key": "joined",
        "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="joined")["UploadId"],
    }
    parts = []
    for number, (first, last) in enumerate([(0, 8 * MIB - 1), (8 * MIB, len(BYTES) - 1)], 1):
        answer = s3.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": "whole"},
            CopySourceRange=f"bytes={first}-{last}",
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    assert stored(aws, bucket, "joined") == BYTES


def test_a_range_of_an_object_is_read_without_the_rest(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=BYTES)

    answer = s3.get_object(Bucket=bucket, Key="k", Range="bytes=8-107")

    assert answer["Body"].read() == BYTES[8:108]
    assert answer["ContentRange"] == f"bytes 8-107/{len(BYTES)}"


def test_every_version_of_a_key_can_be_read(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]

    bodies = [s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() for version in versions]

    assert bodies == [b"one", b"two"]


def test_a_policy_that_denies_under_a_condition_denies_nobody_else(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    s3.put_object(Bucket=bucket, Key="k", Body=b"one")

    assert stored(aws, bucket, "k") == b"one"


def test_every_upload_says_once_that_it_happened_in_the_contracts_words(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    queue_url, queue_arn = aws.queue()
    aws.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, Arn=queue_arn)

    first = s3.put_object(Bucket=bucket, Key="models/a b+ü/manifest.json", Body=b"{}")["VersionId"]
    s3.put_object_tagging(
        Bucket=bucket, Key="models/a b+ü/manifest.json", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    )
    s3.upload_fileobj(io.BytesIO(BYTES), bucket, "big")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "big"})

    events = [json.loads(message["Body"]) for message in aws.messages(queue_url, 3)]
    schema = json.loads((EVENTS / "s3-object-created.schema.json").read_text())
    for event in events:
        jsonschema.validate(event, schema)
    by_key = {event["detail"]["object"]["key"]: event["detail"] for event in events}
    assert {key: detail["reason"] for key, detail in by_key.items()} == {
        "models/a b+ü/manifest.json": "PutObject",
        "big": "CompleteMultipartUpload",
        "copy": "CopyObject",
    }
    put = by_key["models/a b+ü/manifest.json"]["object"]
    assert (put["version-id"], put["size"], put["etag"]) == (
        first,
        2,
        hashlib.md5(b"{}", usedforsecurity=False).hexdigest(),
    )
    assert len({event["id"] for event in events}) == 3


def test_the_sequencer_grows_with_every_write_of_a_key(aws: Aws) -> None:
    bucket, s3 = aws.bucket(), aws.client("s3")
    queue_url, queue_arn = aws.queue()
    aws.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, Arn=queue_arn)
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=str(n).encode())["VersionId"] for n in range(5)]

    objects = [json.loads(message["Body"])["detail"]["object"] for message in aws.messages(queue_url, 5)]

    assert [each["version-id"] for each in sorted(objects, key=lambda each: each["sequencer"])] == versions


def test_a_templates_bucket_is_versioned_and_tells_eventbridge(aws: Aws) -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "VersioningConfiguration": {"Status": "Enabled"},
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        },
    }
    stacks, s3 = aws.client("cloudformation"), aws.client("s3")
    stacks.create_stack(StackName="bucket", TemplateBody=json.dumps({"Resources": {"Bucket": bucket}}))
    settled(stacks, "bucket")
    name = stacks.describe_stack_resource(StackName="bucket", LogicalResourceId="Bucket")["StackResourceDetail"][
        "PhysicalResourceId"
    ]
    queue_url, queue_arn = aws.queue()
    aws.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [name]}}}, Arn=queue_arn)

    version = s3.put_object(Bucket=name, Key="k", Body=b"")["VersionId"]

    [message] = aws.messages(queue_url, 1)
    assert json.loads(message["Body"])["detail"]["object"]["version-id"] == version
