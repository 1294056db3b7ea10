"""What moto lacks where things happen and are told; when one of these turns red, its patch can go."""

import base64
import hashlib
import inspect
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from awslambdaric import bootstrap
from moto import mock_aws
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.ecr import models as ecr_models
from moto.ecr.models import Image
from moto.events import models as events_models
from moto.s3 import models as s3_models
from moto.scheduler import models as scheduler_models

from local import lambda_bootstrap
from local.moto_patches import clocks, ecr, event_sources, eventbridge, lambda_functions, sns
from tests.builders.gaps import justifies

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


@justifies(eventbridge._deliver_to_every_target)
def test_moto_delivers_to_no_function() -> None:
    events = boto3.client("events", region_name=REGION)
    events.put_rule(Name="r", EventPattern='{"source": ["s"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}])

    with pytest.raises(NotImplementedError):
        events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}])


@justifies(eventbridge._limit_events)
def test_moto_takes_events_of_any_size() -> None:
    detail = json.dumps({"text": "x" * 1024 * 1024})
    events = boto3.client("events", region_name=REGION)

    answer = events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": detail}])

    assert answer["FailedEntryCount"] == 0


@justifies(ecr._digest_manifests)
def test_moto_invents_an_images_digest() -> None:
    manifest = json.dumps({"layers": [{"digest": "sha256:1"}]})

    assert (
        Image(ACCOUNT, "t", manifest, "r").get_image_digest()
        != f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    )


@justifies(lambda_functions._keep_log_group_and_dead_letter_queue)
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


@justifies(eventbridge._notice_schedules)
def test_moto_keeps_a_schedule_that_nothing_fires() -> None:
    boto3.client("events", region_name=REGION).put_rule(Name="r", ScheduleExpression="cron(no such schedule)")

    assert "threading" not in inspect.getsource(events_models)


@justifies(eventbridge._tell_time_by_the_clock)
def test_moto_tells_an_event_the_time_of_the_wall_clock() -> None:
    assert 'event.get("Time", unix_time())' in inspect.getsource(events_models.EventsBackend.put_events)


@justifies(eventbridge._check_targets)
def test_moto_takes_a_machine_without_a_role_and_a_template_with_a_name_that_nobody_defined() -> None:
    events = boto3.client("events", region_name=REGION)
    events.put_rule(Name="r", EventPattern='{"source": ["s"]}')
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"

    answer = events.put_targets(
        Rule="r", Targets=[{"Id": "1", "Arn": machine, "InputTransformer": {"InputTemplate": '"<nobody>"'}}]
    )

    assert answer["FailedEntryCount"] == 0


@justifies(eventbridge._refuse_scheduler)
def test_moto_keeps_a_schedule_of_the_scheduler_that_nothing_fires() -> None:
    boto3.client("scheduler", region_name=REGION).create_schedule(
        Name="s",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"},
    )

    assert "threading" not in inspect.getsource(scheduler_models)


@justifies(ecr._announce_pushes)
def test_moto_tells_nobody_of_a_push() -> None:
    source = inspect.getsource(ecr_models)

    assert "put_events" not in source
    assert "send_to_targets" not in source


@justifies(lambda_functions._run_as_processes)
def test_moto_runs_functions_in_docker() -> None:
    assert "import docker" in inspect.getsource(LambdaFunction._invoke_lambda)


@justifies(clocks._date_objects_by_the_clock)
def test_moto_dates_objects_by_the_wall_clock() -> None:
    assert "self.last_modified = utcnow()" in inspect.getsource(s3_models.FakeKey)


@justifies(lambda_functions._read_the_qualifier)
def test_moto_looks_for_a_qualifier_that_no_client_sends() -> None:
    operation = boto3.client("lambda", region_name=REGION).meta.service_model.operation_model("Invoke")

    members: Any = operation.input_shape.members if operation.input_shape else {}
    assert members["Qualifier"].serialization["name"] == "Qualifier"
    assert '_get_param("qualifier")' in inspect.getsource(LambdaResponse.invoke)


@justifies(event_sources._leave_queues_to_our_polling)
def test_moto_invents_when_a_message_was_sent() -> None:
    assert '"SentTimestamp": "1545082649183"' in inspect.getsource(LambdaBackend._send_sqs_message)


def test_awslambdaric_says_the_deadline_where_the_functions_clock_reads_it() -> None:
    assert list(inspect.signature(bootstrap.handle_event_request).parameters)[lambda_bootstrap._DEADLINE] == (
        "epoch_deadline_time_in_ms"
    )


@justifies(sns._refuse_what_nobody_delivers)
def test_moto_hands_functions_an_invented_message() -> None:
    assert "arn:aws:sns:EXAMPLE" in inspect.getsource(LambdaBackend.send_sns_message)
