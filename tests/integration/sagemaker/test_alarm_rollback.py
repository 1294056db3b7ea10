"""A green that fails one request in twenty, an alarm on it, and what SageMaker says of the rollback.

The whole embedded AWS: CloudWatch's alarms, EventBridge and SQS are those of every other user.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.images import ImageStore
from local.world import World

CONTAINER = Path(__file__).with_name("container.py")
TIME_SCALE = 30  # an alarm's period of 60 s is two real seconds
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
RIGHTS = {"Effect": "Allow", "Action": ["ecr:BatchGetImage", "cloudwatch:DescribeAlarms"], "Resource": "*"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    command = [sys.executable, "-m", "local", "--port", "0", "--ui-port", "0", "--state-dir", str(tmp_path)]
    with subprocess.Popen([*command, "--time-scale", str(TIME_SCALE)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield World(int(process.stdout.readline().rpartition(":")[2]), tmp_path)
        process.terminate()


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def push_container(world: World, context: Path) -> tuple[str, str]:
    """The image and a role that may run it."""
    context.mkdir()
    (context / "container.py").write_bytes(CONTAINER.read_bytes())
    world.client("ecr").create_repository(repositoryName="inference")
    images = ImageStore(world)
    image = images.push(images.build("inference", context, ["python", "container.py"], {}), "release-1")
    role = world.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=document(TRUST))
    world.client("iam").put_role_policy(RoleName="execution", PolicyName="all", PolicyDocument=document(RIGHTS))
    return image, role["Role"]["Arn"]


def create_config(world: World, name: str, image: str, role: str, **environment: str) -> None:
    sagemaker = world.client("sagemaker")
    container = {"Image": image, "Environment": {"NAME": name, **environment}}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def watch_green(world: World) -> None:
    """An alarm on 5 % errors of green alone, good before any traffic."""
    dimensions = {"EndpointName": "chat", "VariantName": "v", "EndpointConfigName": "green"}
    world.client("cloudwatch").put_metric_alarm(
        AlarmName="green-errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.04,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    until(lambda: state_of_alarm(world) == "OK")


def state_of_alarm(world: World) -> str:
    (alarm,) = world.client("cloudwatch").describe_alarms(AlarmNames=["green-errors"])["MetricAlarms"]
    return str(alarm["StateValue"])


def collect_events(world: World) -> str:
    """A queue that every event of SageMaker's endpoints reaches."""
    queue = world.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    answer = world.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = answer["Attributes"]["QueueArn"]
    events = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = document({**events, "Resource": arn})
    world.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    world.client("events").put_rule(Name="seen", EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    world.client("events").put_targets(Rule="seen", Targets=[{"Id": "seen", "Arn": arn}])
    return str(queue)


def receive(world: World, queue: str, seen: list[dict[str, Any]]) -> list[str]:
    """Move what has come into `seen`; returns the endpoint's states in order since its update began."""
    for message in world.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        seen.append(json.loads(message["Body"]))
        world.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    changes = [event for event in seen if event["detail-type"] == "SageMaker Endpoint State Change"]
    states = [
        e["detail"]["EndpointStatus"] for e in sorted(changes, key=lambda e: int(e["detail"]["LastModifiedTime"]))
    ]
    return states[states.index("UPDATING") :] if "UPDATING" in states else []


def until(condition: Any, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {within_s} s"
        time.sleep(0.05)


@contextlib.contextmanager
def people_talking(world: World) -> Iterator[None]:
    """Two people ask without a pause; one answer in twenty of green is an error, and they go on."""
    over = threading.Event()

    def talk() -> None:
        while not over.is_set():
            with contextlib.suppress(ClientError):
                world.client("sagemaker-runtime").invoke_endpoint(EndpointName="chat", Body=b"echo")

    threads = [threading.Thread(target=talk) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


def test_five_percent_errors_of_green_bring_blue_back_and_only_the_config_name_tells(
    world: World, tmp_path: Path
) -> None:
    image, role = push_container(world, tmp_path / "context")
    create_config(world, "blue", image, role)
    create_config(world, "green", image, role, ERROR_EVERY="20")
    sagemaker, queue = world.client("sagemaker"), collect_events(world)
    in_service = sagemaker.get_waiter("endpoint_in_service")
    sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="blue")
    in_service.wait(EndpointName="chat", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    watch_green(world)
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 3600}
    policy = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "green-errors"}]},
    }

    with people_talking(world):
        sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName="green", DeploymentConfig=policy)
        in_service.wait(EndpointName="chat", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        answers = [
            world.client("sagemaker-runtime").invoke_endpoint(EndpointName="chat", Body=b"echo")["Body"].read()
            for _ in range(40)
        ]

    # boto3's own waiter calls it a success; the status is that of a success too. The config name is not.
    after = sagemaker.describe_endpoint(EndpointName="chat")
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "blue")
    assert "green-errors" in after["FailureReason"]
    assert "PendingDeploymentSummary" not in after
    assert set(answers) == {b"blue: 4 bytes"}
    seen: list[dict[str, Any]] = []
    until(lambda: len(receive(world, queue, seen)) > 1)
    # Source: EndpointStatus of DescribeEndpoint: RollingBack is told of weights and capacities, not of deployments.
    assert receive(world, queue, seen) == ["UPDATING", "IN_SERVICE"]
