"""Which policies have a say besides a role's own, each behaviour with its source in AWS's documentation."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sts.models import sts_backends

from local.iam import AccessDeniedError, Iam
from local.moto_patches import iam as iam_patches
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION, World

RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.fixture
def iam(world: World, patches: Patches) -> Iam:
    iam = Iam(world)
    iam_patches.install(patches, iam)
    # The whole embedded AWS does this among its patches of S3.
    patches.replace(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    return iam


def role(world: World, *statements: dict[str, Any], trust: dict[str, Any] = TRUST, **settings: Any) -> str:
    client = world.client("iam")
    client.create_role(RoleName="worker", AssumeRolePolicyDocument=document(trust), **settings)
    if statements:
        client.put_role_policy(RoleName="worker", PolicyName="own", PolicyDocument=document(*statements))
    return f"arn:aws:iam::{ACCOUNT}:role/worker"


def as_role(world: World, arn: str, service: str, **session: Any) -> Any:
    answer = world.client("sts").assume_role(RoleArn=arn, RoleSessionName="test", **session)
    return world.client(service, answer["Credentials"])


def denied(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(ClientError) as refused:
        call()
    assert "AccessDenied" in refused.value.response["Error"]["Code"]
    assert said in refused.value.response["Error"]["Message"]


# Services without a role ---------------------------------------------------------------------------------------------


def of_queue(world: World, statement: dict[str, Any]) -> tuple[str, str]:
    sqs = world.client("sqs")
    sqs.create_queue(QueueName="q", Attributes={"Policy": document(statement)})
    return "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"


def of_topic(world: World, statement: dict[str, Any]) -> tuple[str, str]:
    sns = world.client("sns")
    arn = sns.create_topic(Name="t")["TopicArn"]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document(statement))
    return "sns:Publish", arn


def of_key(world: World, statement: dict[str, Any]) -> tuple[str, str]:
    key = world.client("kms").create_key(Policy=document(statement))["KeyMetadata"]["Arn"]
    return "kms:GenerateDataKey", key


def of_bucket(world: World, statement: dict[str, Any]) -> tuple[str, str]:
    world.client("s3").create_bucket(Bucket="bucket")
    world.client("s3").put_bucket_policy(Bucket="bucket", Policy=document(statement))
    return "s3:PutObject", "arn:aws:s3:::bucket/logs/1"


def of_repository(world: World, statement: dict[str, Any]) -> tuple[str, str]:
    ecr = world.client("ecr")
    arn: str = ecr.create_repository(repositoryName="repo")["repository"]["repositoryArn"]
    ecr.set_repository_policy(repositoryName="repo", policyText=document({**statement, "Sid": "s"}))
    return "ecr:BatchGetImage", arn


def of_bus(world: World, statement: dict[str, Any]) -> tuple[str, str]:
    events = world.client("events")
    arn = events.create_event_bus(Name="b")["EventBusArn"]
    events.put_permission(EventBusName="b", Policy=document({**statement, "Sid": "s"}))
    return "events:PutEvents", arn


RESOURCES = {
    "queue": of_queue,
    "topic": of_topic,
    "key": of_key,
    "bucket": of_bucket,
    "repository": of_repository,
    "bus": of_bus,
}


@pytest.mark.parametrize("make", RESOURCES.values(), ids=RESOURCES)
def test_a_service_does_what_the_resources_own_policy_lets_it(world: World, iam: Iam, make: Any) -> None:
    """ "AWS service principals" and "aws:SourceArn" in the IAM User Guide."""
    condition = {"ArnEquals": {"aws:SourceArn": RULE}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    action, resource = make(world, allow("*", Principal={"Service": "events.amazonaws.com"}, Condition=condition))

    iam.authorize_service("events.amazonaws.com", action, resource, {"aws:SourceArn": RULE})
    for service, source in (("s3.amazonaws.com", RULE), ("events.amazonaws.com", f"{RULE}-other")):
        said = f"{service} is not authorized to perform: {action} .*because no resource-based policy allows"
        with pytest.raises(AccessDeniedError, match=said):
            iam.authorize_service(service, action, resource, {"aws:SourceArn": source})


def test_a_service_invokes_a_function_that_gave_it_permission(world: World, iam: Iam) -> None:
    """ "AddPermission" in the Lambda API reference; "Alias" there: a permission is of the ARN it was given for."""
    arn = _function(world, "f")
    world.client("lambda").add_permission(
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=RULE,
    )

    iam.authorize_service("events.amazonaws.com", "lambda:InvokeFunction", arn, {"aws:SourceArn": RULE})
    with pytest.raises(AccessDeniedError, match="because no resource-based policy allows"):
        iam.authorize_service("events.amazonaws.com", "lambda:InvokeFunction", f"{arn}:live", {"aws:SourceArn": RULE})
    with pytest.raises(AccessDeniedError, match="because no resource-based policy allows"):
        iam.authorize_service("sns.amazonaws.com", "lambda:InvokeFunction", arn, {"aws:SourceArn": RULE})


def _function(world: World, name: str) -> str:
    from tests.integration.local_core.aws import zipped  # noqa: PLC0415 - of another folder

    answer = world.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=role(world), Handler="a.b", Code={"ZipFile": zipped("")}
    )
    return str(answer["FunctionArn"])


def test_a_topics_first_policy_lets_alarms_publish_and_rules_not(world: World, iam: Iam) -> None:
    """ "Amazon SNS default policy" allows the owner; the EventBridge guide asks for a statement of its own."""
    arn = world.client("sns").create_topic(Name="t")["TopicArn"]

    iam.authorize_service("cloudwatch.amazonaws.com", "sns:Publish", arn)
    with pytest.raises(AccessDeniedError, match=r"events\.amazonaws\.com is not authorized to perform: sns:Publish"):
        iam.authorize_service("events.amazonaws.com", "sns:Publish", arn)


def test_a_service_needs_the_key_of_an_encrypted_queue_too(world: World, iam: Iam) -> None:
    """ "Configure KMS permissions for AWS services" in the SQS Developer Guide."""
    kms = world.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    service = {"Service": "events.amazonaws.com"}
    action, queue = of_queue(world, allow("sqs:SendMessage", Principal=service))
    url = world.client("sqs").get_queue_url(QueueName="q")["QueueUrl"]
    world.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})

    with pytest.raises(AccessDeniedError, match=f"kms:GenerateDataKey on resource: {key}"):
        iam.authorize_service("events.amazonaws.com", action, queue)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(allow("kms:*", Principal=service)))
    iam.authorize_service("events.amazonaws.com", action, queue)


def test_access_to_another_account_is_refused_by_name(world: World, iam: Iam) -> None:
    with pytest.raises(AccessDeniedError, match=r"has one account, 123456789012, and does not emulate .* 999999999999"):
        iam.authorize_service("events.amazonaws.com", "sqs:SendMessage", f"arn:aws:sqs:{REGION}:999999999999:q")


# Limits of a role ----------------------------------------------------------------------------------------------------


def test_a_boundary_limits_what_a_roles_policies_allow(world: World, iam: Iam) -> None:
    """ "Permissions boundaries for IAM entities": the intersection; a resource's policy for the role is limited too."""
    boundary = world.client("iam").create_policy(
        PolicyName="limit", PolicyDocument=document(allow("sqs:*"), deny("sqs:DeleteQueue"))
    )["Policy"]["Arn"]
    arn = role(world, EVERYTHING, PermissionsBoundary=boundary)

    as_role(world, arn, "sqs").create_queue(QueueName="q")
    denied(
        lambda: as_role(world, arn, "sns").list_topics(),
        "because no permissions boundary allows the sns:ListTopics action",
    )
    sqs = as_role(world, arn, "sqs")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    denied(lambda: sqs.delete_queue(QueueUrl=url), "with an explicit deny in a permissions boundary")


