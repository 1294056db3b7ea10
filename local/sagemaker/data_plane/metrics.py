"""Endpoint metrics, published to CloudWatch in the background under the names that SageMaker uses."""

import logging
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.world import World

NAMESPACE = "AWS/SageMaker"
FLUSH_REAL_S = 0.5
MAX_VALUES_PER_DATUM = 150
MAX_DATA_PER_CALL = 1000

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
    broken: bool = False
    """The answer did not arrive whole. In mid-stream this is no 5xx: the container had answered 200."""

    def values(self) -> dict[str, tuple[str, float]]:
        """Each metric's unit and value."""
        is_client_error = 400 <= self.status < 500  # noqa: PLR2004 - HTTP's classes
        is_ok = 200 <= self.status < 300  # noqa: PLR2004 - HTTP's classes
        return {
            "Invocations": ("Count", 1),
            "Invocation4XXErrors": ("Count", int(is_client_error)),
            "Invocation5XXErrors": ("Count", int(not is_ok and not is_client_error)),
            "InvocationModelErrors": ("Count", int(self.broken or not is_ok)),
            "ModelLatency": ("Microseconds", self.model_us),
            "OverheadLatency": ("Microseconds", self.overhead_us),
        }

    def dimensions(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        by_variant = (("EndpointName", self.endpoint), ("VariantName", self.variant))
        return by_variant, (*by_variant, ("EndpointConfigName", self.config_name))


Key = tuple[str, str, tuple[tuple[str, str], ...], datetime]


def metric_data(invocations: list[Invocation]) -> list[dict[str, Any]]:
    """The invocations as MetricData, equal values counted together."""
    counted: defaultdict[Key, Counter[float]] = defaultdict(Counter)
    for invocation in invocations:
        second = invocation.at.replace(microsecond=0)
        for name, (unit, value) in invocation.values().items():
            for dimensions in invocation.dimensions():
                counted[name, unit, dimensions, second][value] += 1
    return [
        {
            "MetricName": name,
            "Unit": unit,
            "Timestamp": second,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
            "Values": [value for value, _ in part],
            "Counts": [count for _, count in part],
        }
        for (name, unit, dimensions, second), counts in counted.items()
        for part in _parts(sorted(counts.items()))
    ]


def _parts(values: list[tuple[float, int]]) -> list[list[tuple[float, int]]]:
    return [values[start : start + MAX_VALUES_PER_DATUM] for start in range(0, len(values), MAX_VALUES_PER_DATUM)]


class Metrics:
    def __init__(self, world: World) -> None:
        self._world = world
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
        cloudwatch: Any = None
        while not self._stopping.wait(FLUSH_REAL_S):
            with self._lock:
                invocations, self._waiting = self._waiting, []
            if invocations:
                cloudwatch = cloudwatch or self._world.client("cloudwatch")
                self._publish(cloudwatch, metric_data(invocations))

    @staticmethod
    def _publish(cloudwatch: Any, data: list[dict[str, Any]]) -> None:
        for start in range(0, len(data), MAX_DATA_PER_CALL):
            try:
                cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + MAX_DATA_PER_CALL])
            except (ClientError, BotoCoreError) as error:
                logger.warning("%d endpoint metrics were not published: %s", len(data) - start, error)
                return
