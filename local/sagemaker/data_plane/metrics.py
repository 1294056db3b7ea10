"""Endpoint metrics, published to CloudWatch in the background under the names that SageMaker uses.

Names, units and dimensions: "Amazon SageMaker AI metrics in Amazon CloudWatch" of SageMaker's guide. The same metrics
with the dimension EndpointConfigName: "Auto-Rollback Configuration and Monitoring". FirstChunkLatency, its parts and
MidStreamErrors belong to bidirectional streams, says "Metric name mapping", so nothing here has them.
"""

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.data_plane.instance_metrics import InstanceSampler
from local.sagemaker.fleets.instance import Instance
from local.sagemaker.registry import Registry
from local.world import World

NAMESPACE = "AWS/SageMaker"
INSTANCE_NAMESPACE = "/aws/sagemaker/Endpoints"
FLUSH_REAL_S = 0.2
CONCURRENCY_EVERY_S = 10.0
"""AWS seconds: ConcurrentRequestsPerModel is a high-resolution metric."""
INSTANCES_EVERY_S = 60.0
"""AWS seconds: "Metrics are available at a 1-minute frequency"."""
INSTANCES_AT_MOST_EVERY_REAL_S = 1.0
MAX_VALUES_PER_DATUM = 150
MAX_DATA_PER_CALL = 1000

Dimensions = tuple[tuple[str, str], ...]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Invocation:
    """One request that reached a variant."""

    endpoint: str
    variant: str
    config_name: str
    status: int
    """What the container answered; 0 when it did not."""
    model_us: int
    """Microseconds from the first byte to the container until its last byte back."""
    overhead_us: int
    """Microseconds that the service itself took."""
    at: datetime
    instances: int = 1
    """How many instances of the variant were active when the request came."""
    broken: bool = False
    """The answer did not arrive whole. In mid-stream this is no 5xx: the container had answered 200."""
    abandoned: bool = False
    """The client went away first, so nothing can be said of the model."""

    def values(self) -> dict[str, tuple[str, float]]:
        """Each metric's unit and value."""
        is_client_error = 400 <= self.status < 500  # noqa: PLR2004 - HTTP's classes
        is_ok = self.abandoned or 200 <= self.status < 300  # noqa: PLR2004 - HTTP's classes
        return {
            "Invocations": ("None", 1),
            "InvocationsPerInstance": ("None", 1 / max(1, self.instances)),
            "Invocation4XXErrors": ("None", int(is_client_error)),
            "Invocation5XXErrors": ("None", int(not is_ok and not is_client_error)),
            "InvocationModelErrors": ("None", int(self.broken or not is_ok)),
            "ModelLatency": ("Microseconds", self.model_us),
            "OverheadLatency": ("Microseconds", self.overhead_us),
        }

    def dimensions(self) -> tuple[Dimensions, ...]:
        by_variant = (("EndpointName", self.endpoint), ("VariantName", self.variant))
        return by_variant, (*by_variant, ("EndpointConfigName", self.config_name))


Key = tuple[str, str, Dimensions, datetime]


def metric_data(invocations: list[Invocation]) -> list[dict[str, Any]]:
    """The invocations as MetricData, equal values counted together."""
    counted: defaultdict[Key, Counter[float]] = defaultdict(Counter)
    for invocation in invocations:
        second = invocation.at.replace(microsecond=0)
        for name, (unit, value) in invocation.values().items():
            for dimensions in invocation.dimensions():
                counted[name, unit, dimensions, second][value] += 1
    return [
        _datum(name, unit, dimensions, second, part)
        for (name, unit, dimensions, second), counts in counted.items()
        for part in _parts(sorted(counts.items()))
    ]


def _parts(values: list[tuple[float, int]]) -> list[list[tuple[float, int]]]:
    return [values[start : start + MAX_VALUES_PER_DATUM] for start in range(0, len(values), MAX_VALUES_PER_DATUM)]


def _datum(
    name: str, unit: str, dimensions: Dimensions, at: datetime, values: Iterable[tuple[float, int]]
) -> dict[str, Any]:
    pairs = list(values)
    return {
        "MetricName": name,
        "Unit": unit,
        "Timestamp": at,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
        "Values": [value for value, _ in pairs],
        "Counts": [count for _, count in pairs],
    }


def _variant_of(instance: Instance) -> Dimensions:
    return ("EndpointName", instance.endpoint), ("VariantName", instance.variant.name)


class Metrics:
    """Publishes what requests leave behind, and what instances are doing at each moment."""

    def __init__(self, world: World, registry: Registry) -> None:
        self._world = world
        self._registry = registry
        self._sampler = InstanceSampler()
        self._lock = threading.Lock()
        self._waiting: list[Invocation] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._publish_until_stopped, name="sagemaker-metrics", daemon=True)
        self._thread.start()

    def record(self, invocation: Invocation) -> None:
        with self._lock:
            self._waiting.append(invocation)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _publish_until_stopped(self) -> None:
        clock = self._world.clock
        instances_every_s = max(INSTANCES_EVERY_S, INSTANCES_AT_MOST_EVERY_REAL_S * clock.scale)
        concurrency_due, instances_due = clock.time() + CONCURRENCY_EVERY_S, clock.time() + instances_every_s
        while not self._stopping.wait(FLUSH_REAL_S):
            with self._lock:
                invocations, self._waiting = self._waiting, []
            self._publish(NAMESPACE, metric_data(invocations))
            now = clock.time()
            if now >= concurrency_due:
                concurrency_due = now + CONCURRENCY_EVERY_S
                self._publish(NAMESPACE, self._concurrency())
            if now >= instances_due:
                instances_due = now + instances_every_s
                self._publish(INSTANCE_NAMESPACE, self._instances())

    def _concurrency(self) -> list[dict[str, Any]]:
        """The most requests that each instance had at once; of an instance without any there is nothing to say."""
        now = self._world.clock.now()
        peaks: defaultdict[Dimensions, Counter[float]] = defaultdict(Counter)
        for instance in self._serving():
            if peak := instance.take_peak():
                peaks[_variant_of(instance)][peak] += 1
        return [
            {**_datum("ConcurrentRequestsPerModel", "None", dimensions, now, counts.items()), "StorageResolution": 1}
            for dimensions, counts in peaks.items()
        ]

    def _instances(self) -> list[dict[str, Any]]:
        now = self._world.clock.now()
        return [
            _datum(name, "Percent", _variant_of(instance), now, [(value, 1)])
            for instance, values in self._sampler.sample(self._serving())
            for name, value in values.items()
        ]

    def _serving(self) -> list[Instance]:
        fleets = {share.fleet for endpoint in self._registry.endpoints.all() for share in endpoint.traffic}
        return [i for fleet in fleets for variant in fleet.variants.values() for i in list(variant.instances)]

    def _publish(self, namespace: str, data: list[dict[str, Any]]) -> None:
        for start in range(0, len(data), MAX_DATA_PER_CALL):
            try:
                cloudwatch = self._world.client("cloudwatch")
                cloudwatch.put_metric_data(Namespace=namespace, MetricData=data[start : start + MAX_DATA_PER_CALL])
            except (ClientError, BotoCoreError) as error:
                logger.warning("%d endpoint metrics were not published: %s", len(data) - start, error)
                return