def test_a_session_policy_limits_its_session(world: World, iam: Iam) -> None:
    """ "Session policies": the intersection of the role's policies and the session's."""
    arn = role(world, allow("sqs:*"), allow("sns:*"))
    session = {"Policy": document(allow("sqs:ListQueues"))}

    as_role(world, arn, "sqs", **session).list_queues()
    denied(
        lambda: as_role(world, arn, "sns", **session).list_topics(),
        "because no session policy allows the sns:ListTopics action",
    )
    as_role(world, arn, "sns").list_topics()


def test_a_session_ends_when_it_said(world: World, iam: Iam) -> None:
    """Common errors of the IAM and SQS API references: ExpiredTokenException, in S3 ExpiredToken."""
    arn = role(world, EVERYTHING)
    sqs, s3 = as_role(world, arn, "sqs"), as_role(world, arn, "s3")
    for session in sts_backends[ACCOUNT]["aws"].assumed_roles:
        session.expiration = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)

    for call, code in ((sqs.list_queues, "ExpiredTokenException"), (s3.list_buckets, "ExpiredToken")):
        with pytest.raises(ClientError) as refused:
            call()
        assert code in refused.value.response["Error"]["Code"]


def test_a_session_that_a_service_took_is_renewed_unseen(world: World, iam: Iam) -> None:
    arn = role(world, EVERYTHING)
    sqs = world.client("sqs", world.role_credentials(arn, "function", "lambda.amazonaws.com"))
    for session in sts_backends[ACCOUNT]["aws"].assumed_roles:
        session.expiration = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)

    assert sqs.list_queues()


