"""Every patch fills a gap that this moto still has; when one of these turns red, its patch can go."""

import base64
import hashlib
import inspect
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import boto3
import pytest
from moto import mock_aws, settings
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.core.config import default_user_config
from moto.ecr.models import Image
from moto.s3 import models as s3
from moto.s3 import notifications
from moto.s3.responses import S3Response
from moto.s3.utils import compute_checksum
from moto.stepfunctions import models as machines
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

MIB = 1024 * 1024
ACCOUNT, REGION = "123456789012", "us-east-1"
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


def test_the_patches_are_written_for_this_moto() -> None:
    assert version("moto") == "5.2.5"


# Step Functions


def test_moto_runs_no_machine_unless_told() -> None:
    assert default_user_config["stepfunctions"] == {"execute_state_machine": False}


def test_moto_has_no_jsonata_evaluator() -> None:
    with pytest.raises(TypeError):
        jsonata.eval_jsonata_expression("1 + 1")


def test_moto_does_not_quote_strings_in_variables() -> None:
    assert jsonata.encode_jsonata_variable_declarations({"$cause": 'a "b"'}) == '$cause:="a "b"";'


@pytest.mark.parametrize(
    ("part", "wall_clock"),
    [
        (WaitFunction._wait_interval, "time.time()"),
        (RetrierDecl._eval_body, "time.sleep("),
        (Program.eval, "join(timeout=timeout)"),
    ],
)
def test_moto_waits_on_the_wall_clock(part: Any, wall_clock: str) -> None:
    assert wall_clock in inspect.getsource(part)


def test_moto_gives_a_nameless_execution_no_name() -> None:
    assert "name or" not in inspect.getsource(StepFunctionsParserBackend.start_execution)


def test_moto_stops_an_execution_without_its_reason() -> None:
    assert "cause" not in inspect.getsource(StepFunctionResponse.stop_execution)


def test_moto_creates_a_templates_machine_where_nothing_runs_it() -> None:
    assert machines.stepfunctions_backends is not stepfunctions_parser_backends
    assert not machines.StateMachine.has_cfn_attr("Arn")
    assert "DefinitionSubstitutions" not in inspect.getsource(machines)


def test_moto_calls_services_with_nobodys_keys() -> None:
    assert 'aws_access_key_id="ak"' in inspect.getsource(boto_client.boto_client_for)


def test_moto_knows_few_services_error_names() -> None:
    assert "sagemaker" not in state_task_service_aws_sdk._SERVICE_ERROR_NAMES


def test_moto_spells_no_parameters() -> None:
    task = state_task_service.StateTaskService
    for method in (task._normalise_parameters, task._normalise_response):
        assert inspect.getsource(method).rstrip().endswith("pass")


# EventBridge, ECR and Lambda


def test_moto_delivers_to_no_function() -> None:
    events = boto3.client("events", region_name=REGION)
    events.put_rule(Name="r", EventPattern='{"source": ["s"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}])

    with pytest.raises(NotImplementedError):
        events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}])


def test_moto_invents_an_images_digest() -> None:
    manifest = json.dumps({"layers": [{"digest": "sha256:1"}]})

    assert (
        Image(ACCOUNT, "t", manifest, "r").get_image_digest()
        != f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    )


def test_moto_drops_a_functions_log_group() -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    spec = {
        "FunctionName": "f",
        "Role": "r",
        "Code": {"ZipFile": base64.b64encode(code.getvalue())},
        "LoggingConfig": {"LogGroup": "shared"},
        "DeadLetterConfig": {"TargetArn": "arn"},
    }

    new_function: Any = LambdaFunction
    function = new_function(ACCOUNT, spec, REGION)

    assert function.logs_group_name == "/aws/lambda/f"
    assert "arn" not in vars(function).values()


# S3


@pytest.fixture
def storage() -> s3.S3Backend:
    backend: s3.S3Backend = s3.s3_backends[ACCOUNT]["aws"]
    backend.create_bucket("bucket", REGION)
    return backend


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


def test_moto_tells_twice_of_one_multipart_upload(storage: s3.S3Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(notifications, "send_event", lambda *event: said.append(event[1].value))

    multipart(storage)

    assert said == [
        "s3:ObjectCreated:Put",
        "s3:ObjectTagging:Put",
        "s3:ObjectCreated:CompleteMultipartUpload",
    ]


def test_moto_says_one_sequencer_for_all() -> None:
    assert '"617f08299329d189"' in inspect.getsource(notifications._send_event_bridge_message)


def test_moto_gives_a_copy_the_checksum_of_parts(storage: s3.S3Backend) -> None:
    key = multipart(storage)
    storage.copy_object(key, "bucket", "copy")
    copy = storage.get_object("bucket", "copy")

    assert copy is not None
    assert copy.checksum_value == key.checksum_value != compute_checksum(copy.value, "CRC32").decode()


def test_moto_does_not_say_what_a_checksum_covers() -> None:
    assert "checksum_type" not in inspect.getsource(S3Response.head_object)


def test_moto_believes_every_checksum() -> None:
    assert "BadDigest" not in inspect.getsource(S3Response)


def test_moto_decodes_chunks_by_copying_all_before_them() -> None:
    assert "decoded_body += " in inspect.getsource(S3Response._handle_encoded_body)


def test_moto_reads_whole_objects_for_a_part() -> None:
    assert "key.value" in inspect.getsource(S3Response.get_object)


def test_moto_reads_policies_without_conditions() -> None:
    assert "Condition" not in inspect.getsource(s3.FakeBucket.get_permission)


def test_moto_drops_a_templates_versioning_and_notifications() -> None:
    source = inspect.getsource(s3.FakeBucket.create_from_cloudformation_json)

    assert "VersioningConfiguration" not in source
    assert "NotificationConfiguration" not in source


def test_moto_joins_the_parts_of_an_upload_in_memory() -> None:
    assert "total.extend(part.value)" in inspect.getsource(s3.FakeMultipart.complete)


def test_moto_writes_a_copy_byte_by_byte() -> None:
    assert "value=src_key.value" in inspect.getsource(s3.S3Backend.copy_object)


# SNS and CloudWatch


def test_moto_hands_functions_an_invented_message() -> None:
    assert "arn:aws:sns:EXAMPLE" in inspect.getsource(LambdaBackend.send_sns_message)


def test_moto_adds_up_metrics_with_more_dimensions_than_asked() -> None:
    cloudwatch = boto3.client("cloudwatch", region_name=REGION)
    dimensions: Any = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
    cloudwatch.put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Dimensions": dimensions, "Timestamp": NOW, "Value": 1}]
    )

    answer = cloudwatch.get_metric_statistics(
        Namespace="n",
        MetricName="m",
        Dimensions=dimensions[:1],
        StartTime=NOW - timedelta(hours=1),
        EndTime=NOW + timedelta(hours=1),
        Period=60,
        Statistics=["Sum"],
    )

    assert [point["Sum"] for point in answer["Datapoints"]] == [1]
