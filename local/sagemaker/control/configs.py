"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.control.instance_types import has_local_storage
from local.sagemaker.control.plane import Deed, Json, Plane, as_requested, given, looked_up, summary
from local.sagemaker.control.quotas import ENDPOINT_CONFIGS
from local.sagemaker.control.rights import Rights, config_keys
from local.sagemaker.errors import not_emulated, validation
from local.sagemaker.registry import Registry, check_tags

_PUBLISH_SECONDS = frozenset({10, 30, 60, 120, 180, 240, 300})
"""Values of MetricPublishFrequencyInSeconds. Source: MetricsConfig of SageMaker's API reference."""


class EndpointConfigs:
    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._shelf = plane.registry.configs

    def deeds(self) -> dict[str, Deed]:
        return {
            "CreateEndpointConfig": self._create,
            "DescribeEndpointConfig": self._describe,
            "ListEndpointConfigs": self._list,
            "DeleteEndpointConfig": self._delete,
        }

    def _create(self, rights: Rights, request: Json) -> Json:
        name, registry = request["EndpointConfigName"], self._plane.registry
        keys = config_keys(request, registry.models.arn)
        rights.need_create("CreateEndpointConfig", self._shelf.arn(name), request, keys)
        if role := request.get("ExecutionRoleArn"):
            rights.need_pass(role)
        self._shelf.refuse_known(name)
        check_tags(request.get("Tags") or [])
        _check(registry, request, self._plane.behaviour)
        with self._plane.quotas.deciding:
            self._plane.quotas.check_count(ENDPOINT_CONFIGS, len(self._shelf.all()))
            return {"EndpointConfigArn": self._plane.shelve(self._shelf, name, request)}

    def _describe(self, rights: Rights, request: Json) -> Json:
        record = looked_up(self._shelf, rights, "DescribeEndpointConfig", request["EndpointConfigName"])
        described = as_requested(record) | {"EndpointConfigArn": record.arn}
        variants = [{"InitialVariantWeight": 1.0, **variant} for variant in record.request["ProductionVariants"]]
        return described | {"ProductionVariants": variants}

    def _list(self, rights: Rights, request: Json) -> Json:
        rights.need("ListEndpointConfigs")
        summaries = [summary("EndpointConfig", record) for record in self._shelf.all()]
        size = self._plane.behaviour.page_size
        return self._plane.page("EndpointConfigs", "EndpointConfig", summaries, request, size)

    def _delete(self, rights: Rights, request: Json) -> Json:
        # AWS warns against deleting the config of a live endpoint, and lets it happen.
        looked_up(self._shelf, rights, "DeleteEndpointConfig", request["EndpointConfigName"])
        self._plane.unshelve(self._shelf, request["EndpointConfigName"])
        return {}


def _check(registry: Registry, request: Mapping[str, Any], behaviour: Behaviour) -> None:
    """What CreateEndpointConfig finds out before it answers.

    Raises:
        AwsError: ValidationException.
    """
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    if len(set(names)) < len(names):
        raise validation(f"Variant names must be unique within an endpoint configuration, got {names}.")
    for variant in request["ProductionVariants"]:
        _check_variant(registry, variant)
        _check_storage(variant, request.get("KmsKeyId"), behaviour)
    seconds = (request.get("MetricsConfig") or {}).get("MetricPublishFrequencyInSeconds", 60)
    if seconds not in _PUBLISH_SECONDS:
        raise validation(f"MetricPublishFrequencyInSeconds is {seconds}; valid are {sorted(_PUBLISH_SECONDS)}.")


def _check_variant(registry: Registry, variant: Mapping[str, Any]) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise not_emulated("inference components; give each ProductionVariant a ModelName")
    if "InitialInstanceCount" not in variant:
        raise validation(f"InitialInstanceCount must be specified for production variant {name}.")
    if len(given(variant, "InstanceType", "InstancePools")) != 1:
        raise validation(f"Exactly one of InstanceType and InstancePools must be specified for variant {name}.")
    pools = variant.get("InstancePools") or []
    for member in ("InstanceType", "Priority"):
        values = [pool[member] for pool in pools]
        if len(set(values)) < len(values):
            raise validation(f"{member} must differ between the instance pools of variant {name}, got {values}.")
    for model in [variant["ModelName"], *(pool["ModelNameOverride"] for pool in pools if "ModelNameOverride" in pool)]:
        registry.models.get(model)


def _check_storage(variant: Mapping[str, Any], kms_key: str | None, behaviour: Behaviour) -> None:
    pools = variant.get("InstancePools") or [variant]
    with_disks = [pool["InstanceType"] for pool in pools if has_local_storage(pool["InstanceType"])]
    if not with_disks:
        return
    if "VolumeSizeInGB" in variant:
        raise validation(
            f"VolumeSizeInGB is not supported for {with_disks[0]} of variant {variant['VariantName']}: the instance "
            "stores on its own NVMe disks. Leave it out."
        )
    if kms_key and behaviour.kms_key_refused_on_local_storage:
        raise validation(
            f"KmsKeyId is not supported for {with_disks[0]} of variant {variant['VariantName']}: the instance stores "
            "on its own NVMe disks, which its hardware encrypts. Leave it out."
        )