# Resource policies for roles and users -------------------------------------------------------------------------------


def test_a_queues_policy_alone_lets_a_role_in(world: World, iam: Iam) -> None:
    """ "Policy evaluation for requests within a single account": an allow in either policy is enough."""
    arn = role(world)
    of_queue(world, allow("sqs:*", Principal={"AWS": arn}))
    url = world.client("sqs").get_queue_url(QueueName="q")["QueueUrl"]

    as_role(world, arn, "sqs").send_message(QueueUrl=url, MessageBody="m")


def test_naming_the_account_leaves_the_decision_to_its_policies(world: World, iam: Iam) -> None:
    """ "AWS account principals": the account is delegated to, its roles still need a policy."""
    arn = role(world)
    of_queue(world, allow("sqs:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
    url = world.client("sqs").get_queue_url(QueueName="q")["QueueUrl"]

    denied(
        lambda: as_role(world, arn, "sqs").send_message(QueueUrl=url, MessageBody="m"),
        "because no identity-based policy allows the sqs:SendMessage action",
    )


def test_without_a_word_of_the_keys_policy_no_policy_opens_it(world: World, iam: Iam) -> None:
    """ "Key policies in AWS KMS": unless the key policy allows it, IAM policies have no effect on a key."""
    arn = role(world, EVERYTHING)
    others = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}
    key = world.client("kms").create_key(Policy=document(allow("kms:*", Principal=others)))["KeyMetadata"]["KeyId"]

    denied(
        lambda: as_role(world, arn, "kms").encrypt(KeyId=key, Plaintext=b"a"),
        "because no resource-based policy allows the kms:Encrypt action",
    )


def test_an_object_under_a_key_needs_the_key_as_well(world: World, iam: Iam) -> None:
    """ "Protecting data with SSE-KMS": kms:GenerateDataKey to upload and kms:Decrypt to download, through S3."""
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    through = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    arn = role(world, allow("s3:*"), allow("kms:GenerateDataKey", key, Condition=through))
    world.client("s3").create_bucket(Bucket="bucket")
    s3 = as_role(world, arn, "s3")

    s3.put_object(Bucket="bucket", Key="k", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    denied(lambda: s3.get_object(Bucket="bucket", Key="k"), f"kms:Decrypt on resource: {key}")


def test_a_user_has_the_rights_of_its_policies_and_groups(world: World, iam: Iam) -> None:
    client = world.client("iam")
    client.create_user(UserName="ann")
    client.create_group(GroupName="readers")
    client.add_user_to_group(GroupName="readers", UserName="ann")
    client.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=document(allow("sqs:List*")))
    keys = client.create_access_key(UserName="ann")["AccessKey"]
    sqs = world.client("sqs", {"AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"]})

    sqs.list_queues()
    denied(lambda: sqs.create_queue(QueueName="q"), f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized")


# Trust ---------------------------------------------------------------------------------------------------------------


def test_a_trust_policy_names_who_may_take_the_role_and_when(world: World, iam: Iam) -> None:
    """ "How to use an external ID": the condition on sts:ExternalId in the role's trust policy."""
    client = world.client("iam")
    arn = role(world)
    trusted = {
        "Effect": "Allow",
        "Principal": {"AWS": arn},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "agreed"}},
    }
    client.create_role(RoleName="taken", AssumeRolePolicyDocument=document(trusted))
    sts = as_role(world, arn, "sts")
    target = f"arn:aws:iam::{ACCOUNT}:role/taken"

    assert sts.assume_role(RoleArn=target, RoleSessionName="session", ExternalId="agreed")["Credentials"]
    denied(lambda: sts.assume_role(RoleArn=target, RoleSessionName="session"), "sts:AssumeRole")


