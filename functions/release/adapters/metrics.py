"""A rollout's own metrics on CloudWatch: its judge's heartbeat and the wish to abort it.

Both are high-resolution metrics, so that the alarms on them can look every ten seconds.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from release.adapters.aws import translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

    from release.ports import Clock

NAMESPACE = "Slipway"
HEARTBEAT, ABORT = "JudgeHeartbeat", "AbortRequested"
DIMENSION = "Rollout"
FINE_PERIOD_S = 10
_SEEDED_PERIODS = 3
"""A period is evaluated some seconds after its end; one of the last three is the newest that an alarm looks at."""


class CloudWatchMetrics:
    def __init__(self, client: "CloudWatchClient", now: "Clock") -> None:
        self._client = client
        self._now = now

    def beat(self, rollout_id: str) -> None:
        self._put(rollout_id, [_datum(rollout_id, HEARTBEAT, 1)])

    def seed(self, rollout_id: str) -> None:
        now = self._now()
        instants = [now - timedelta(seconds=FINE_PERIOD_S * number) for number in range(_SEEDED_PERIODS)]
        beats = [_datum(rollout_id, HEARTBEAT, 1, at) for at in instants]
        self._put(rollout_id, [*beats, *(_datum(rollout_id, ABORT, 0, at) for at in instants)])

    def request_abort(self, rollout_id: str) -> None:
        self._put(rollout_id, [_datum(rollout_id, ABORT, 1)])

    def _put(self, rollout_id: str, data: "Sequence[MetricDatumTypeDef]") -> None:
        with translated(f"publishing metrics of rollout {rollout_id}"):
            self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data)


def _datum(rollout_id: str, name: str, value: float, at: "datetime | None" = None) -> "MetricDatumTypeDef":
    datum: MetricDatumTypeDef = {
        "MetricName": name,
        "Dimensions": [{"Name": DIMENSION, "Value": rollout_id}],
        "Value": value,
        "StorageResolution": 1,
    }
    return {**datum, "Timestamp": at} if at else datum
