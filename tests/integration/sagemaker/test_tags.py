"""Tags of models, endpoint configs and endpoints, and the rights that they ask for and decide."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.conftest import REPOSITORY, Aws

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
TEAM = {"Key": "team", "Value": "release"}
VARIANT = {"VariantName": "v", "ModelName": "one", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}


def tags(aws: Aws, what: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = aws.sagemaker.list_tags(ResourceArn=f"{ARN}:{what}")["Tags"]
    return found


def tagged_model(aws: Aws, *given: dict[str, str], **more: Any) -> None:
    container = {"Image": f"{REPOSITORY}:v1"}
    aws.sagemaker.create_model(
        ModelName="one", ExecutionRoleArn=aws.role, PrimaryContainer=container, Tags=list(given), **more
    )


def keys_of(aws: Aws, action: str) -> dict[str, Any]:
    """The condition keys of the last question for this action."""
    return dict([context for asked, _, context in aws.asked if asked == action][-1])


def test_what_is_created_with_tags_has_them(aws: Aws) -> None:
    tagged_model(aws, TEAM)
    aws.sagemaker.create_endpoint_config(EndpointConfigName="one", ProductionVariants=[VARIANT], Tags=[TEAM])
    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one", Tags=[TEAM])

    assert tags(aws, "model/one") == tags(aws, "endpoint-config/one") == tags(aws, "endpoint/chat") == [TEAM]


def test_tags_end_with_what_has_them(aws: Aws) -> None:
    tagged_model(aws, TEAM)
    aws.sagemaker.delete_model(ModelName="one")

    with pytest.raises(ClientError, match="Could not find resource"):
        tags(aws, "model/one")
    tagged_model(aws)
    assert tags(aws, "model/one") == []


def test_a_resource_has_at_most_fifty_tags(aws: Aws) -> None:
    # Source: "Tag restrictions" of AWS's general reference.
    tagged_model(aws, *({"Key": str(number), "Value": ""} for number in range(50)))

    aws.sagemaker.add_tags(ResourceArn=f"{ARN}:model/one", Tags=[{"Key": "49", "Value": "new"}])
    with pytest.raises(ClientError, match="would have 51 tags; the limit is 50"):
        aws.sagemaker.add_tags(ResourceArn=f"{ARN}:model/one", Tags=[TEAM])

    assert len(tags(aws, "model/one")) == 50


def test_a_list_of_tags_has_one_page(aws: Aws) -> None:
    tagged_model(aws, TEAM)

    pages = list(aws.sagemaker.get_paginator("list_tags").paginate(ResourceArn=f"{ARN}:model/one"))

    assert [page["Tags"] for page in pages] == [[TEAM]]
    with pytest.raises(ClientError, match="was not given out for this list"):
        aws.sagemaker.list_tags(ResourceArn=f"{ARN}:model/one", NextToken="next")


# Source of what follows: "Actions, resources, and condition keys for Amazon SageMaker AI" of the Service Authorization
# Reference.


def test_tags_at_creation_need_the_right_to_tag(aws: Aws) -> None:
    aws.denied.add("sagemaker:AddTags")

    with pytest.raises(ClientError, match="may not sagemaker:AddTags"):
        tagged_model(aws, TEAM)
    tagged_model(aws)

    assert tags(aws, "model/one") == []


def test_a_creation_carries_its_tags_and_its_networks(aws: Aws) -> None:
    network = {"SecurityGroupIds": ["sg-1", "sg-2"], "Subnets": ["subnet-1"]}
    tagged_model(aws, TEAM, VpcConfig=network, EnableNetworkIsolation=True)

    requested = {"aws:RequestTag/team": "release", "aws:TagKeys": ["team"]}
    assert keys_of(aws, "sagemaker:CreateModel") == {
        **requested,
        "sagemaker:NetworkIsolation": "true",
        "sagemaker:VpcSecurityGroupIds": ["sg-1", "sg-2"],
        "sagemaker:VpcSubnets": ["subnet-1"],
    }
    assert keys_of(aws, "sagemaker:AddTags") == {**requested, "sagemaker:TaggingAction": "CreateModel"}


def test_a_config_carries_its_instance_types_its_models_and_its_key(aws: Aws) -> None:
    tagged_model(aws)
    pools = [{"InstanceType": f"ml.{name}.xlarge", "Priority": number} for number, name in enumerate(("m5", "c5"), 1)]
    pooled = {"VariantName": "p", "ModelName": "one", "InitialInstanceCount": 1, "InstancePools": pools}
    plain = {**VARIANT, "InstanceType": "ml.r5.large"}

    aws.sagemaker.create_endpoint_config(
        EndpointConfigName="one", ProductionVariants=[plain, pooled], KmsKeyId="alias/disks"
    )

    assert keys_of(aws, "sagemaker:CreateEndpointConfig") == {
        "sagemaker:InstanceTypes": ["ml.c5.xlarge", "ml.m5.xlarge", "ml.r5.large"],
        "sagemaker:ModelArn": [f"{ARN}:model/one"],
        "sagemaker:VolumeKmsKey": "alias/disks",
    }


def test_a_resources_tags_decide_who_may_touch_it(aws: Aws) -> None:
    tagged_model(aws, TEAM)

    aws.sagemaker.describe_model(ModelName="one")
    aws.sagemaker.delete_tags(ResourceArn=f"{ARN}:model/one", TagKeys=["team", "owner"])
    aws.sagemaker.delete_model(ModelName="one")

    of_resource = {"aws:ResourceTag/team": "release", "sagemaker:ResourceTag/team": "release"}
    assert keys_of(aws, "sagemaker:DescribeModel") == of_resource
    assert keys_of(aws, "sagemaker:DeleteTags") == {**of_resource, "aws:TagKeys": ["team", "owner"]}
    assert keys_of(aws, "sagemaker:DeleteModel") == {}


def test_a_config_with_a_role_of_its_own_passes_it(aws: Aws) -> None:
    # Source: CreateEndpointConfig.ExecutionRoleArn: the caller "must have the iam:PassRole permission".
    tagged_model(aws)
    aws.denied.add("iam:PassRole")

    with pytest.raises(ClientError, match="may not iam:PassRole"):
        aws.sagemaker.create_endpoint_config(
            EndpointConfigName="one", ProductionVariants=[VARIANT], ExecutionRoleArn=aws.role
        )
