"""What the adapters ask AWS for and how they tell its failures apart, against recorded answers of the services."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import ANY
from moto import mock_aws

from release.adapters import artifacts as s3_adapter
from release.adapters import tarballs
from release.adapters.alarms import CloudWatchAlarms
from release.adapters.artifacts import S3ArtifactStore
from release.adapters.aws import translated
from release.adapters.images import EcrImages
from release.adapters.items import Items, RaceLostError
from release.adapters.machine import StepFunctionsMachine
from release.adapters.notices import SnsNotices
from release.adapters.probes import RuntimeProbes
from release.adapters.registry import EcrRegistry
from release.adapters.settings import SsmSettings
from release.adapters.tarballs import regular_members
from release.contracts.config import PartialConfig
from release.contracts.machines import Notification
from release.domain.phases import Phase
from release.domain.truth import ProbeAnswer
from release.errors import (
    AccessDeniedError,
    ArtifactRejectedError,
    InvalidInputError,
    ServiceUnavailableError,
)
from tests.builders.artifacts import tarball
from tests.builders.aws import stubbed
from tests.builders.records import AT, IMAGE

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def test_the_guard_watches_green_alone_and_takes_silence_for_no_trip() -> None:
    client, stub = stubbed("cloudwatch")
    dimensions = [
        {"Name": "EndpointName", "Value": "slipway-chat"},
        {"Name": "VariantName", "Value": "AllTraffic"},
        {"Name": "EndpointConfigName", "Value": "green"},
    ]
    minutes = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": dimensions},
                "Period": 60,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for name, metric in (("errors", "Invocation5XXErrors"), ("requests", "Invocations"))
    ]
    proof = {"Id": "proof", "Expression": ANY, "Label": ANY, "ReturnData": True}
    exact = {
        "AlarmName": "guard",
        "AlarmDescription": ANY,
        "Metrics": [proof, *minutes],
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 1,
        "TreatMissingData": "notBreaching",
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
    stub.add_response("put_metric_alarm", {}, exact)
    found = {"MetricAlarms": [{"AlarmName": "guard", "StateValue": "INSUFFICIENT_DATA"}]}
    stub.add_response("describe_alarms", found, {"AlarmNames": ["guard", "abort"]})
    alarms = CloudWatchAlarms(client)

    alarms.ensure_guard("guard", endpoint_name="slipway-chat", config_name="green")

    assert alarms.states(["guard", "abort"]) == {"guard": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("attributes", "answer"),
    [
        pytest.param("release=r;rollout=r-1", ProbeAnswer("r", "r-1", ""), id="ours"),
        pytest.param("something else", ProbeAnswer("", "", ""), id="another server's"),
        pytest.param(None, ProbeAnswer("", "", ""), id="none"),
    ],
)
def test_a_probe_tells_who_answered(attributes: str | None, answer: ProbeAnswer) -> None:
    client, stub = stubbed("sagemaker-runtime")
    reply = {"Body": StreamingBody(io.BytesIO(b"{}"), 2)} | ({"CustomAttributes": attributes} if attributes else {})
    stub.add_response("invoke_endpoint", reply)

    assert RuntimeProbes(client).ask("slipway-chat") == answer


def test_a_probe_that_the_model_fails_is_an_answer_and_one_that_is_throttled_is_none() -> None:
    client, stub = stubbed("sagemaker-runtime")
    stub.add_client_error("invoke_endpoint", "ModelError", "Received server error (500)", http_status_code=424)
    stub.add_client_error("invoke_endpoint", "ThrottlingException", "Rate exceeded")
    probes = RuntimeProbes(client)

    assert probes.ask("slipway-chat").error == "ModelError: Received server error (500)"
    with pytest.raises(ServiceUnavailableError, match="Rate exceeded"):
        probes.ask("slipway-chat")


def test_starting_an_execution_that_was_started_answers_its_arn() -> None:
    client, stub = stubbed("stepfunctions")
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:slipway-release"
    execution = "arn:aws:states:us-east-1:123456789012:execution:slipway-release:r-1"
    wanted = {"stateMachineArn": machine, "name": "r-1", "input": '{"endpoint": "chat", "rolloutId": "r-1"}'}
    stub.add_response("start_execution", {"executionArn": execution, "startDate": NOW}, wanted)
    stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    stub.add_client_error("start_execution", "StateMachineDoesNotExist", "no such machine")
    starter = StepFunctionsMachine(client, machine_arn=machine)

    assert [starter.start("chat", "r-1"), starter.start("chat", "r-1")] == [execution, execution]
    with pytest.raises(Exception, match="no such machine"):
        starter.start("chat", "r-1")


def test_the_form_of_an_image_is_the_media_type_of_its_manifest() -> None:
    client, stub = stubbed("ecr")
    wanted = {"repositoryName": "slipway-inference", "imageIds": [{"imageDigest": "sha256:" + "0" * 64}]}
    oci = "application/vnd.oci.image.manifest.v1+json"
    stub.add_response("describe_images", {"imageDetails": [{"imageManifestMediaType": oci}]}, wanted)
    stub.add_response("describe_images", {"imageDetails": [{}]}, wanted)
    stub.add_client_error("describe_images", "ImageNotFoundException")
    stub.add_client_error("describe_images", "AccessDeniedException", "no right")
    registry = EcrRegistry(client)

    assert [registry.media_type(IMAGE) for _ in range(3)] == [oci, "unknown", None]
    with pytest.raises(Exception, match="no right"):
        registry.media_type(IMAGE)


def test_an_image_is_looked_for_by_its_digest() -> None:
    client, stub = stubbed("ecr")
    wanted = {"repositoryName": "slipway-inference", "imageIds": [{"imageDigest": "sha256:" + "0" * 64}]}
    stub.add_response("describe_images", {"imageDetails": []}, wanted)
    stub.add_client_error("describe_images", "ImageNotFoundException")
    stub.add_client_error("describe_images", "AccessDeniedException", "not authorized", http_status_code=403)
    images = EcrImages(client)

    assert [images.exists(IMAGE), images.exists(IMAGE)] == [True, False]
    with pytest.raises(Exception, match="not authorized"):
        images.exists(IMAGE)


def test_settings_are_a_partial_config_or_a_sentence() -> None:
    client, stub = stubbed("ssm")
    for value in ('{"bakeSeconds": 600}', "{}", '{"bakeSecond": 600}'):
        stub.add_response("get_parameter", {"Parameter": {"Value": value}}, {"Name": "/slipway/endpoints/chat"})
    stub.add_client_error("get_parameter", "ParameterNotFound")
    stub.add_client_error("get_parameter", "AccessDeniedException", "not authorized", http_status_code=403)
    settings = SsmSettings(client, stack="slipway")

    assert settings.of("chat") == PartialConfig(bake_seconds=600)
    assert settings.of("chat") == PartialConfig()
    with pytest.raises(InvalidInputError, match="bakeSecond"):
        settings.of("chat")
    assert settings.of("chat") == PartialConfig()
    with pytest.raises(Exception, match="not authorized"):
        settings.of("chat")


def test_a_notification_keeps_its_contract_and_reads_well_in_a_mail() -> None:
    """docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html, "message structure": a text for each protocol."""
    client, stub = stubbed("sns")
    notification = Notification(
        endpoint="chat",
        release_id="a" * 12,
        rollout_id=f"{'a' * 12}-1",
        phase=Phase.LIVE,
        reason="it serves",
        undo=f"slipway rollback chat --to {'b' * 12}",
        evidence=("bake passed: 250 of 250 answers are sound",),
        look=f"slipway releases show {'a' * 12} --endpoint chat",
        at=AT,
    )
    sent: list[Any] = []
    client.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: sent.append(params))
    stub.add_response(
        "publish", {"MessageId": "1"}, {"TopicArn": "arn", "Subject": ANY, "Message": ANY, "MessageStructure": "json"}
    )

    SnsNotices(client, topic_arn="arn").tell(notification)

    texts = json.loads(sent[0]["Message"])
    assert Notification.parse(json.loads(texts["default"])) == notification
    assert texts["email"].split("\n") == [
        "it serves",
        "bake passed: 250 of 250 answers are sound",
        "",
        "To undo it:",
        notification.undo,
        "",
        "To look further:",
        notification.look,
    ]
    assert sent[0]["Subject"] == f"chat: release {'a' * 12} is live"


def test_a_large_object_is_copied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_adapter, "_SINGLE_COPY_BYTES", 6 * 2**20)
    parts = TransferConfig(multipart_threshold=6 * 2**20, multipart_chunksize=5 * 2**20)
    monkeypatch.setattr(s3_adapter, "_PARTS", parts)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        store = S3ArtifactStore(client, bucket="bucket")
        body = bytes(range(256)) * 4096 * 7
        store.write("a", body)

        store.copy("a", "b", len(body))

        assert store.read("b") == body
        assert client.head_object(Bucket="bucket", Key="b")["ETag"].endswith('-2"')


def test_a_checksum_of_parts_never_stands_for_the_whole_object() -> None:
    client, stub = stubbed("s3")
    answers = [
        {"ChecksumSHA256": "abc=-3", "ChecksumType": "COMPOSITE"},
        {"ChecksumCRC64NVME": "full=", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumSHA1": "abc=-2"},
        {},
    ]
    for answer in answers:
        stub.add_response("head_object", {"ContentLength": 1, "ETag": '"e-3"', **answer})
    store = S3ArtifactStore(client, bucket="bucket")

    found = [store.head("a") for _ in answers]

    assert [item.checksum if item else None for item in found] == [
        "etag:e-3",
        "crc64nvme:full=",
        "etag:e-3",
        "etag:e-3",
    ]


def test_s3_s_other_refusals_are_not_taken_for_missing_objects() -> None:
    client, stub = stubbed("s3")
    stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400)
    stub.add_client_error("head_object", "403", "Forbidden", http_status_code=403)
    stub.add_client_error("get_object", "InvalidObjectState", "archived", http_status_code=400)
    store = S3ArtifactStore(client, bucket="bucket")

    with pytest.raises(Exception, match="Bad Request"):
        store.head("a")
    with pytest.raises(Exception, match="Forbidden"):
        store.head("a")
    with pytest.raises(Exception, match="archived"):
        store.read("a")


def test_a_stream_that_ends_early_is_no_file() -> None:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")

        with pytest.raises(ArtifactRejectedError, match="ended after 3 of 4 bytes"):
            S3ArtifactStore(client, bucket="bucket").write_stream("a", io.BytesIO(b"123"), 4)


def test_a_tarball_that_unpacks_to_more_than_a_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarballs, "_MAX_UNPACKED_BYTES", 10)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        store = S3ArtifactStore(client, bucket="bucket")
        store.write("t", tarball({"a": b"123456", "b": b"123456"}))

        held = store.head("t")
        assert held is not None
        with pytest.raises(ArtifactRejectedError, match="more than 10 bytes"):
            list(store.members("t", held.checksum))


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:9"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1:9"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_a_connection_that_fails_is_worth_a_retry(error: Exception) -> None:
    with pytest.raises(ServiceUnavailableError, match=r"reading it: .*try again"), translated("reading it"):
        raise error


@pytest.mark.parametrize(
    "code",
    [
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html
        "AccessDeniedException",
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        "AccessDenied",
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: a generic 403, without a body
        "403",
        # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
        "AuthorizationError",
    ],
)
def test_a_right_that_is_missing_has_a_name_that_machines_know(code: str) -> None:
    refused = ClientError({"Error": {"Code": code, "Message": "no right"}}, "AnyOperation")

    with pytest.raises(AccessDeniedError, match=r"reading it: .*no right"), translated("reading it"):
        raise refused


def test_a_request_that_was_never_right_is_not_retried() -> None:
    with pytest.raises(ParamValidationError), translated("writing"):
        raise ParamValidationError(report="TransactItems is empty")


class BrokenStream(io.BytesIO):
    def read(self, _size: int | None = -1) -> bytes:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1:9")


def test_a_connection_that_breaks_in_a_tarball_is_not_blamed_on_the_tarball() -> None:
    with pytest.raises(ServiceUnavailableError, match="reading t"):
        list(regular_members(BrokenStream(), "t"))


def test_a_transaction_that_collides_with_another_is_worth_a_retry_and_other_refusals_are_not() -> None:
    client, stub = stubbed("dynamodb")
    reasons = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}
    stub.add_client_error("transact_write_items", "TransactionCanceledException", modeled_fields=reasons)
    stub.add_client_error("transact_write_items", "ValidationException", "malformed")
    for operation in ("put_item", "update_item", "delete_item"):
        stub.add_client_error(operation, "ValidationException", "malformed")
    items = Items(client, "t")
    write = items.update("pk", "sk", "SET a = :a", {"a": 1}, "attribute_exists(pk)")

    with pytest.raises(RaceLostError):
        items.transact("writing", [write])
    with pytest.raises(Exception, match="malformed"):
        items.transact("writing", [write])
    with pytest.raises(Exception, match="malformed"):
        items.put_if(PartialConfig(), "attribute_not_exists(pk)", {})
    with pytest.raises(Exception, match="malformed"):
        items.update_if("pk", "sk", "SET a = :a", {"a": 1})
    with pytest.raises(Exception, match="malformed"):
        items.delete_if("pk", "sk", "a = :a", {"a": 1})
