"""Which fields of a request the twin carries out, which it only keeps, and which it refuses by name.

Every member of every shape here is decided; one that a newer service model adds is refused until it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from local.sagemaker.errors import not_emulated
from local.sagemaker.service_model import operation

EMULATED: Mapping[str, str] = {
    "AddTagsInput": "ResourceArn Tags",
    "ContainerDefinition": "Environment Image ImageConfig Mode ModelDataSource ModelDataUrl",
    "CreateEndpointConfigInput": "EndpointConfigName ExecutionRoleArn MetricsConfig ProductionVariants Tags",
    "CreateEndpointInput": "DeploymentConfig EndpointConfigName EndpointName Tags",
    "CreateModelInput": "Containers ExecutionRoleArn ModelName PrimaryContainer Tags",
    "DesiredWeightAndCapacity": "DesiredInstanceCount DesiredWeight VariantName",
    "ImageConfig": "RepositoryAccessMode",
    "InstancePool": "InstanceType ModelNameOverride Priority",
    "MetricsConfig": "EnableDetailedObservability EnableEnhancedMetrics",
    "ModelDataSource": "S3DataSource",
    "ProductionVariant": "ContainerStartupHealthCheckTimeoutInSeconds InitialInstanceCount InitialVariantWeight "
    "InstancePools InstanceType ModelDataDownloadTimeoutInSeconds ModelName RoutingConfig "
    "VariantInstanceProvisionTimeoutInSeconds VariantName",
    "ProductionVariantRoutingConfig": "RoutingStrategy",
    "S3ModelDataSource": "CompressionType S3DataType S3Uri",
    "UpdateEndpointInput": "DeploymentConfig EndpointConfigName EndpointName ExcludeRetainedVariantProperties "
    "RetainAllVariantProperties RetainDeploymentConfig",
    "UpdateEndpointWeightsAndCapacitiesInput": "DesiredWeightsAndCapacities EndpointName",
}
"""Members that change what the twin does; DeploymentConfig is `deployments.policy`'s to read."""

KEPT: Mapping[str, str] = {
    "ContainerDefinition": "ContainerHostname",
    "CreateEndpointConfigInput": "EnableNetworkIsolation KmsKeyId VpcConfig",
    "CreateModelInput": "EnableNetworkIsolation VpcConfig",
    "MetricsConfig": "MetricPublishFrequencyInSeconds",
    "ProductionVariant": "EnableSSMAccess InferenceAmiVersion VolumeSizeInGB",
    "S3ModelDataSource": "ModelAccessConfig",
}
"""Members that are checked and described as they were requested, and change nothing here: every instance is a process
on this machine, with its disk and its network."""

REFUSED: Mapping[str, str] = {
    "ContainerDefinition": "AdditionalModelDataSources ContainerMetricsConfig InferenceSpecificationName "
    "ModelPackageName MultiModelConfig",
    "CreateEndpointConfigInput": "AsyncInferenceConfig CrossRegionTrafficConfig DataCaptureConfig ExplainerConfig "
    "ShadowProductionVariants",
    "CreateModelInput": "InferenceExecutionConfig",
    "DesiredWeightAndCapacity": "ServerlessUpdateConfig",
    "ImageConfig": "RepositoryAuthConfig",
    "ProductionVariant": "AcceleratorPartitionLayouts AcceleratorType CapacityReservationConfig CoreDumpConfig "
    "ManagedInstanceScaling ServerlessConfig",
    "ProductionVariantRoutingConfig": "PrefixAwareRoutingConfig",
    "S3ModelDataSource": "ETag HubAccessConfig ManifestEtag ManifestS3Uri",
}

_REFUSED_VALUES: Mapping[tuple[str, str], frozenset[Any]] = {
    ("ContainerDefinition", "Mode"): frozenset({"MultiModel"}),
    ("ImageConfig", "RepositoryAccessMode"): frozenset({"Vpc"}),
    ("MetricsConfig", "EnableDetailedObservability"): frozenset({True}),
    ("MetricsConfig", "EnableEnhancedMetrics"): frozenset({True}),
    ("ProductionVariantRoutingConfig", "RoutingStrategy"): frozenset({"KV_AWARE", "PREFIX_AWARE"}),
}


def members(table: Mapping[str, str], shape: str) -> frozenset[str]:
    return frozenset(table.get(shape, "").split())


def refuse_what_is_not_emulated(service: str, name: str, request: Mapping[str, Any]) -> None:
    """Raise for the first field of the request that the twin neither carries out nor keeps.

    Raises:
        AwsError: ValidationException that names the field.
    """
    shape = operation(service, name).input_shape
    if shape is not None and (found := next(_refused(shape, request), None)):
        raise not_emulated(found.removeprefix(f"{shape.name}."))


def refused_fields() -> list[str]:
    """Every field that is refused, as `Shape.Member`, and every refused value, as `Shape.Member value`."""
    fields = [f"{shape}.{member}" for shape in REFUSED for member in members(REFUSED, shape)]
    values = [f"{'.'.join(place)} {value}" for place, refused in _REFUSED_VALUES.items() for value in refused]
    return sorted(fields + values)


def kept_fields() -> list[str]:
    """Every field that is kept and changes nothing, as `Shape.Member`."""
    return sorted(f"{shape}.{member}" for shape in KEPT for member in members(KEPT, shape))


def _refused(shape: Shape, value: Any) -> Iterator[str]:
    if isinstance(shape, ListShape):
        for item in value:
            yield from _refused(shape.member, item)
    elif isinstance(shape, StructureShape) and shape.name in EMULATED:
        accepted = members(EMULATED, shape.name) | members(KEPT, shape.name)
        for member, item in value.items():
            if item is None:
                continue
            if member not in accepted:
                yield f"{shape.name}.{member}"
            elif _is_refused_value(shape.name, member, item):
                yield f"{shape.name}.{member} {item}"
            else:
                yield from _refused(shape.members[member], item)


def _is_refused_value(shape: str, member: str, value: Any) -> bool:
    refused = _REFUSED_VALUES.get((shape, member))
    return refused is not None and value in refused
