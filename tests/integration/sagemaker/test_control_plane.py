"""The control plane's answers to what is wrong, who may do what, and what is listed."""

import io
import re
import tarfile
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.sagemaker.conftest import REPOSITORY, Aws

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException", error
    return error["Message"]


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        pytest.param(
            "describe_endpoint", {"EndpointName": "x"}, f'Could not find endpoint "{ARN}:endpoint/x".', id="endpoint"
        ),
        pytest.param("describe_model", {"ModelName": "x"}, f'Could not find model "{ARN}:model/x".', id="model"),
        pytest.param(
            "create_endpoint",
            {"EndpointName": "x", "EndpointConfigName": "y"},
            f'Could not find endpoint configuration "{ARN}:endpoint-config/y".',
            id="config",
        ),
        pytest.param("delete_endpoint", {"EndpointName": "x"}, "Could not find endpoint", id="nothing to delete"),
    ],
)
def test_what_is_missing_is_named_by_its_arn(
    aws: Aws, operation: str, arguments: Mapping[str, str], message: str
) -> None:
    assert message in refusal(getattr(aws.sagemaker, operation), **arguments)


def test_what_exists_already_is_not_overwritten(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    variant = {"VariantName": "v", "ModelName": "one", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    create = aws.sagemaker.create_endpoint_config

    assert refusal(aws.model, name="one") == f'Cannot create already existing model "{ARN}:model/one".'
    assert "Cannot create already existing endpoint configuration" in refusal(
        create, EndpointConfigName="one", ProductionVariants=[variant]
    )
    assert "Cannot create already existing endpoint " in refusal(
        aws.sagemaker.create_endpoint, EndpointName="chat", EndpointConfigName="one"
    )


def test_an_endpoint_in_progress_can_be_neither_updated_nor_deleted(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600)
    busy = f'Cannot update in-progress endpoint "{ARN}:endpoint/chat".'
    wish = [{"VariantName": "AllTraffic", "DesiredWeight": 2.0}]

    assert refusal(aws.sagemaker.update_endpoint, EndpointName="chat", EndpointConfigName="one") == busy
    assert refusal(aws.sagemaker.delete_endpoint, EndpointName="chat") == busy
    assert (
        refusal(
            aws.sagemaker.update_endpoint_weights_and_capacities, EndpointName="chat", DesiredWeightsAndCapacities=wish
        )
        == busy
    )


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        pytest.param({"InstanceType": "ml.g5.9000xlarge"}, "enum value set", id="no such instance type"),
        pytest.param({"InitialInstanceCount": 0}, "greater than or equal to 1", id="no instance"),
        pytest.param({"VariantName": "a_b"}, "regular expression pattern", id="underscore in a name"),
        pytest.param({"ModelName": "absent"}, "Could not find model", id="no such model"),
        pytest.param(
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}},
            "does not emulate ProductionVariant.ServerlessConfig",
            id="serverless is refused by name",
        ),
        pytest.param(
            {"ContainerStartupHealthCheckTimeoutInSeconds": 59}, "greater than or equal to 60", id="time below bound"
        ),
    ],
)
def test_a_config_is_held_to_the_service_model(aws: Aws, variant: Mapping[str, Any], message: str) -> None:
    aws.model("one")
    good = {"VariantName": "v", "ModelName": "one", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}
    client = boto3.client(
        "sagemaker",
        endpoint_url=aws.world.url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(parameter_validation=False),
    )
    said = refusal(client.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[{**good, **variant}])

    assert message in said


def test_operations_that_are_not_emulated_are_refused_by_name(aws: Aws) -> None:
    said = refusal(aws.sagemaker.list_training_jobs)

    assert said == "the embedded SageMaker does not emulate ListTrainingJobs"


