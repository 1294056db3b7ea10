"""Every field of every request is decided: carried out, kept, or refused by name."""

from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape

from local.sagemaker.control.api import Api
from local.sagemaker.control.fields import EMULATED, KEPT, REFUSED, members, refuse_what_is_not_emulated
from local.sagemaker.errors import AwsError
from local.sagemaker.service_model import operation, service_model

CONFIG = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}


@pytest.mark.parametrize("shape", sorted({*EMULATED, *KEPT, *REFUSED}))
def test_each_member_of_the_service_model_is_decided_once(shape: str) -> None:
    decided = [member for table in (EMULATED, KEPT, REFUSED) for member in members(table, shape)]

    # Source: botocore's model of SageMaker. A member that it adds fails here until somebody decides.
    structure = service_model("sagemaker").shape_for(shape)
    assert isinstance(structure, StructureShape)
    assert sorted(decided) == sorted(structure.members)


def test_structures_without_a_decision_are_whole_or_refused() -> None:
    found = set().union(*(undecided(operation("sagemaker", name).input_shape) for name in Api.OPERATIONS))

    # A deployment's policy is read by `deployments.policy`, the others have no member that could be left out.
    assert found == {
        "DeleteEndpointConfigInput",
        "DeleteEndpointInput",
        "DeleteModelInput",
        "DeleteTagsInput",
        "DeploymentConfig",
        "DescribeEndpointConfigInput",
        "DescribeEndpointInput",
        "DescribeModelInput",
        "ListEndpointConfigsInput",
        "ListEndpointsInput",
        "ListModelsInput",
        "ListTagsInput",
        "ModelAccessConfig",
        "Tag",
        "VariantProperty",
        "VpcConfig",
    }


@pytest.mark.parametrize(
    ("name", "request_body", "said"),
    [
        pytest.param("CreateModel", {"InferenceExecutionConfig": {"Mode": "Serial"}}, "InferenceExecutionConfig"),
        pytest.param(
            "CreateModel", {"Containers": [{"ModelPackageName": "p"}]}, "ContainerDefinition.ModelPackageName"
        ),
        pytest.param(
            "CreateModel", {"PrimaryContainer": {"Mode": "MultiModel"}}, "ContainerDefinition.Mode MultiModel"
        ),
        pytest.param(
            "CreateModel",
            {"PrimaryContainer": {"ImageConfig": {"RepositoryAccessMode": "Vpc"}}},
            "ImageConfig.RepositoryAccessMode Vpc",
        ),
        pytest.param("CreateEndpointConfig", {"ProductionVariants": [CONFIG], "DataCaptureConfig": {}}, "DataCapture"),
        pytest.param(
            "CreateEndpointConfig",
            {"ProductionVariants": [CONFIG, CONFIG | {"ManagedInstanceScaling": {"MinInstanceCount": 1}}]},
            "ProductionVariant.ManagedInstanceScaling",
        ),
        pytest.param(
            "CreateEndpointConfig",
            {"ProductionVariants": [CONFIG | {"RoutingConfig": {"RoutingStrategy": "KV_AWARE"}}]},
            "ProductionVariantRoutingConfig.RoutingStrategy KV_AWARE",
        ),
        pytest.param(
            "UpdateEndpointWeightsAndCapacities",
            {"DesiredWeightsAndCapacities": [{"VariantName": "v", "ServerlessUpdateConfig": {}}]},
            "DesiredWeightAndCapacity.ServerlessUpdateConfig",
        ),
    ],
)
def test_what_is_not_emulated_is_named(name: str, request_body: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError, match=f"the embedded SageMaker does not emulate {said}"):
        refuse_what_is_not_emulated("sagemaker", name, request_body)


def test_a_field_without_a_value_is_no_field() -> None:
    refuse_what_is_not_emulated("sagemaker", "CreateModel", {"InferenceExecutionConfig": None})


def undecided(shape: Shape | None) -> set[str]:
    """Structures that a request can hold and the tables do not speak of."""
    if isinstance(shape, ListShape):
        return undecided(shape.member)
    if not isinstance(shape, StructureShape):
        return set()
    if shape.name not in EMULATED:
        return {shape.name}
    accepted = members(EMULATED, shape.name) | members(KEPT, shape.name)
    return set().union(*(undecided(shape.members[member]) for member in accepted))
