"""The account's quotas for endpoints, and how much of them is in use.

Sources: the names and the codes of `_CODES` are those that Service Quotas gives in us-east-1, as public audits of
accounts print them; the refusal's words are those of ResourceLimitExceeded in public error reports.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from botocore.model import StringShape

from local.sagemaker.deployments.policy import Counts
from local.sagemaker.endpoint import Endpoint, PendingDeployment
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import VariantSpec
from local.sagemaker.service_model import service_model
from local.sagemaker.statuses import EndpointStatus

ACTIVE_INSTANCES = "Number of instances across active endpoints"
INSTANCES_OF_AN_ENDPOINT = "Instances of one endpoint"
ENDPOINTS = "Endpoints"
ENDPOINT_CONFIGS = "Endpoint configs"

_ENDED = frozenset({EndpointStatus.FAILED, EndpointStatus.DELETING})
"""Statuses in which nothing more comes up."""
DEFAULT_OF_A_TYPE = 20
DEFAULT_ACTIVE_INSTANCES = 40

# AWS publishes no rule for codes, so that every other type's code is made up here.
_CODES = {
    ACTIVE_INSTANCES: "L-7A3DF611",
    "ml.g5.xlarge for endpoint usage": "L-1928E07B",
    "ml.g5.2xlarge for endpoint usage": "L-9614C779",
    "ml.g5.4xlarge for endpoint usage": "L-C1B9A48D",
    "ml.g5.12xlarge for endpoint usage": "L-65C4BD00",
    "ml.g6.xlarge for endpoint usage": "L-D470D954",
    "ml.g6.2xlarge for endpoint usage": "L-98BDE811",
    "ml.g6.4xlarge for endpoint usage": "L-DFB10FDE",
    "ml.g6.12xlarge for endpoint usage": "L-0A29AACF",
    "ml.g6e.xlarge for endpoint usage": "L-B0729CB4",
    "ml.g6e.2xlarge for endpoint usage": "L-F8D7F460",
    "ml.g6e.4xlarge for endpoint usage": "L-93531071",
    "ml.g6e.8xlarge for endpoint usage": "L-96A28D02",
    "ml.g6e.12xlarge for endpoint usage": "L-60313EA3",
    "ml.g6e.16xlarge for endpoint usage": "L-2930A179",
    "ml.g6e.24xlarge for endpoint usage": "L-AE407E8B",
    "ml.g6e.48xlarge for endpoint usage": "L-E0C458EA",
    "ml.p4d.24xlarge for endpoint usage": "L-09F79647",
    "ml.p4de.24xlarge for endpoint usage": "L-456B4C5F",
    "ml.p5.48xlarge for endpoint usage": "L-16AF71F1",
}


@dataclass(frozen=True)
class Quota:
    name: str
    default: float
    """Instances, endpoints or configs; infinite where AWS names no such quota."""
    published: bool = True
    """Whether Service Quotas knows it. The others are settings of the twin alone."""

    @property
    def code(self) -> str:
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return _CODES.get(self.name, f"L-{digest[:8].upper()}")


class UnknownQuotaError(Exception):
    """No quota has this name or this code."""


@dataclass(frozen=True)
class Demand:
    """Instances that a request would add: `count` of any of the types, the best first."""

    types: tuple[str, ...]
    count: int


class Quotas:
    """The applied quotas. Safe in any thread.

    Args:
        now: AWS's seconds since the epoch.
        values: quotas other than the defaults, by name.

    Raises:
        UnknownQuotaError: a value has a name that no quota has.
    """

    def __init__(self, now: Callable[[], float], values: Mapping[str, float] | None = None) -> None:
        own = (INSTANCES_OF_AN_ENDPOINT, ENDPOINTS, ENDPOINT_CONFIGS)
        known = [
            Quota(ACTIVE_INSTANCES, DEFAULT_ACTIVE_INSTANCES),
            *(Quota(of_type(name), DEFAULT_OF_A_TYPE) for name in _instance_types()),
            *(Quota(name, float("inf"), published=False) for name in own),
        ]
        self._quotas = {quota.name: quota for quota in known}
        self._now = now
        self._changes: dict[str, list[tuple[float, float]]] = {quota.name: [] for quota in known}
        self.deciding = threading.RLock()
        """Held from the look at what is in use until the request's instances count as used."""
        for name, value in (values or {}).items():
            self.set(name, value, now())

    def keep(self) -> dict[str, list[tuple[float, float]]]:
        """For a later run: every quota's values with the time since which each counts."""
        return self._changes

    def restore(self, kept: dict[str, list[tuple[float, float]]]) -> None:
        """What this run's settings say comes after what was before."""
        for name, changes in kept.items():
            self._changes[name] = [*changes, *self._changes.get(name, [])]

    def published(self) -> list[Quota]:
        """What Service Quotas lists, by name."""
        return sorted((quota for quota in self._quotas.values() if quota.published), key=lambda quota: quota.name)

    def by_code(self, code: str) -> Quota:
        found = next((quota for quota in self.published() if quota.code == code), None)
        if found is None:
            raise UnknownQuotaError(f"SageMaker has no quota with the code {code!r}.")
        return found

    def value(self, name: str) -> float:
        if name not in self._quotas:
            raise UnknownQuotaError(f"SageMaker has no quota called {name!r}.")
        now = self._now()
        applied = [value for since, value in self._changes[name] if since <= now]
        return applied[-1] if applied else self._quotas[name].default

    def set(self, name: str, value: float, since: float) -> None:
        """Apply another value from that AWS second on; what is in use already stays."""
        self.value(name)
        self._changes[name].append((since, value))

    def check_instances(self, used: Counter[str], demands: Sequence[Demand]) -> None:
        """Raise unless the account may have these instances beside those in use.

        Args:
            used: instances in use, by type.

        Raises:
            AwsError: ResourceLimitExceeded.
        """
        fixed: Counter[str] = Counter()
        for demand in demands:
            if len(demand.types) == 1:
                fixed[demand.types[0]] += demand.count
        for instance_type, count in fixed.items():
            self._check(of_type(instance_type), used[instance_type], count, "Instances")
        self._check_pools(used + fixed, [demand for demand in demands if len(demand.types) > 1])
        self._check(ACTIVE_INSTANCES, used.total(), sum(demand.count for demand in demands), "Instances")

    def check_endpoint(self, instances: int) -> None:
        """Raise unless one endpoint may have so many instances, green ones included."""
        self._check(INSTANCES_OF_AN_ENDPOINT, 0, instances, "Instances")

    def check_count(self, name: str, used: int) -> None:
        """Raise unless there may be one more of `ENDPOINTS` or `ENDPOINT_CONFIGS`."""
        self._check(name, used, 1, name)

    def _check_pools(self, used: Counter[str], demands: Iterable[Demand]) -> None:
        # Which pool gives is known when AWS provisions, so that a request needs room in its pools together.
        for demand in demands:
            room = sum(max(0.0, self.value(of_type(name)) - used[name]) for name in demand.types)
            if demand.count > room:
                self._check(of_type(demand.types[0]), used[demand.types[0]], demand.count, "Instances")

    def _check(self, name: str, used: int, delta: int, unit: str) -> None:
        value = self.value(name)
        if used + delta > value and delta > 0:
            raise AwsError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{name}' is {value:g} {unit}, with current utilization of {used} "
                f"{unit} and a request delta of {delta} {unit}. Please use AWS Service Quotas to request an increase "
                "for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase "
                "for this quota.",
            )


