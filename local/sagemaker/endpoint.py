"""One endpoint's record and how DescribeEndpoint tells it."""

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.sagemaker.fleets.fleet import Fleet, Variant
from local.sagemaker.fleets.instance import Instance, VariantSpec
from local.sagemaker.statuses import LEGAL_NEXT, EndpointStatus, VariantStage

MAX_REASON = 1024


@dataclass(frozen=True)
class TrafficShare:
    """What part of each variant's requests a fleet gets.

    Attributes:
        share: 0 < share <= 1, of every variant that `variants` does not name.
        variants: shares of single variants, 0 <= share <= 1, where whole instances make them differ.
    """

    fleet: Fleet
    share: float
    variants: Mapping[str, float] = field(default_factory=dict)

    def of(self, variant: str) -> float:
        return self.variants.get(variant, self.share)


@dataclass(frozen=True)
class Stage:
    """VariantStatus of one variant."""

    stage: VariantStage
    message: str
    since: datetime


@dataclass
class PendingDeployment:
    config_name: str
    specs: Sequence[VariantSpec]
    started: datetime
    fleet: Fleet | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)


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
    leftovers: tuple[Fleet, ...] = ()
    """Fleets of configs that never became current and that failed rollbacks left serving."""
    traffic: tuple[TrafficShare, ...] = ()
    pending: PendingDeployment | None = None
    variant_stages: Mapping[str, Stage] = field(default_factory=dict)
    wished_weights: Mapping[str, float] = field(default_factory=dict)
    """Weights that UpdateEndpointWeightsAndCapacities asked for and that do not count yet."""
    wished_counts: Mapping[str, int] = field(default_factory=dict)
    """Instances that each variant shall have, where failed rollbacks left it with others."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def move_to(self, status: EndpointStatus, now: datetime, failure_reason: str | None = None) -> None:
        """Change the status; what failed before is forgotten.

        Raises:
            ValueError: the status cannot follow the present one.
        """
        if status not in LEGAL_NEXT[self.status]:
            raise ValueError(f"endpoint {self.name} cannot go from {self.status} to {status}")
        self.status = status
        self.modified = now
        self.failure_reason = failure_reason[:MAX_REASON] if failure_reason else None

    def fleets(self) -> tuple[Fleet, ...]:
        """What serves between deployments, the one of the current config first."""
        return (self.fleet, *self.leftovers) if self.fleet else ()

    def variants(self) -> dict[str, Variant]:
        """What serves, by variant; where several fleets do, their instances together."""
        if self.fleet is None:
            return {}
        joined = {name: _joined(variant, self.leftovers) for name, variant in self.fleet.variants.items()}
        for name, count in self.wished_counts.items():
            joined[name].desired = count
        return joined

    def reserve(self, variant: str | None) -> tuple[Fleet, Instance] | None:
        """Reserve an instance of the named variant, or of one drawn by weight, in a fleet drawn by its share of it.

        Where that fleet has none ready, any other that serves the variant gives one; None where none does.
        """
        while True:
            traffic = self.traffic
            found = _reserve(traffic, variant)
            # A fleet may lose its traffic and end between the look and the reservation.
            if found or traffic is self.traffic:
                return found

    def has_variant(self, name: str) -> bool:
        return any(name in share.fleet.variants for share in self.traffic)


def _reserve(traffic: Sequence[TrafficShare], variant: str | None) -> tuple[Fleet, Instance] | None:
    ways = [(share, name, weight) for share in traffic for name, weight in _ways(share, variant)]
    while ways:
        weights = [weight for *_, weight in ways]
        chosen = random.choices(ways, weights if sum(weights) else None)[0]  # noqa: S311 - spreads load
        if instance := chosen[0].fleet.reserve(chosen[1]):
            return chosen[0].fleet, instance
        ways.remove(chosen)
    return None


def _joined(variant: Variant, rest: Sequence[Fleet]) -> Variant:
    others = [fleet.variants[variant.spec.name] for fleet in rest if variant.spec.name in fleet.variants]
    instances = [instance for each in (variant, *others) for instance in each.instances]
    desired = sum(each.desired for each in (variant, *others))
    return Variant(variant.spec, variant.weight, desired, instances=instances)


def _ways(share: TrafficShare, wanted: str | None) -> list[tuple[str, float]]:
    """The fleet's variants that can take a request now, each with its part of all requests."""
    variants = share.fleet.variants
    total = sum(variant.weight for variant in variants.values())
    found = []
    for name, variant in variants.items():
        if wanted not in {None, name} or not variant.healthy():
            continue
        weight = 1.0 if wanted else variant.weight / total if total else 0.0
        if weight:
            found.append((name, weight * share.of(name)))
    return found


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
    return [
        _summary(variant)
        | ({"DesiredWeight": endpoint.wished_weights[name]} if name in endpoint.wished_weights else {})
        | _status(endpoint.variant_stages.get(name))
        for name, variant in endpoint.variants().items()
    ]


def _pending_summary(pending: PendingDeployment) -> dict[str, Any]:
    return {
        "EndpointConfigName": pending.config_name,
        "StartTime": pending.started.timestamp(),
        "ProductionVariants": [_pending_variant(pending, spec) for spec in pending.specs],
    }


def _pending_variant(pending: PendingDeployment, spec: VariantSpec) -> dict[str, Any]:
    """Desired is what the deployment leads to, current what runs of it: AWS's example event has 1 of 3."""
    live = pending.fleet.variants.get(spec.name) if pending.fleet else None
    variant = Variant(spec, spec.weight, spec.instance_count, instances=live.instances if live else [])
    instance_type = {} if spec.pools else {"InstanceType": spec.instance_type}
    return _summary(variant) | instance_type | _status(pending.stages.get(spec.name))


def _summary(variant: Variant) -> dict[str, Any]:
    """The members that ProductionVariantSummary and PendingProductionVariantSummary share."""
    spec = variant.spec
    image = {
        "SpecifiedImage": spec.image,
        "ResolvedImage": spec.resolved_image,
        "ResolutionTime": spec.resolved_at.timestamp(),
    }
    return {
        "VariantName": spec.name,
        "DeployedImages": [image],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": len(variant.healthy()),
        "DesiredInstanceCount": variant.desired,
        **({"InstancePools": _pools(variant)} if spec.pools else {}),
        **({"RoutingConfig": {"RoutingStrategy": spec.routing}} if spec.routing else {}),
    }


def _pools(variant: Variant) -> list[dict[str, Any]]:
    """InstancePoolSummary of each pool, the best first."""
    current = Counter(instance.variant.instance_type for instance in variant.healthy())
    types = [pool.instance_type for pool in variant.spec.pools]
    return [{"InstanceType": kind, "CurrentInstanceCount": current[kind]} for kind in types]


def _status(stage: Stage | None) -> dict[str, Any]:
    if stage is None:
        return {}
    status = {"Status": stage.stage, "StatusMessage": stage.message, "StartTime": stage.since.timestamp()}
    return {"VariantStatus": [status]}
