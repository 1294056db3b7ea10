"""What this moto's IAM lacks; when one of these turns red, its patch can go."""

import inspect
import json

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import errors, set_initial_no_auth_action_count
from moto.core.authorization import ActionAuthenticatorMixin

from local.moto_patches import iam
from tests.builders.gaps import justifies

REGION = "us-east-1"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@justifies(iam._judge_calls)
@set_initial_no_auth_action_count(3)
@mock_aws
def test_moto_denies_what_is_allowed_on_one_resource() -> None:
    own = {"Effect": "Allow", "Action": "sqs:CreateQueue", "Resource": f"arn:aws:sqs:{REGION}:123456789012:mine"}
    iam_client = boto3.client("iam", region_name=REGION)
    iam_client.create_user(UserName="u")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    iam_client.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy)
    keys = iam_client.create_access_key(UserName="u")["AccessKey"]

    with pytest.raises(ClientError, match="not authorized"):
        boto3.client(
            "sqs",
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
        ).create_queue(QueueName="mine")


@justifies(iam._judge_s3)
def test_moto_asks_of_the_bucket_when_it_means_an_object() -> None:
    source = inspect.getsource(ActionAuthenticatorMixin._authenticate_and_authorize_s3_action)

    assert "Condition" not in source
    assert "resource_policies" not in source


@justifies(iam._know_refusals_in_every_service)
def test_moto_does_not_expect_every_service_to_refuse() -> None:
    assert "AccessDenied" not in errors.COMMON_ERROR_CODES


@justifies(iam._take_roles)
@mock_aws
def test_moto_lets_everybody_take_a_role_that_does_not_exist() -> None:
    answer = boto3.client("sts", region_name=REGION).assume_role(
        RoleArn="arn:aws:iam::123456789012:role/nobody", RoleSessionName="session"
    )

    assert answer["Credentials"]["AccessKeyId"]


@justifies(iam._keep_queue_policies)
@mock_aws
def test_moto_forgets_a_queues_policy_when_something_else_is_set() -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": json.dumps(TRUST)})["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})

    assert "Policy" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


@justifies(iam._refuse_foreign_identities)
@mock_aws
def test_moto_believes_every_assertion_of_an_identity() -> None:
    answer = boto3.client("sts", region_name=REGION).assume_role_with_web_identity(
        RoleArn="arn:aws:iam::123456789012:role/any", RoleSessionName="session", WebIdentityToken="made up"
    )

    assert answer["Credentials"]["AccessKeyId"]
