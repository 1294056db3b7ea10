"""The twin inside the whole embedded AWS: what the execution role may not do, SageMaker does not do for it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.images import ImageStore
from local.world import World

CONTAINER = Path(__file__).with_name("container.py")
READ_DATA = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/chat/*"}
LIST_DATA = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::models"}
PULL_IMAGE = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state_dir = tmp_path_factory.mktemp("state")
    command = [sys.executable, "-m", "local", "--port", "0", "--state-dir", str(state_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        world = World(port, state_dir)
        world.client("s3").create_bucket(Bucket="models")
        world.client("s3").put_object(Bucket="models", Key="chat/config.json", Body=b"{}")
        world.client("ecr").create_repository(repositoryName="inference")
        yield world
        process.terminate()


@pytest.fixture(scope="module")
def image(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    context = tmp_path_factory.mktemp("image")
    (context / "container.py").write_bytes(CONTAINER.read_bytes())
    images = ImageStore(world)
    return images.push(images.build("inference", context, ["python", "container.py"], {}), "release-1")


def role(world: World, name: str, *statements: dict[str, Any], trusts: str = "sagemaker.amazonaws.com") -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": trusts}, "Action": "sts:AssumeRole"}
    iam = world.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
    return str(made["Role"]["Arn"])


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def create_model(world: World, name: str, image: str, role_arn: str) -> None:
    source = {"S3Uri": "s3://models/chat/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {
        "Image": image,
        "ModelDataSource": {"S3DataSource": source},
        "Environment": {"NAME": name},
    }
    world.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=role_arn, PrimaryContainer=container)


def test_a_role_with_its_rights_serves_a_real_image(world: World, image: str) -> None:
    create_model(world, "whole", image, role(world, "whole", READ_DATA, LIST_DATA, PULL_IMAGE))
    sagemaker = world.client("sagemaker")
    variant = {"VariantName": "v", "ModelName": "whole", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="whole", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="whole", EndpointConfigName="whole")

    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="whole", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    answer = world.client("sagemaker-runtime").invoke_endpoint(EndpointName="whole", Body=b"echo")
    described = sagemaker.describe_endpoint(EndpointName="whole")

    assert answer["Body"].read() == b"whole: 4 bytes"
    assert described["ProductionVariants"][0]["DeployedImages"][0]["ResolvedImage"] == image


@pytest.mark.parametrize(
    ("name", "statements", "message"),
    [
        pytest.param("no-data", (LIST_DATA, PULL_IMAGE), "Could not access model data", id="it may not read the data"),
        pytest.param("no-list", (READ_DATA, PULL_IMAGE), "Could not access model data", id="it may not list them"),
        pytest.param("no-pull", (READ_DATA, LIST_DATA), "Access denied for repository", id="it may not pull the image"),
    ],
)
def test_a_role_without_a_right_makes_no_model(
    world: World, image: str, name: str, statements: tuple[dict[str, str], ...], message: str
) -> None:
    arn = role(world, name, *statements)

    with pytest.raises(ClientError, match=message):
        create_model(world, name, image, arn)


def test_a_role_that_does_not_trust_sagemaker_makes_no_model(world: World, image: str) -> None:
    arn = role(world, "stranger", READ_DATA, LIST_DATA, PULL_IMAGE, trusts="lambda.amazonaws.com")

    with pytest.raises(ClientError, match=r"allows principal 'sagemaker\.amazonaws\.com' to assume"):
        create_model(world, "stranger", image, arn)


def test_who_may_not_pass_the_role_makes_no_model(world: World, image: str) -> None:
    execution = role(world, "execution", READ_DATA, LIST_DATA, PULL_IMAGE)
    creator = role(
        world,
        "creator",
        {"Effect": "Allow", "Action": "sagemaker:CreateModel", "Resource": "*"},
        trusts="ec2.amazonaws.com",
    )
    keys = world.client("sts").assume_role(
        RoleArn=creator, RoleSessionName="creator", SourceIdentity="ec2.amazonaws.com"
    )

    with pytest.raises(ClientError, match="iam:PassRole") as caught:
        world.client("sagemaker", keys["Credentials"]).create_model(
            ModelName="passed", ExecutionRoleArn=execution, PrimaryContainer={"Image": image}
        )

    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def as_role(world: World, name: str, *statements: dict[str, Any]) -> Any:
    """A SageMaker client with these rights and the one to pass any role."""
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    arn = role(world, name, passing, *statements, trusts="ec2.amazonaws.com")
    keys = world.client("sts").assume_role(RoleArn=arn, RoleSessionName=name, SourceIdentity="ec2.amazonaws.com")
    return world.client("sagemaker", keys["Credentials"])


def test_who_may_create_with_a_tag_alone_may_not_without(world: World, image: str) -> None:
    execution = role(world, "tagging-execution", READ_DATA, LIST_DATA, PULL_IMAGE)
    tagged = {
        "Effect": "Allow",
        "Action": ["sagemaker:CreateModel", "sagemaker:AddTags"],
        "Resource": "arn:aws:sagemaker:us-east-1:123456789012:model/tagged-*",
        "Condition": {
            "StringEquals": {"aws:RequestTag/team": "release"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "owner"]},
        },
    }
    sagemaker = as_role(world, "tagger", tagged)

    def create(name: str, **tags: str) -> None:
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=execution,
            PrimaryContainer={"Image": image},
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )

    create("tagged-one", team="release", owner="me")
    for name, tags in {
        "tagged-two": {},
        "tagged-three": {"team": "other"},
        "tagged-four": {"team": "release", "cost": "1"},
        "other": {"team": "release"},
    }.items():
        # Source: "Troubleshooting access denied error messages" of the IAM User Guide.
        resource = f"arn:aws:sagemaker:us-east-1:123456789012:model/{name}"
        with pytest.raises(ClientError) as caught:
            create(name, **tags)
        error = caught.value.response["Error"]
        assert error["Code"] == "AccessDeniedException"
        assert error["Message"] == (
            "User: arn:aws:sts::123456789012:assumed-role/tagger/tagger is not authorized to perform: "
            f"sagemaker:CreateModel on resource: {resource} because no identity-based policy allows the "
            "sagemaker:CreateModel action"
        )


def test_who_may_use_small_instances_alone_makes_no_config_with_others(world: World, image: str) -> None:
    create_model(world, "sized", image, role(world, "sized", READ_DATA, LIST_DATA, PULL_IMAGE))
    small = {
        "Effect": "Allow",
        "Action": "sagemaker:CreateEndpointConfig",
        "Resource": "*",
        "Condition": {"ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.m5.large", "ml.c5.large"]}},
    }
    sagemaker = as_role(world, "small", small)

    def create(name: str, *types: str) -> None:
        pools = [{"InstanceType": kind, "Priority": number} for number, kind in enumerate(types, 1)]
        variant = {"VariantName": "v", "ModelName": "sized", "InitialInstanceCount": 1, "InstancePools": pools}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    create("small", "ml.m5.large", "ml.c5.large")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        create("large", "ml.m5.large", "ml.g5.4xlarge")
