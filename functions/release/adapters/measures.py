"""Metrics of rollouts, written into the log in CloudWatch's embedded metric format: no call, no right, no waiting.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from datetime import datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from release.adapters.metrics import NAMESPACE
from release.domain.phases import has_ended

if TYPE_CHECKING:
    from release.contracts.table import RolloutItem
    from release.domain.phases import Phase
    from release.ports import Clock


class EmbeddedMeasures:
    def __init__(self, *, stack: str, now: "Clock") -> None:
        self._stack = stack
        self._now = now

    def phase_changed(self, rollout: "RolloutItem", phase: "Phase") -> None:
        """Say how long the phase before took and, at the end, how long the whole and how it came out.

        A phase that is only told again has not changed: a retried step counts nothing twice.
        """
        if rollout.phase is phase:
            return
        since = rollout.history[-1].at
        self._write(rollout, {"Phase": str(rollout.phase)}, {"PhaseSeconds": (MetricUnit.Seconds, self._age(since))})
        if has_ended(phase) and not has_ended(rollout.phase):
            whole = self._age(rollout.created_at)
            values = {"Rollouts": (MetricUnit.Count, 1.0), "RolloutSeconds": (MetricUnit.Seconds, whole)}
            self._write(rollout, {"Outcome": str(phase)}, values)

    def _age(self, at: str) -> float:
        return max(0.0, (self._now() - datetime.fromisoformat(at)).total_seconds())

    def _write(
        self, rollout: "RolloutItem", dimensions: dict[str, str], values: dict[str, tuple[MetricUnit, float]]
    ) -> None:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._stack)
        for name, value in {"Endpoint": rollout.endpoint, **dimensions}.items():
            metrics.add_dimension(name, value)
        for name, (unit, number) in values.items():
            metrics.add_metric(name, unit, number)
        # Beside the metrics, not among their dimensions: each release would be a metric of its own to pay for.
        metrics.add_metadata("correlation_id", rollout.release_id)
        metrics.add_metadata("rolloutId", rollout.rollout_id)
        metrics.flush_metrics()
