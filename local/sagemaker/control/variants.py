"""From an endpoint config and its models to what each production variant runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from local.sagemaker.control.models import container_of
from local.sagemaker.control.plane import Plane
from local.sagemaker.errors import validation
from local.sagemaker.execution_role import ExecutionRole
from local.sagemaker.fleets.fleet import Variant
from local.sagemaker.fleets.instance import VariantSpec
from local.sagemaker.fleets.model_data import model_data_of
from local.sagemaker.registry import Record

DEFAULT_STARTUP_TIMEOUT_S = 480.0


def specs_of(plane: Plane, config: Record) -> list[VariantSpec]:
    """Read every variant of a config, each with its image resolved to a digest now.

    Raises:
        AwsError: ValidationException: a model is gone, or its image is not to be had.
    """
    return [_spec(plane, variant) for variant in config.request["ProductionVariants"]]


def _spec(plane: Plane, variant: Mapping[str, Any]) -> VariantSpec:
    """One variant; with instance pools it is what the best pool's instances run, and `pools` says what each does."""
    pools = [
        _runs(plane, variant, pool.get("ModelNameOverride", variant["ModelName"]), pool["InstanceType"])
        for pool in sorted(variant.get("InstancePools") or [], key=lambda pool: int(pool["Priority"]))
    ]
    if not pools:
        return _runs(plane, variant, variant["ModelName"], variant["InstanceType"])
    return replace(pools[0], pools=tuple(pools))


def _runs(plane: Plane, variant: Mapping[str, Any], model_name: str, instance_type: str) -> VariantSpec:
    model = plane.registry.models.get(model_name)
    container = container_of(model.request)
    role = ExecutionRole(plane.world, model.request["ExecutionRoleArn"])
    startup_s = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_TIMEOUT_S)
    provision_s = variant.get("VariantInstanceProvisionTimeoutInSeconds", plane.behaviour.provision_s)
    return VariantSpec(
        name=variant["VariantName"],
        model_name=model.name,
        image=container["Image"],
        resolved_image=role.resolve_image(container["Image"]),
        resolved_at=plane.world.clock.now(),
        role=role,
        data=model_data_of(container),
        environment=container.get("Environment") or {},
        instance_type=instance_type,
        instance_count=variant["InitialInstanceCount"],
        weight=variant.get("InitialVariantWeight", 1.0),
        startup_timeout_s=startup_s,
        download_timeout_s=variant.get("ModelDataDownloadTimeoutInSeconds", VariantSpec.download_timeout_s),
        provision_timeout_s=provision_s,
        routing=(variant.get("RoutingConfig") or {}).get("RoutingStrategy"),
    )


def retain(
    specs: Sequence[VariantSpec], serving: Mapping[str, Variant], request: Mapping[str, Any]
) -> list[VariantSpec]:
    """Carry the serving variants' counts and weights over, as RetainAllVariantProperties of UpdateEndpoint asks."""
    if not request.get("RetainAllVariantProperties"):
        return list(specs)
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties") or []}
    if "DataCaptureConfig" in excluded:
        # "Not currently supported", says VariantProperty of SageMaker's API reference.
        raise validation("VariantPropertyType DataCaptureConfig is not currently supported.")
    kept = []
    for spec in specs:
        live = serving.get(spec.name)
        if live and "DesiredInstanceCount" not in excluded:
            spec = replace(spec, instance_count=live.desired)  # noqa: PLW2901 - the same variant, adjusted
        if live and "DesiredWeight" not in excluded:
            spec = replace(spec, weight=live.weight)  # noqa: PLW2901 - the same variant, adjusted
        kept.append(spec)
    return kept
