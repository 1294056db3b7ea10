"""What SageMaker says of an endpoint: the fleet that serves and the one that it brings up."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from slipway.aws import Aws
from slipway.aws_errors import error_message, translated

_MISSING = "Could not find"


@dataclass(frozen=True)
class Fleet:
    """The instances of one endpoint config."""

    config_name: str
    instances: int
    desired: int
    instance_types: Mapping[str, int]
    """Instances by type; empty where SageMaker does not say which."""
    image_digest: str
    status: str
    """VariantStatus, such as `Creating`, `ActivatingTraffic` or `Baking`; empty at rest."""
    since: datetime | None
    """When that status began."""


@dataclass(frozen=True)
class Fleets:
    """`blue` serves, `green` is on its way; None: there is none."""

    endpoint_name: str
    status: str
    failure: str
    blue: Fleet | None
    green: Fleet | None


def fleets_of(aws: Aws, endpoint_name: str) -> Fleets | None:
    """None: SageMaker knows no such endpoint."""
    with translated():
        try:
            said: Mapping[str, Any] = aws.sagemaker.describe_endpoint(EndpointName=endpoint_name)
        except ClientError as error:
            if _MISSING in error_message(error):
                return None
            raise
    return _fleets(aws, endpoint_name, said)


def _fleets(aws: Aws, endpoint_name: str, said: Mapping[str, Any]) -> Fleets:
    pending = said.get("PendingDeploymentSummary")
    variants = said.get("ProductionVariants") or []
    config_name = said.get("EndpointConfigName", "")
    return Fleets(
        endpoint_name=endpoint_name,
        status=said["EndpointStatus"],
        failure=said.get("FailureReason", ""),
        blue=_fleet(aws, config_name, variants[0]) if variants else None,
        green=_fleet(aws, pending["EndpointConfigName"], (pending.get("ProductionVariants") or [{}])[0])
        if pending
        else None,
    )


def _fleet(aws: Aws, config_name: str, variant: Mapping[str, Any]) -> Fleet:
    count = int(variant.get("CurrentInstanceCount", 0))
    images = variant.get("DeployedImages") or [{}]
    status: Mapping[str, Any] = next(iter(variant.get("VariantStatus") or []), {})
    return Fleet(
        config_name=config_name,
        instances=count,
        desired=int(variant.get("DesiredInstanceCount", count)),
        instance_types=_types(aws, config_name, variant, count),
        image_digest=images[0].get("ResolvedImage", "").rpartition("@")[2],
        status=status.get("Status", ""),
        since=status.get("StartTime"),
    )


def _types(aws: Aws, config_name: str, variant: Mapping[str, Any], count: int) -> dict[str, int]:
    """DescribeEndpoint counts instances by type for pools only; otherwise the endpoint config names the one type."""
    if pools := variant.get("InstancePools"):
        by_type: Counter[str] = Counter()
        for pool in pools:
            by_type[pool["InstanceType"]] += int(pool.get("CurrentInstanceCount", 0))
        return {kind: number for kind, number in by_type.items() if number}
    if kind := variant.get("InstanceType"):
        return {kind: count}
    with translated():
        made = aws.sagemaker.describe_endpoint_config(EndpointConfigName=config_name)["ProductionVariants"][0]
    kind = made.get("InstanceType")
    return {kind: count} if kind else {}
