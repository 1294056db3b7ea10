"""With --keep-state, what was there when the embedded AWS stopped is there, and works, when it starts again."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from local.__main__ import main
from local.images import ImageStore
from local.world import World
from tests.integration.local_core.aws import Aws, until, zipped
from tests.integration.local_core.conftest import start, url_of

MIB = 1024 * 1024
BIG = bytes(range(256)) * (4 * 4096)  # 4 MiB: more than stays in memory
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com", "sagemaker.amazonaws.com"]},
    "Action": "sts:AssumeRole",
}
ANSWERS = "def handler(event, context):\n    return {'seen': event}\n"
STARTS = """
import json, os, boto3
def handler(event, context):
    machine = os.environ["MACHINE"]
    boto3.client("stepfunctions").start_execution(stateMachineArn=machine, name=event["id"], input=json.dumps(event))
"""
CONTAINER = Path(__file__).parents[1] / "sagemaker" / "container.py"
TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "of-the-stack",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": "of-the-stack",
                "Namespace": "test",
                "MetricName": "m",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanThreshold",
            },
        },
    },
    "Outputs": {"Table": {"Value": {"Ref": "Table"}}},
}


@dataclass
class Restarted:
    aws: Aws
    before: dict[str, Any]
    """What the first run noted."""


@contextmanager
def running(folder: Path) -> Iterator[Aws]:
    with start("--state-dir", str(folder), "--keep-state", "--time-scale", "100") as process:
        try:
            yield Aws(url_of(process), process.pid)
        finally:
            process.terminate()
            assert process.wait(60) == 0


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    folder = tmp_path_factory.mktemp("kept")
    with running(folder) as aws:
        before = {name: make(aws, folder) for name, make in MAKERS.items()}
    with running(folder) as aws:
        yield Restarted(aws, before)


def role(aws: Aws, _: Path) -> str:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam = aws.client("iam")
    arn: str = iam.create_role(
        RoleName="worker",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [TRUST]}),
        Tags=[{"Key": "team", "Value": "blue"}],
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="worker", PolicyName="all", PolicyDocument=json.dumps(policy))
    return arn


WORKER = "arn:aws:iam::123456789012:role/worker"


def objects(aws: Aws, _: Path) -> list[str]:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    versions = [s3.put_object(Bucket="bucket", Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    s3.put_object(Bucket="bucket", Key="big", Body=BIG, Tagging="a=b")
    in_parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(BIG + BIG), "bucket", "parts", Config=in_parts)
    s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/big")
    s3.put_object(Bucket="bucket", Key="gone", Body=b"")
    s3.delete_object(Bucket="bucket", Key="gone")
    return versions


def items(aws: Aws, _: Path) -> None:
    db = aws.client("dynamodb")
    db.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    db.put_item(TableName="table", Item={"pk": {"S": "1"}, "n": {"N": "7"}})
    aws.client("ssm").put_parameter(Name="/kept/parameter", Value="v", Type="String")


def messages(aws: Aws, _: Path) -> dict[str, str]:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sqs.send_message(QueueUrl=url, MessageBody="waiting")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return {"topic": topic}


def secrets(aws: Aws, _: Path) -> dict[str, Any]:
    kms = aws.client("kms")
    key = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["KeyId"]
    signed = kms.sign(KeyId=key, Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256")["Signature"]
    plain = kms.create_key()["KeyMetadata"]["KeyId"]
    return {"sign": key, "signature": signed, "cipher": kms.encrypt(KeyId=plain, Plaintext=b"secret")["CiphertextBlob"]}


def observations(aws: Aws, _: Path) -> None:
    logs, cloudwatch = aws.client("logs"), aws.client("cloudwatch")
    logs.create_log_group(logGroupName="/kept")
    cloudwatch.put_metric_data(Namespace="kept", MetricData=[{"MetricName": "m", "Value": 3}])
    cloudwatch.put_metric_alarm(
        AlarmName="kept",
        Namespace="kept",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )


def workflow(aws: Aws, _: Path) -> dict[str, str]:
    """A drop wakes a function that starts a machine; one execution has ended and one waits."""
    states, events, functions = aws.client("stepfunctions"), aws.client("events"), aws.client("lambda")
    done = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
    waits = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 10**7, "End": True}}}
    machine = states.create_state_machine(name="done", definition=json.dumps(done), roleArn=WORKER)["stateMachineArn"]
    waiting = states.create_state_machine(name="waits", definition=json.dumps(waits), roleArn=WORKER)["stateMachineArn"]
    ended = states.start_execution(stateMachineArn=machine, name="before", input='{"a": 1}')["executionArn"]
    aws.ended(ended)
    running = states.start_execution(stateMachineArn=waiting, name="before")["executionArn"]
    functions.create_function(
        FunctionName="answers",
        Runtime="python3.11",
        Role=WORKER,
        Handler="app.handler",
        Code={"ZipFile": zipped(ANSWERS)},
    )
    starts = functions.create_function(
        FunctionName="starts",
        Runtime="python3.11",
        Role=WORKER,
        Handler="app.handler",
        Code={"ZipFile": zipped(STARTS)},
        Environment={"Variables": {"MACHINE": machine}},
        Timeout=60,
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="starts", StatementId="rule", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [{"wildcard": "drops/*"}]}}}
    events.put_rule(Name="drops", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="drops", Targets=[{"Id": "1", "Arn": starts}])
    return {"machine": machine, "ended": ended, "running": running}


def stack(aws: Aws, _: Path) -> None:
    aws.client("cloudformation").create_stack(StackName="stack", TemplateBody=json.dumps(TEMPLATE))


def endpoint(aws: Aws, folder: Path) -> dict[str, str]:
    aws.client("ecr").create_repository(repositoryName="inference")
    images = ImageStore(World(port=int(aws.url.rpartition(":")[2]), state_dir=folder))
    uri = images.push(images.build("inference", {"container.py": CONTAINER}, ["python3", "/app/container.py"]), "v1")
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model(
        ModelName="model",
        ExecutionRoleArn=WORKER,
        PrimaryContainer={"Image": uri, "Environment": {"NAME": "kept"}},
        Tags=[{"Key": "release", "Value": "1"}],
    )
    variant = {"VariantName": "v", "ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    until(lambda: in_service(aws), 60)
    return {"image": uri}


def in_service(aws: Aws) -> bool | None:
    status = aws.client("sagemaker").describe_endpoint(EndpointName="endpoint")["EndpointStatus"]
    assert status in {"Creating", "InService"}
    return status == "InService" or None


MAKERS = {
    "role": role,
    "objects": objects,
    "items": items,
    "messages": messages,
    "secrets": secrets,
    "observations": observations,
    "workflow": workflow,
    "stack": stack,
    "endpoint": endpoint,
}


def test_every_version_of_an_object_is_there(restarted: Restarted) -> None:
    s3 = restarted.aws.client("s3")
    bodies = [
        s3.get_object(Bucket="bucket", Key="k", VersionId=version)["Body"].read()
        for version in restarted.before["objects"]
    ]

    assert bodies == [b"one", b"two"]
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"two"
    assert s3.get_object(Bucket="bucket", Key="big")["Body"].read() == BIG
    assert s3.get_object(Bucket="bucket", Key="copy")["Body"].read() == BIG
    assert s3.get_object(Bucket="bucket", Key="parts")["Body"].read() == BIG + BIG
    assert s3.get_object_tagging(Bucket="bucket", Key="big")["TagSet"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="bucket", Key="gone")


def test_items_and_parameters_are_there(restarted: Restarted) -> None:
    item = restarted.aws.client("dynamodb").get_item(TableName="table", Key={"pk": {"S": "1"}})["Item"]

    assert item["n"] == {"N": "7"}
    assert restarted.aws.client("ssm").get_parameter(Name="/kept/parameter")["Parameter"]["Value"] == "v"


def test_a_message_still_waits_and_a_topic_still_reaches_its_queue(restarted: Restarted) -> None:
    restarted.aws.client("sns").publish(TopicArn=restarted.before["messages"]["topic"], Message="after")
    url = restarted.aws.client("sqs").get_queue_url(QueueName="queue")["QueueUrl"]

    assert {message["Body"] for message in restarted.aws.messages(url, 2)} == {"waiting", "after"}


def test_keys_still_open_what_they_closed(restarted: Restarted) -> None:
    kms, before = restarted.aws.client("kms"), restarted.before["secrets"]
    verified = kms.verify(
        KeyId=before["sign"], Message=b"m", Signature=before["signature"], SigningAlgorithm="RSASSA_PSS_SHA_256"
    )

    assert kms.decrypt(CiphertextBlob=before["cipher"])["Plaintext"] == b"secret"
    assert verified["SignatureValid"]


def test_roles_keep_their_policies_and_tags(restarted: Restarted) -> None:
    iam = restarted.aws.client("iam")

    assert iam.list_role_tags(RoleName="worker")["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert iam.list_role_policies(RoleName="worker")["PolicyNames"] == ["all"]


def test_metrics_alarms_and_log_groups_are_there(restarted: Restarted) -> None:
    cloudwatch = restarted.aws.client("cloudwatch")
    now = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="kept",
        MetricName="m",
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(days=365),
        Period=24 * 3600,
        Statistics=["Sum"],
    )["Datapoints"]
    alarms = {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    groups = {group["logGroupName"] for group in restarted.aws.client("logs").describe_log_groups()["logGroups"]}

    assert [point["Sum"] for point in points] == [3]
    assert {"kept", "of-the-stack"} <= alarms
    assert "/kept" in groups


def test_an_execution_keeps_its_history_and_one_that_ran_was_aborted(restarted: Restarted) -> None:
    states, before = restarted.aws.client("stepfunctions"), restarted.before["workflow"]
    history = states.get_execution_history(executionArn=before["ended"])["events"]
    ended = states.describe_execution(executionArn=before["ended"])

    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"a": 1})
    assert [event["type"] for event in history][0::3] == ["ExecutionStarted", "ExecutionSucceeded"]
    assert states.describe_execution(executionArn=before["running"])["status"] == "ABORTED"


def test_a_function_answers(restarted: Restarted) -> None:
    answer = restarted.aws.client("lambda").invoke(FunctionName="answers", Payload=b'{"a": 1}')

    assert json.loads(answer["Payload"].read()) == {"seen": {"a": 1}}


def test_a_new_drop_starts_the_machine(restarted: Restarted) -> None:
    states, machine = restarted.aws.client("stepfunctions"), restarted.before["workflow"]["machine"]
    restarted.aws.client("s3").put_object(Bucket="bucket", Key="drops/new", Body=b"{}")

    def second() -> dict[str, Any] | None:
        executions = states.list_executions(stateMachineArn=machine)["executions"]
        return next((each for each in executions if each["name"] != "before" and each["status"] == "SUCCEEDED"), None)

    assert until(second, 60)


def test_an_endpoint_serves_with_all_its_instances(restarted: Restarted) -> None:
    described = restarted.aws.client("sagemaker").describe_endpoint(EndpointName="endpoint")
    [variant] = described["ProductionVariants"]
    answer = restarted.aws.client("sagemaker-runtime").invoke_endpoint(EndpointName="endpoint", Body=b"echo hello")

    assert (described["EndpointStatus"], variant["CurrentInstanceCount"]) == ("InService", 2)
    assert variant["DeployedImages"][0]["ResolvedImage"] == restarted.before["endpoint"]["image"]
    assert answer["Body"].read() == b"kept: 10 bytes"
    model = restarted.aws.client("sagemaker").describe_model(ModelName="model")["ModelArn"]
    assert restarted.aws.client("sagemaker").list_tags(ResourceArn=model)["Tags"] == [{"Key": "release", "Value": "1"}]


def test_a_stack_can_be_changed_and_deleted(restarted: Restarted) -> None:
    stacks = restarted.aws.client("cloudformation")
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Alarm"]["Properties"]["Threshold"] = 5
    stacks.update_stack(StackName="stack", TemplateBody=json.dumps(changed))

    def settled() -> str | None:
        status: str = stacks.describe_stacks(StackName="stack")["Stacks"][0]["StackStatus"]
        return None if status.endswith("IN_PROGRESS") else status

    assert until(settled, 60) == "UPDATE_COMPLETE"
    [alarm] = restarted.aws.client("cloudwatch").describe_alarms(AlarmNames=["of-the-stack"])["MetricAlarms"]
    assert alarm["Threshold"] == 5


def test_a_service_that_cannot_be_kept_is_refused_by_name(restarted: Restarted) -> None:
    with pytest.raises(ClientError, match="cannot keep the state of rds across a restart"):
        restarted.aws.client("rds").describe_db_instances()


def test_keeping_state_needs_a_folder_that_the_next_run_can_find(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--port", "0", "--keep-state"])

    assert ended.value.code == 2
    assert "--keep-state needs --state-dir" in capsys.readouterr().err


def test_the_state_of_another_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    header = tmp_path / "kept" / "generation" / "header.json"
    header.parent.mkdir(parents=True)
    header.write_text(json.dumps({"format": 1, "moto": "9.9.9", "python": "3.11"}))
    (tmp_path / "kept" / "current").write_text("generation")

    with start("--state-dir", str(tmp_path), "--keep-state") as process:
        _, code = process.communicate(timeout=60), process.returncode

    assert code == 3
    assert header.exists()
