"""A role may do what its policies allow: every service refuses the rest, in its own protocol and AWS's words."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from local.iam import AccessDeniedError, Iam, UnknownCredentialsError
from local.moto_patches import iam as iam_patches
from local.moto_patches.patching import Patches
from local.world import World

HERE = "us-east-1:123456789012"
TRUST = [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
ALLOWED: list[dict[str, Any]] = [
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::drops/models/*"},
    {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": f"arn:aws:dynamodb:{HERE}:table/releases"},
    {"Effect": "Allow", "Action": "sns:Publish", "Resource": f"arn:aws:sns:{HERE}:told"},
    {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": f"arn:aws:ssm:{HERE}:parameter/slipway/*"},
    {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    },
    {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
    {"Effect": "Deny", "Action": "sqs:DeleteQueue", "Resource": "*"},
]


@pytest.fixture
def iam(world: World, patches: Patches) -> Iam:
    iam = Iam(world)
    iam_patches.install(patches, iam)
    # The whole embedded AWS does this among its patches of S3.
    patches.replace(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    return iam


@pytest.fixture
def role(world: World, iam: Iam) -> str:
    return _role(world, "step", ALLOWED)


def _role(world: World, name: str, statements: list[dict[str, Any]], trust: list[dict[str, Any]] = TRUST) -> str:
    client = world.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn: str = client.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=policy)
    return arn


@pytest.fixture
def account(world: World) -> None:
    """What the administrator made before the role comes."""
    s3 = world.client("s3")
    for bucket in ("drops", "others"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="models/a", Body=b"1")
    s3.put_bucket_versioning(Bucket="drops", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="drops", Key="models/deleted", Body=b"1")
    s3.delete_object(Bucket="drops", Key="models/deleted")
    world.client("dynamodb").create_table(
        TableName="releases",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    world.client("sns").create_topic(Name="told")
    world.client("sqs").create_queue(QueueName="lost")
    world.client("ssm").put_parameter(Name="/slipway/endpoints/chat", Value="{}", Type="String")
    world.client("ssm").put_parameter(Name="/other", Value="{}", Type="String")


CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "reads an object in scope": ("s3", lambda s3: s3.get_object(Bucket="drops", Key="models/a")),
    "writes an object in scope": ("s3", lambda s3: s3.put_object(Bucket="drops", Key="models/b", Body=b"2")),
    "reads an item": ("dynamodb", lambda db: db.get_item(TableName="releases", Key={"pk": {"S": "1"}})),
    "publishes": ("sns", lambda sns: sns.publish(TopicArn=f"arn:aws:sns:{HERE}:told", Message="m")),
    "reads a parameter in scope": ("ssm", lambda ssm: ssm.get_parameter(Name="/slipway/endpoints/chat")),
    "sends a message": (
        "sqs",
        lambda sqs: sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="lost")["QueueUrl"], MessageBody="m"),
    ),
    "asks who it is": ("sts", lambda sts: sts.get_caller_identity()),
}
REFUSALS: dict[str, tuple[str, Callable[[Any], Any], str, str]] = {
    "reads another bucket": (
        "s3",
        lambda s3: s3.get_object(Bucket="others", Key="models/a"),
        "AccessDenied",
        "s3:GetObject",
    ),
    "copies from another bucket": (
        "s3",
        lambda s3: s3.copy_object(Bucket="drops", Key="models/c", CopySource="others/models/a"),
        "AccessDenied",
        "s3:GetObject on resource: arn:aws:s3:::others/models/a",
    ),
    "learns that an object is missing": (
        "s3",
        lambda s3: s3.get_object(Bucket="drops", Key="models/none"),
        "AccessDenied",
        "s3:ListBucket",
    ),
    "learns that an object was deleted": (
        "s3",
        lambda s3: s3.get_object(Bucket="drops", Key="models/deleted"),
        "AccessDenied",
        "s3:ListBucket",
    ),
    "makes a bucket": ("s3", lambda s3: s3.create_bucket(Bucket="mine"), "AccessDenied", "s3:CreateBucket"),
    "deletes several objects": (
        "s3",
        lambda s3: s3.delete_objects(Bucket="drops", Delete={"Objects": [{"Key": "models/a"}]}),
        "AccessDenied",
        "s3:DeleteObject",
    ),
    "writes an item": (
        "dynamodb",
        lambda db: db.put_item(TableName="releases", Item={"pk": {"S": "1"}}),
        "AccessDeniedException",
        f"dynamodb:PutItem on resource: arn:aws:dynamodb:{HERE}:table/releases",
    ),
    "makes a topic": ("sns", lambda sns: sns.create_topic(Name="more"), "AccessDenied", "sns:CreateTopic"),
    "reads a parameter out of scope": (
        "ssm",
        lambda ssm: ssm.get_parameter(Name="/other"),
        "AccessDeniedException",
        "/other",
    ),
    "invokes a function": (
        "lambda",
        lambda functions: functions.invoke(FunctionName="f"),
        "AccessDeniedException",
        f"lambda:InvokeFunction on resource: arn:aws:lambda:{HERE}:function:f",
    ),
    "starts an execution": (
        "stepfunctions",
        lambda states: states.start_execution(stateMachineArn=f"arn:aws:states:{HERE}:stateMachine:m", name="n"),
        "AccessDeniedException",
        "states:StartExecution",
    ),
    "deletes a queue": (
        "sqs",
        lambda sqs: sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="lost")["QueueUrl"]),
        "AccessDeniedException",
        "with an explicit deny in an identity-based policy",
    ),
    "changes an alarm": (
        "cloudwatch",
        lambda cloudwatch: cloudwatch.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="r"),
        "AccessDenied",  # its protocol decides whether "Exception" follows
        "cloudwatch:SetAlarmState",
    ),
    "assumes a role": (
        "sts",
        lambda sts: sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/step", RoleSessionName="session"),
        "AccessDenied",
        "sts:AssumeRole",
    ),
}


@pytest.mark.parametrize("deed", CALLS)
def test_a_role_does_what_its_policies_allow(world: World, role: str, account: None, deed: str) -> None:
    service, call = CALLS[deed]

    assert call(world.client(service, world.role_credentials(role, "test")))


@pytest.mark.parametrize("deed", REFUSALS)
def test_a_role_is_refused_what_no_policy_allows(world: World, role: str, account: None, deed: str) -> None:
    service, call, code, said = REFUSALS[deed]

    with pytest.raises(ClientError) as refused:
        call(world.client(service, world.role_credentials(role, "test")))

    error = refused.value.response["Error"]
    assert code in error["Code"], error
    assert said in error["Message"]
    assert "assumed-role/step/test is not authorized to perform: " in error["Message"]


def test_everybody_may_know_that_a_bucket_does_not_exist(world: World, role: str) -> None:
    s3 = world.client("s3", world.role_credentials(role, "test"))

    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket="nobodys", Key="models/a")

    assert missing.value.response["Error"]["Code"] == "NoSuchBucket"


def test_the_administrator_may_do_what_no_resource_denies(world: World, iam: Iam, account: None) -> None:
    world.client("s3").delete_object(Bucket="drops", Key="models/a")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::drops/published/*"}
        ],
    }
    world.client("s3").put_bucket_policy(Bucket="drops", Policy=json.dumps(policy))

    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        world.client("s3").put_object(Bucket="drops", Key="published/a", Body=b"1")


def test_a_bucket_policy_can_spare_one_role_from_its_denial(world: World, iam: Iam, account: None) -> None:
    publisher = _role(world, "publisher", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    other = _role(world, "other", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": "arn:aws:s3:::drops/published/*",
                "Condition": {"ArnNotEquals": {"aws:PrincipalArn": publisher}},
            }
        ],
    }
    world.client("s3").put_bucket_policy(Bucket="drops", Policy=json.dumps(policy))

    def put(role_arn: str) -> None:
        s3 = world.client("s3", world.role_credentials(role_arn, "test"))
        s3.put_object(Bucket="drops", Key="published/a", Body=b"1")

    put(publisher)
    with pytest.raises(ClientError, match="explicit deny"):
        put(other)


def test_a_role_is_passed_only_to_the_service_that_the_policy_names(world: World, iam: Iam, role: str) -> None:
    key = world.role_credentials(role, "test")["AccessKeyId"]

    iam.authorize(key, "iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})
    with pytest.raises(AccessDeniedError, match="iam:PassRole"):
        iam.authorize(key, "iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})


def test_an_unknown_key_is_nobodys(world: World, iam: Iam) -> None:
    with pytest.raises(UnknownCredentialsError, match="'stranger' is nobody's"):
        iam.authorize("stranger", "sagemaker:ListModels")
    stranger = {"AccessKeyId": "stranger", "SecretAccessKey": "x"}
    with pytest.raises(ClientError, match="is nobody's"):
        world.client("sqs", stranger).list_queues()


def test_a_service_assumes_only_roles_that_trust_it(world: World, iam: Iam, role: str) -> None:
    iam.check_trust(role, "lambda.amazonaws.com")

    for service, role_arn in (("states.amazonaws.com", role), ("lambda.amazonaws.com", f"{role}-gone")):
        with pytest.raises(AccessDeniedError, match=f"{service} is not authorized to perform: sts:AssumeRole"):
            iam.check_trust(role_arn, service)
        with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole"):
            world.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="session", SourceIdentity=service)


def test_nobody_assumes_a_role_that_does_not_exist(world: World, iam: Iam) -> None:
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        world.role_credentials("arn:aws:iam::123456789012:role/none", "test")


def test_what_a_role_used_is_written_down_once(world: World, iam: Iam, role: str, account: None) -> None:
    key = world.role_credentials(role, "test")["AccessKeyId"]
    for _ in range(2):
        iam.authorize(key, "sns:Publish", f"arn:aws:sns:{HERE}:told")

    used = [json.loads(line) for line in (world.state_dir / "iam-usage.jsonl").read_text().splitlines()]

    assert used == [{"role": role, "action": "sns:Publish", "resource": f"arn:aws:sns:{HERE}:told", "allowed": True}]


def test_a_policy_that_is_not_understood_allows_nothing_and_is_named(world: World, iam: Iam) -> None:
    condition = {"NumericEquals": {"aws:EpochTime": "soon"}}
    role = _role(world, "odd", [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}])

    with pytest.raises(ClientError, match=r"NumericEquals cannot compare .* could not convert string to float: 'soon'"):
        world.client("sqs", world.role_credentials(role, "test")).list_queues()
