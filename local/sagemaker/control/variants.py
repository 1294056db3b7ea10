"""From an endpoint config and its models to what each production variant runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from local.sagemaker.errors import not_emulated, validation
from local.sagemaker.execution_role import ExecutionRole
from local.sagemaker.fleets.fleet import Variant
from local.sagemaker.fleets.instance import VariantSpec
from local.sagemaker.fleets.model_data import is_readable, model_data_of
from local.sagemaker.registry import Record, Registry
from local.world import World

DEFAULT_STARTUP_TIMEOUT_S = 480.0

_NOT_EMULATED_IN_MODELS = ("InferenceExecutionConfig",)
_NOT_EMULATED_IN_CONTAINERS = (
    "AdditionalModelDataSources",
    "InferenceSpecificationName",
    "ModelPackageName",
    "MultiModelConfig",
)
_NOT_EMULATED_IN_CONFIGS = (
    "AsyncInferenceConfig",
    "CrossRegionTrafficConfig",
    "DataCaptureConfig",
    "ExplainerConfig",
    "ShadowProductionVariants",
)
_NOT_EMULATED_IN_VARIANTS = (
    "AcceleratorPartitionLayouts",
    "AcceleratorType",
    "CapacityReservationConfig",
    "InstancePools",
    "ManagedInstanceScaling",
    "ServerlessConfig",
)


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one container of a CreateModel request.

    Raises:
        AwsError: ValidationException: none, or more than the twin emulates.
    """
    _refuse(model, _NOT_EMULATED_IN_MODELS, "")
    containers = [*model.get("Containers", []), *([model["PrimaryContainer"]] if "PrimaryContainer" in model else [])]
    if not containers:
        raise validation("One of PrimaryContainer and Containers must be specified.")
    if len(containers) > 1:
        raise not_emulated(f"an inference pipeline of {len(containers)} containers; give one PrimaryContainer")
    container: Mapping[str, Any] = containers[0]
    _refuse(container, _NOT_EMULATED_IN_CONTAINERS, "ContainerDefinition.")
    if container.get("Mode") == "MultiModel":
        raise not_emulated("ContainerDefinition.Mode MultiModel")
    if "Image" not in container:
        raise validation("Image must be specified in the container definition.")
    return container


def check_model(world: World, request: Mapping[str, Any]) -> None:
    """What CreateModel finds out before it answers: the role works, the image and the data are there for it.

    Raises:
        AwsError: ValidationException.
    """
    container = container_of(request)
    if "ExecutionRoleArn" not in request:
        raise validation("ExecutionRoleArn must be specified.")
    role = ExecutionRole(world, request["ExecutionRoleArn"])
    role.resolve_image(container["Image"])
    data = model_data_of(container)
    if data and not is_readable(role.client("s3"), data):
        raise validation(role.data_unreadable(data.uri))


def check_config(registry: Registry, request: Mapping[str, Any]) -> None:
    """What CreateEndpointConfig finds out before it answers.

    Raises:
        AwsError: ValidationException.
    """
    _refuse(request, _NOT_EMULATED_IN_CONFIGS, "")
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    if len(set(names)) < len(names):
        raise validation(f"Variant names must be unique within an endpoint configuration, got {names}.")
    for variant in request["ProductionVariants"]:
        _refuse(variant, _NOT_EMULATED_IN_VARIANTS, "ProductionVariant.")
        if "ModelName" not in variant:
            raise not_emulated("inference components; give each ProductionVariant a ModelName")
        for member in ("InstanceType", "InitialInstanceCount"):
            if member not in variant:
                raise validation(f"{member} must be specified for production variant {variant['VariantName']}.")
        registry.models.get(variant["ModelName"])


def _refuse(request: Mapping[str, Any], members: Sequence[str], prefix: str) -> None:
    if given := next((member for member in members if member in request), None):
        raise not_emulated(prefix + given)


def specs_of(world: World, registry: Registry, config: Record) -> list[VariantSpec]:
    """Read every variant of a config, each with its image resolved to a digest now.

    Raises:
        AwsError: ValidationException: a model is gone, or its image is not to be had.
    """
    return [_spec(world, registry, variant) for variant in config.request["ProductionVariants"]]


def _spec(world: World, registry: Registry, variant: Mapping[str, Any]) -> VariantSpec:
    model = registry.models.get(variant["ModelName"])
    container = container_of(model.request)
    role = ExecutionRole(world, model.request["ExecutionRoleArn"])
    return VariantSpec(
        name=variant["VariantName"],
        model_name=model.name,
        image=container["Image"],
        resolved_image=role.resolve_image(container["Image"]),
        role=role,
        data=model_data_of(container),
        environment=container.get("Environment", {}),
        instance_type=variant["InstanceType"],
        instance_count=variant["InitialInstanceCount"],
        weight=variant.get("InitialVariantWeight", 1.0),
        startup_timeout_s=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_TIMEOUT_S),
        routing=variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM"),
    )


def retain(
    specs: Sequence[VariantSpec], serving: Mapping[str, Variant], request: Mapping[str, Any]
) -> list[VariantSpec]:
    """Carry the serving variants' counts and weights over, as RetainAllVariantProperties of UpdateEndpoint asks."""
    if not request.get("RetainAllVariantProperties"):
        return list(specs)
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", [])}
    kept = []
    for spec in specs:
        live = serving.get(spec.name)
        if live and "DesiredInstanceCount" not in excluded:
            spec = replace(spec, instance_count=live.desired)  # noqa: PLW2901 - the same variant, adjusted
        if live and "DesiredWeight" not in excluded:
            spec = replace(spec, weight=live.weight)  # noqa: PLW2901 - the same variant, adjusted
        kept.append(spec)
    return kept