# Conditions on what a request carries --------------------------------------------------------------------------------


def test_a_bucket_can_be_written_once_by_its_policy(world: World, iam: Iam) -> None:
    """ "Enforce conditional writes on Amazon S3 buckets", example 1: If-None-Match, multipart uploads exempted."""
    s3 = world.client("s3")
    s3.create_bucket(Bucket="bucket")
    once = deny(
        "s3:PutObject",
        "arn:aws:s3:::bucket/published/*",
        Principal="*",
        Condition={"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
    )
    s3.put_bucket_policy(Bucket="bucket", Policy=document(once))
    place = {"Bucket": "bucket", "Key": "published/a"}

    denied(lambda: s3.put_object(**place, Body=b"1"), "with an explicit deny in a resource-based policy")
    s3.put_object(**place, Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**place, Body=b"2", IfNoneMatch="*")
    upload = s3.create_multipart_upload(Bucket="bucket", Key="published/b")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="published/b", UploadId=upload, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    whole = {"Bucket": "bucket", "Key": "published/b", "UploadId": upload, "MultipartUpload": parts}
    denied(lambda: s3.complete_multipart_upload(**whole), "with an explicit deny in a resource-based policy")
    s3.complete_multipart_upload(**whole, IfNoneMatch="*")
    copy = {"Bucket": "bucket", "Key": "published/c", "CopySource": "bucket/published/a"}
    denied(lambda: s3.copy_object(**copy), "with an explicit deny in a resource-based policy")


def test_an_item_is_its_owners_by_the_leading_key(world: World, iam: Iam) -> None:
    """ "Using IAM policy conditions for fine-grained access control" in the DynamoDB Developer Guide."""
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["blue"]}}
    arn = role(world, allow("dynamodb:*", Condition=own))
    db = world.client("dynamodb")
    db.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    mine = as_role(world, arn, "dynamodb")
    query = {"TableName": "t", "KeyConditionExpression": "#k = :v", "ExpressionAttributeNames": {"#k": "pk"}}

    mine.put_item(TableName="t", Item={"pk": {"S": "blue"}})
    mine.query(**query, ExpressionAttributeValues={":v": {"S": "blue"}})
    denied(lambda: mine.put_item(TableName="t", Item={"pk": {"S": "red"}}), "dynamodb:PutItem")
    denied(lambda: mine.query(**query, ExpressionAttributeValues={":v": {"S": "red"}}), "dynamodb:Query")


def test_tags_decide_as_attributes(world: World, iam: Iam) -> None:
    """ "ABAC": aws:ResourceTag against aws:PrincipalTag, and aws:RequestTag with aws:TagKeys on creation."""
    arn = role(
        world,
        allow("sqs:SendMessage", Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}),
        allow(
            "sqs:CreateQueue",
            Condition={
                "StringEquals": {"aws:RequestTag/team": "blue"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
            },
        ),
        allow("sqs:TagQueue"),
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    sqs = world.client("sqs")
    blue, red = (sqs.create_queue(QueueName=team, tags={"team": team})["QueueUrl"] for team in ("blue", "red"))
    mine = as_role(world, arn, "sqs")

    mine.send_message(QueueUrl=blue, MessageBody="m")
    denied(lambda: mine.send_message(QueueUrl=red, MessageBody="m"), "sqs:SendMessage")
    mine.create_queue(QueueName="new", tags={"team": "blue"})
    denied(lambda: mine.create_queue(QueueName="more", tags={"team": "blue", "cost": "1"}), "sqs:CreateQueue")
    denied(lambda: mine.create_queue(QueueName="more", tags={"team": "red"}), "sqs:CreateQueue")