def test_every_call_asks_for_its_own_action_on_its_own_resource(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.invoke()["Body"].read()
    aws.sagemaker.list_endpoints()

    asked = {(action, resource) for action, resource, _ in aws.asked}
    passed = [context for action, _, context in aws.asked if action == "iam:PassRole"]
    assert {
        ("sagemaker:CreateModel", f"{ARN}:model/one"),
        ("iam:PassRole", aws.role),
        ("sagemaker:CreateEndpointConfig", f"{ARN}:endpoint-config/one"),
        ("sagemaker:CreateEndpoint", f"{ARN}:endpoint/chat"),
        ("sagemaker:CreateEndpoint", f"{ARN}:endpoint-config/one"),
        ("sagemaker:DescribeEndpoint", f"{ARN}:endpoint/chat"),
        ("sagemaker:InvokeEndpoint", f"{ARN}:endpoint/chat"),
        ("sagemaker:ListEndpoints", "*"),
    } <= asked
    assert passed == [{"iam:PassedToService": "sagemaker.amazonaws.com"}]


def test_who_may_not_is_told_so_and_nothing_happens(aws: Aws) -> None:
    aws.config("one")
    aws.denied.add("sagemaker:CreateEndpoint")

    with pytest.raises(ClientError, match="may not sagemaker:CreateEndpoint") as caught:
        aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one")

    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert aws.sagemaker.list_endpoints()["Endpoints"] == []


def test_lists_come_in_pages_newest_first_and_filtered(aws: Aws) -> None:
    names = [aws.model(f"model-{number}") for number in range(5)]
    pages = aws.sagemaker.get_paginator("list_models").paginate(PaginationConfig={"PageSize": 2})

    listed = [[model["ModelName"] for model in page["Models"]] for page in pages]
    filtered = aws.sagemaker.list_models(NameContains="el-3", SortBy="Name", SortOrder="Ascending")["Models"]

    assert listed == [["model-4", "model-3"], ["model-2", "model-1"], ["model-0"]]
    assert [model["ModelName"] for model in filtered] == [names[3]]


def test_endpoints_are_found_by_status_and_by_time(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.skip(60)
    aws.config("no-start", START="exit")
    aws.sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="no-start")
    created = aws.settled("broken")["CreationTime"]

    def names(**wanted: Any) -> list[str]:
        return [one["EndpointName"] for one in aws.sagemaker.list_endpoints(**wanted)["Endpoints"]]

    assert names(StatusEquals="Failed") == names(CreationTimeAfter=created) == ["broken"]
    assert names(CreationTimeBefore=created) == names(StatusEquals="InService") == ["chat"]
    assert names(SortBy="Status", SortOrder="Ascending") == names(SortBy="CreationTime") == ["broken", "chat"]
    assert names(SortBy="Name") == ["chat", "broken"]


def test_what_was_created_is_described_as_it_was_requested(aws: Aws) -> None:
    aws.config("one", GREETING="hello")

    model = aws.sagemaker.describe_model(ModelName="one")
    config = aws.sagemaker.describe_endpoint_config(EndpointConfigName="one")

    assert model["PrimaryContainer"]["Environment"] == {"NAME": "one", "GREETING": "hello"}
    assert model["ModelArn"] == f"{ARN}:model/one"
    assert config["ProductionVariants"][0]["InstanceType"] == "ml.g5.4xlarge"


def test_tags_are_kept_overwritten_and_removed(aws: Aws) -> None:
    aws.config("one")
    arn = f"{ARN}:model/one"

    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü 2"}])
    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])

    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"Image": f"{REPOSITORY}:v9"}, "Requested image .*:v9 not found", id="no such tag"),
        pytest.param({"Image": "ghcr.io/x:1"}, "non-ECR image", id="another registry"),
        pytest.param(
            {"ModelDataUrl": "s3://models/absent.tar.gz"},
            "Could not access model data at s3://models/absent",
            id="data",
        ),
    ],
)
def test_a_model_is_checked_with_its_roles_rights_when_it_is_created(
    aws: Aws, change: Mapping[str, str], message: str
) -> None:
    container = {"Image": f"{REPOSITORY}:v1", **change}

    said = refusal(aws.sagemaker.create_model, ModelName="m", ExecutionRoleArn=aws.role, PrimaryContainer=container)

    assert re.search(message, said)


def test_a_tar_archive_is_unpacked_read_only(aws: Aws) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/config.json")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"{}"))
    aws.s3.put_object(Bucket="models", Key="model.tar.gz", Body=packed.getvalue())
    container = {"Image": f"{REPOSITORY}:v1", "ModelDataUrl": "s3://models/model.tar.gz", "Environment": {"NAME": "t"}}
    aws.sagemaker.create_model(ModelName="t", ExecutionRoleArn=aws.role, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "t", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}
    aws.sagemaker.create_endpoint_config(EndpointConfigName="t", ProductionVariants=[variant])

    aws.endpoint("t")

    assert aws.facts()["files"] == {"code/config.json": "{}"}
    assert aws.facts()["modes"]["code/config.json"] == "0o444"


def test_data_that_vanished_before_the_start_fail_the_endpoint_with_their_uri(aws: Aws) -> None:
    aws.s3.put_object(Bucket="models", Key="lost/config.json", Body=b"{}")
    aws.config("one", data="s3://models/lost/")
    aws.s3.delete_object(Bucket="models", Key="lost/config.json")

    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one")

    after = aws.settled()
    assert after["EndpointStatus"] == "Failed"
    assert (
        'Failed to download model data for container "container_1" from URL: "s3://models/lost/"'
        in after["FailureReason"]
    )
