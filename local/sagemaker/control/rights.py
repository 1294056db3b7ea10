"""Who may call an operation: its action, the ARNs that it touches and the condition keys that it carries.

Source: "Actions, resources, and condition keys for Amazon SageMaker AI" in the Service Authorization Reference.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.sagemaker.registry import Registry

PASSED_TO = {"iam:PassedToService": "sagemaker.amazonaws.com"}

Context = Mapping[str, str | Sequence[str]]
Authorize = Callable[[str, str, str, Context], None]
"""Raises unless the holder of the access key may do the action on the resource under these condition keys."""


class Rights:
    """The rights of one caller.

    Args:
        access_key: who signed the request.
    """

    def __init__(self, authorize: Authorize, registry: Registry, access_key: str) -> None:
        self._authorize = authorize
        self._registry = registry
        self._access_key = access_key

    def need(self, operation: str, resource: str = "*", context: Context | None = None) -> None:
        """Raise AccessDeniedException unless the caller may do this; the resource's tags are condition keys."""
        keys = {**self._resource_tags(resource), **(context or {})}
        self._authorize(self._access_key, f"sagemaker:{operation}", resource, keys)

    def need_create(self, operation: str, resource: str, request: Mapping[str, Any], context: Context) -> None:
        """What a creation needs: the action itself and, where tags come with it, AddTags on what is made."""
        tags = request.get("Tags") or []
        tag_keys = requested_tags(tags)
        self.need(operation, resource, {**context, **tag_keys})
        if tags:
            self.need("AddTags", resource, {**tag_keys, "sagemaker:TaggingAction": operation})

    def need_pass(self, role_arn: str) -> None:
        self._authorize(self._access_key, "iam:PassRole", role_arn, PASSED_TO)

    def _resource_tags(self, resource: str) -> dict[str, str]:
        tags = {tag["Key"]: tag["Value"] for tag in self._registry.tags(resource)}
        spaces = ("aws", "sagemaker")
        return {f"{space}:ResourceTag/{key}": value for space in spaces for key, value in tags.items()}


def requested_tags(tags: Sequence[Mapping[str, str]]) -> dict[str, str | Sequence[str]]:
    """The condition keys of tags that come with a request."""
    if not tags:
        return {}
    values: dict[str, str | Sequence[str]] = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags}
    return {**values, "aws:TagKeys": [tag["Key"] for tag in tags]}


def model_keys(request: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """The condition keys of CreateModel."""
    vpc = request.get("VpcConfig") or {}
    return {
        "sagemaker:NetworkIsolation": str(bool(request.get("EnableNetworkIsolation"))).lower(),
        **_given("sagemaker:VpcSecurityGroupIds", vpc.get("SecurityGroupIds")),
        **_given("sagemaker:VpcSubnets", vpc.get("Subnets")),
    }


def config_keys(request: Mapping[str, Any], model_arn: Callable[[str], str]) -> dict[str, str | Sequence[str]]:
    """The condition keys of CreateEndpointConfig.

    Args:
        model_arn: a model's ARN by its name.
    """
    variants = request["ProductionVariants"]
    pools = [pool for variant in variants for pool in variant.get("InstancePools") or [variant]]
    types = sorted({pool["InstanceType"] for pool in pools if "InstanceType" in pool})
    models = {variant["ModelName"] for variant in variants if "ModelName" in variant}
    models |= {pool["ModelNameOverride"] for pool in pools if "ModelNameOverride" in pool}
    return {
        **_given("sagemaker:InstanceTypes", types),
        **_given("sagemaker:ModelArn", [model_arn(name) for name in sorted(models)]),
        **_given("sagemaker:VolumeKmsKey", request.get("KmsKeyId")),
    }


def _given(key: str, value: str | Sequence[str] | None) -> dict[str, str | Sequence[str]]:
    return {key: value} if value else {}
