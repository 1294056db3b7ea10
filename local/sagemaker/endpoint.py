"""One endpoint's record and how DescribeEndpoint tells it."""

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.sagemaker.fleets.fleet import Fleet, Variant
from local.sagemaker.fleets.instance import Instance, VariantSpec
from local.sagemaker.statuses import LEGAL_NEXT, EndpointStatus, VariantStage


@dataclass(frozen=True)
class TrafficShare:
    fleet: Fleet
    share: float


@dataclass
class PendingDeployment:
    config_name: str
    specs: Sequence[VariantSpec]
    started: datetime
    stage: VariantStage
    stage_started: datetime
    fleet: Fleet | None = None


@dataclass
class Endpoint:
    """What DescribeEndpoint tells changes under `lock`; `traffic` is replaced whole, so requests read it without."""

    name: str
    arn: str
    config_name: str
    created: datetime
    modified: datetime
    status: EndpointStatus = EndpointStatus.CREATING
    failure_reason: str | None = None
    deployment_config: Mapping[str, Any] | None = None
    fleet: Fleet | None = None
    traffic: tuple[TrafficShare, ...] = ()
    pending: PendingDeployment | None = None
    variant_stages: dict[str, tuple[VariantStage, datetime]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def move_to(self, status: EndpointStatus, now: datetime, failure_reason: str | None = None) -> None:
        if status not in LEGAL_NEXT[self.status]:
            raise ValueError(f"endpoint {self.name} cannot go from {self.status} to {status}")
        self.status = status
        self.modified = now
        self.failure_reason = failure_reason[:1024] if failure_reason else None

    def reserve(self, variant: str | None) -> tuple[Fleet, Instance] | None:
        """Reserve an instance by the shares of traffic; where that fleet has none ready, in any other that serves."""
        shares = self.traffic
        if not shares:
            return None
        drawn = random.choices(shares, [share.share for share in shares])[0]  # noqa: S311 - spreads load
        for share in (drawn, *(other for other in shares if other is not drawn)):
            if instance := share.fleet.reserve(variant):
                return share.fleet, instance
        return None

    def has_variant(self, name: str) -> bool:
        return any(name in share.fleet.variants for share in self.traffic)


def describe(endpoint: Endpoint) -> dict[str, Any]:
    """The members of DescribeEndpointOutput; absent where AWS leaves them out."""
    with endpoint.lock:
        return _describe(endpoint)


def _describe(endpoint: Endpoint) -> dict[str, Any]:
    optional = {
        "ProductionVariants": _production_variants(endpoint),
        "FailureReason": endpoint.failure_reason,
        "LastDeploymentConfig": endpoint.deployment_config,
        "PendingDeploymentSummary": _pending_summary(endpoint.pending) if endpoint.pending else None,
    }
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config_name,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created.timestamp(),
        "LastModifiedTime": endpoint.modified.timestamp(),
        **{member: value for member, value in optional.items() if value},
    }


def _production_variants(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.fleet is None:
        return []
    return [
        _summary(variant, endpoint.created) | _stage(endpoint.variant_stages.get(name))
        for name, variant in endpoint.fleet.variants.items()
    ]


def _pending_summary(pending: PendingDeployment) -> dict[str, Any]:
    live = pending.fleet.variants if pending.fleet else {}
    stage = _stage((pending.stage, pending.stage_started))
    return {
        "EndpointConfigName": pending.config_name,
        "StartTime": pending.started.timestamp(),
        "ProductionVariants": [
            _summary(live.get(spec.name) or Variant(spec, spec.weight, spec.instance_count), pending.started)
            | {"InstanceType": spec.instance_type}
            | stage
            for spec in pending.specs
        ],
    }


def _summary(variant: Variant, resolved: datetime) -> dict[str, Any]:
    spec = variant.spec
    image = {
        "SpecifiedImage": spec.image,
        "ResolvedImage": spec.resolved_image,
        "ResolutionTime": resolved.timestamp(),
    }
    return {
        "VariantName": spec.name,
        "DeployedImages": [image],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": len(variant.healthy()),
        "DesiredInstanceCount": variant.desired,
    }


def _stage(stage: tuple[VariantStage, datetime] | None) -> dict[str, Any]:
    if stage is None:
        return {}
    return {"VariantStatus": [{"Status": stage[0], "StartTime": stage[1].timestamp()}]}
