"""What this moto's CloudFormation and load balancers lack; when one of these turns red, its patch can go."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.elbv2.models import elbv2_backends

from local.moto_patches import cloudformation as stack_patches
from local.moto_patches import load_balancers
from tests.builders.gaps import justifies

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


def body(**resources: Any) -> str:
    return json.dumps({"Resources": resources})


TOPIC = {"Type": "AWS::SNS::Topic"}


@justifies(stack_patches._answer_by_our_stacks)
def test_moto_tells_nothing_of_a_stacks_resources() -> None:
    stacks = boto3.client("cloudformation", region_name=REGION)
    stacks.create_stack(StackName="s", TemplateBody=body(Topic=TOPIC))

    events = stacks.describe_stack_events(StackName="s")["StackEvents"]

    assert {event["ResourceType"] for event in events} == {"AWS::CloudFormation::Stack"}


@pytest.mark.filterwarnings("ignore:Tried to parse")
@justifies(stack_patches._answer_by_our_stacks)
def test_moto_skips_a_type_that_it_does_not_know() -> None:
    stacks = boto3.client("cloudformation", region_name=REGION)

    stacks.create_stack(StackName="s", TemplateBody=body(Topic=TOPIC, Wand={"Type": "AWS::Magic::Wand"}))

    assert stacks.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"


@justifies(stack_patches._answer_by_our_stacks)
def test_moto_knows_no_transform() -> None:
    stacks = boto3.client("cloudformation", region_name=REGION)
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Table": {"Type": "AWS::Serverless::SimpleTable"}},
    }
    with pytest.warns(UserWarning, match="SimpleTable but it's not supported"):
        stacks.create_stack(StackName="s", TemplateBody=json.dumps(template))

    assert boto3.client("dynamodb", region_name=REGION).list_tables()["TableNames"] == []


@justifies(stack_patches._answer_by_our_stacks)
def test_moto_deploys_a_role_that_nobody_acknowledged() -> None:
    stacks = boto3.client("cloudformation", region_name=REGION)
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r", "AssumeRolePolicyDocument": trust}}
    try:
        stacks.create_stack(StackName="s", TemplateBody=body(Role=role))
    except ClientError as error:
        pytest.fail(f"moto checks capabilities by now: {error}")


@justifies(load_balancers._answer_at_the_local_address)
def test_moto_gives_a_load_balancer_an_address_where_nothing_answers() -> None:
    vpc = boto3.client("ec2", region_name=REGION).describe_subnets()["Subnets"]

    balancer = boto3.client("elbv2", region_name=REGION).create_load_balancer(
        Name="b", Subnets=[subnet["SubnetId"] for subnet in vpc[:2]]
    )["LoadBalancers"][0]

    assert balancer["DNSName"].endswith(".elb.amazonaws.com")


@justifies(load_balancers._tell_the_name_that_metrics_have)
def test_moto_does_not_know_the_name_of_a_load_balancer_that_metrics_have() -> None:
    subnets = boto3.client("ec2", region_name=REGION).describe_subnets()["Subnets"]
    arn = boto3.client("elbv2", region_name=REGION).create_load_balancer(
        Name="b", Subnets=[subnet["SubnetId"] for subnet in subnets[:2]]
    )["LoadBalancers"][0]["LoadBalancerArn"]

    with pytest.raises(NotImplementedError):
        elbv2_backends["123456789012"][REGION].load_balancers[arn].get_cfn_attribute("LoadBalancerFullName")
