"""What CreateModel and CreateEndpointConfig find out before they answer."""

import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.conftest import MANIFEST, REPOSITORY, Aws

VARIANT = {"VariantName": "v", "ModelName": "one", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}
IMAGE = {"Image": f"{REPOSITORY}:v1"}


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    message: str = caught.value.response["Error"]["Message"]
    return message


def source(uri: str, kind: str, compression: str, **more: str) -> dict[str, Any]:
    data = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression, **more}
    return {**IMAGE, "ModelDataSource": {"S3DataSource": data}}


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        pytest.param({}, "Exactly one of PrimaryContainer and Containers", id="no container"),
        pytest.param(
            {"PrimaryContainer": IMAGE, "Containers": [IMAGE]}, "Exactly one of PrimaryContainer", id="both kinds"
        ),
        pytest.param({"Containers": [IMAGE, IMAGE]}, "an inference pipeline of 2 containers", id="a pipeline"),
        pytest.param({"PrimaryContainer": {}}, "Image must be specified", id="no image"),
        pytest.param(
            {"PrimaryContainer": {"Image": REPOSITORY.replace("us-east-1", "eu-west-1")}},
            "images of other accounts and regions",
            id="another region",
        ),
        pytest.param(
            {"PrimaryContainer": {"Image": REPOSITORY.replace("123456789012", "210987654321")}},
            "images of other accounts and regions",
            id="another account",
        ),
        # Source: S3ModelDataSource of the API reference.
        pytest.param(
            {"PrimaryContainer": source("s3://models/chat", "S3Prefix", "None")}, "must end with '/'", id="no slash"
        ),
        pytest.param(
            {"PrimaryContainer": source("s3://models/chat/", "S3Prefix", "Gzip")},
            "S3Prefix with",
            id="gzip of a prefix",
        ),
        pytest.param(
            {"PrimaryContainer": source("s3://models/absent", "S3Object", "None")}, "Could not access", id="no object"
        ),
        pytest.param(
            {"PrimaryContainer": source("s3://models/chat/", "S3Prefix", "None", ETag="e")},
            "does not emulate S3ModelDataSource.ETag",
            id="an ETag",
        ),
        pytest.param(
            {"PrimaryContainer": {**source("s3://models/chat/", "S3Prefix", "None"), "ModelDataUrl": "s3://models/a"}},
            "Only one of ModelDataUrl and ModelDataSource",
            id="data twice",
        ),
        # Source: ContainerDefinition.Environment: 32 KB for all names and values together.
        pytest.param(
            {"PrimaryContainer": {**IMAGE, "Environment": {f"N{n:02}": "x" * 1024 for n in range(33)}}},
            "have 33891 bytes together; the limit is 32768",
            id="too much environment",
        ),
        pytest.param(
            {"PrimaryContainer": IMAGE, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
            "unique per resource",
            id="a tag twice",
        ),
    ],
)
def test_a_model_that_cannot_be_is_refused(aws: Aws, request_body: dict[str, Any], words: str) -> None:
    said = refusal(aws.sagemaker.create_model, ModelName="m", ExecutionRoleArn=aws.role, **request_body)

    assert words in said
    assert aws.sagemaker.list_models()["Models"] == []


def test_a_model_needs_a_role(aws: Aws) -> None:
    said = refusal(aws.sagemaker.create_model, ModelName="m", PrimaryContainer=IMAGE)

    assert said == "ExecutionRoleArn must be specified."