def of_type(instance_type: str) -> str:
    return f"{instance_type} for endpoint usage"


def _instance_types() -> list[str]:
    shape = service_model("sagemaker").shape_for("ProductionVariantInstanceType")
    return list(shape.enum) if isinstance(shape, StringShape) else []


class Usage:
    """What endpoints use of the account's instances: what runs, what is still to come up, what an operation adds."""

    def __init__(self) -> None:
        self._operations: dict[str, _Operation] = {}

    def begin(self, endpoint: Endpoint, demands: Sequence[Demand]) -> None:
        """Count what an operation adds until it is over: an update its new fleet or its batch, a growth its end."""
        added, before = _by_first_type(demands), _settled(endpoint.fleets())
        self._operations[endpoint.name] = _Operation(endpoint.pending, endpoint.modified, added, before)

    def of(self, endpoints: Iterable[Endpoint]) -> Counter[str]:
        return sum((self._of_one(endpoint) for endpoint in endpoints), Counter())

    def _of_one(self, endpoint: Endpoint) -> Counter[str]:
        with endpoint.lock:
            if endpoint.status in _ENDED:
                return _running(endpoint.fleets())
            used = _settled(endpoint.fleets())
            operation = self._operations.get(endpoint.name)
            if operation is None:
                return used
            if pending := operation.pending:
                fleets = (pending.fleet,) if pending.fleet and pending.fleet not in endpoint.fleets() else ()
                return used + (operation.added | _running(fleets)) if endpoint.pending is pending else used
            return used | (operation.before + operation.added) if endpoint.modified == operation.since else used


@dataclass(frozen=True)
class _Operation:
    pending: PendingDeployment | None
    """None while it scales."""
    since: datetime
    added: Counter[str]
    before: Counter[str]


def _settled(fleets: Iterable[Fleet]) -> Counter[str]:
    """Instances by type: those that run and, of the type that comes first, those that a variant still wants."""
    fleets = list(fleets)
    used = _running(fleets)
    for variant in (variant for fleet in fleets for variant in fleet.variants.values()):
        used[variant.spec.instance_type] += max(0, variant.desired - len(variant.instances))
    return used


def _running(fleets: Iterable[Fleet]) -> Counter[str]:
    variants = [variant for fleet in fleets for variant in fleet.variants.values()]
    return Counter(instance.variant.instance_type for variant in variants for instance in list(variant.instances))


def _by_first_type(demands: Iterable[Demand]) -> Counter[str]:
    added: Counter[str] = Counter()
    for demand in demands:
        added[demand.types[0]] += demand.count
    return added


def demands_of(specs: Iterable[VariantSpec], at_once: Counts | None = None) -> list[Demand]:
    """What these variants ask of the account.

    Args:
        at_once: instances of each variant that come up together, where that is not all of them.
    """
    return [Demand(_types(spec), at_once[spec.name] if at_once else spec.instance_count) for spec in specs]


def _types(spec: VariantSpec) -> tuple[str, ...]:
    return tuple(pool.instance_type for pool in spec.pools) or (spec.instance_type,)