def test_an_oci_image_is_no_image_for_sagemaker(aws: Aws) -> None:
    # Source: aws/amazon-sagemaker-feedback#180.
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps(json.loads(MANIFEST) | {"mediaType": kind})
    digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    aws.account.client("ecr").put_image(
        repositoryName="inference", imageManifest=manifest, imageManifestMediaType=kind, imageDigest=digest
    )
    container = {"Image": f"{REPOSITORY}@{digest}"}

    said = refusal(aws.sagemaker.create_model, ModelName="m", ExecutionRoleArn=aws.role, PrimaryContainer=container)

    assert said.startswith(f"Unsupported manifest media type {kind}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            {"ModelName": None}, "inference components; give each ProductionVariant a ModelName", id="no model"
        ),
        pytest.param({"InitialInstanceCount": None}, "InitialInstanceCount must be specified", id="no count"),
        pytest.param({"InstanceType": None}, "Exactly one of InstanceType and InstancePools", id="no type"),
        pytest.param(
            {"InstancePools": [{"InstanceType": "ml.g6.xlarge", "Priority": 1}]},
            "Exactly one of InstanceType and InstancePools",
            id="a type and pools",
        ),
        pytest.param(
            {
                "InstanceType": None,
                "InstancePools": [{"InstanceType": f"ml.g{n}.xlarge", "Priority": 1} for n in (5, 6)],
            },
            "Priority must differ between the instance pools of variant v",
            id="one priority twice",
        ),
        pytest.param(
            {"InstanceType": None, "InstancePools": [{"InstanceType": "ml.g5.xlarge", "Priority": n} for n in (1, 2)]},
            "InstanceType must differ",
            id="one type twice",
        ),
        pytest.param(
            {
                "InstanceType": None,
                "InstancePools": [{"InstanceType": "ml.g5.xlarge", "Priority": 1, "ModelNameOverride": "absent"}],
            },
            "Could not find model",
            id="a pool's model is absent",
        ),
        # Source: aws/sagemaker-python-sdk#4828: a volume size "throws a service exception" where the disks are local.
        pytest.param({"VolumeSizeInGB": 64}, "VolumeSizeInGB is not supported for ml.g5.4xlarge", id="a volume"),
        pytest.param(
            {
                "InstanceType": None,
                "InstancePools": [{"InstanceType": f"ml.{n}.xlarge", "Priority": p} for p, n in ((1, "c5"), (2, "g6"))],
                "VolumeSizeInGB": 64,
            },
            "VolumeSizeInGB is not supported for ml.g6.xlarge",
            id="a volume of a pool",
        ),
    ],
)
def test_a_variant_that_cannot_be_is_refused(aws: Aws, change: dict[str, Any], words: str) -> None:
    aws.model("one")
    variant = {member: value for member, value in {**VARIANT, **change}.items() if value is not None}

    said = refusal(aws.sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[variant])

    assert words in said


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        pytest.param({"ProductionVariants": [VARIANT, VARIANT]}, "Variant names must be unique", id="one name twice"),
        # Source: MetricsConfig of the API reference.
        pytest.param({"MetricsConfig": {"MetricPublishFrequencyInSeconds": 20}}, "valid are [10, 30,", id="frequency"),
        pytest.param(
            {"MetricsConfig": {"EnableEnhancedMetrics": True}}, "MetricsConfig.EnableEnhancedMetrics", id="enhanced"
        ),
        pytest.param({"Tags": [{"Key": "aws:owner", "Value": "me"}]}, "must not begin with 'aws:'", id="AWS's own tag"),
    ],
)
def test_a_config_that_cannot_be_is_refused(aws: Aws, request_body: dict[str, Any], words: str) -> None:
    aws.model("one")

    said = refusal(
        aws.sagemaker.create_endpoint_config,
        EndpointConfigName="c",
        **{"ProductionVariants": [VARIANT], **request_body},
    )

    assert words in said
    assert aws.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []


def test_what_has_no_effect_here_is_kept_and_described(aws: Aws) -> None:
    network = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    aws.sagemaker.create_model(
        ModelName="one",
        ExecutionRoleArn=aws.role,
        PrimaryContainer={**IMAGE, "ContainerHostname": "host"},
        VpcConfig=network,
        EnableNetworkIsolation=True,
    )
    kept = {"EnableSSMAccess": True, "InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-3-1"}
    volume = {"VolumeSizeInGB": 64, "InstanceType": "ml.m5.large"}
    aws.sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[VARIANT | kept | volume])

    model = aws.sagemaker.describe_model(ModelName="one")
    config = aws.sagemaker.describe_endpoint_config(EndpointConfigName="c")

    assert (model["VpcConfig"], model["EnableNetworkIsolation"]) == (network, True)
    assert model["PrimaryContainer"]["ContainerHostname"] == "host"
    # Source: InitialVariantWeight of the API reference: "If unspecified, it defaults to 1.0."
    assert config["ProductionVariants"] == [VARIANT | kept | volume | {"InitialVariantWeight": 1.0}]


def test_endpoints_whose_names_differ_in_case_alone_are_one(aws: Aws) -> None:
    # Source: CreateEndpoint.EndpointName: case-insensitive there, matched with its case by InvokeEndpoint.
    aws.endpoint(aws.config("one"))

    said = refusal(aws.sagemaker.create_endpoint, EndpointName="CHAT", EndpointConfigName="one")

    assert said.startswith("Cannot create already existing endpoint")
    with pytest.raises(ClientError, match="Endpoint CHAT of account"):
        aws.invoke(name="CHAT")


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        pytest.param([{"VariantName": "other", "DesiredWeight": 1.0}], "Variant other was not found", id="no variant"),
        pytest.param(
            [{"VariantName": "AllTraffic", "DesiredWeight": 1.0}] * 2, "named more than once", id="a variant twice"
        ),
        pytest.param(
            [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}], "needs inference components", id="no instance"
        ),
    ],
)
def test_counts_and_weights_that_cannot_be_are_refused(aws: Aws, wishes: list[dict[str, Any]], words: str) -> None:
    aws.endpoint(aws.config("one"))

    said = refusal(
        aws.sagemaker.update_endpoint_weights_and_capacities, EndpointName="chat", DesiredWeightsAndCapacities=wishes
    )

    assert words in said
    assert aws.describe()["EndpointStatus"] == "InService"


def test_data_capture_is_no_property_to_exclude(aws: Aws) -> None:
    # Source: VariantProperty of the API reference: "(Not currently supported.)"
    aws.endpoint(aws.config("one"))
    aws.config("two")

    said = refusal(
        aws.sagemaker.update_endpoint,
        EndpointName="chat",
        EndpointConfigName="two",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DataCaptureConfig"}],
    )

    assert said == "VariantPropertyType DataCaptureConfig is not currently supported."
