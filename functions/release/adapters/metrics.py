"""A rollout's own metrics on CloudWatch: its judge's heartbeat and the wish to abort it.

Both are high-resolution metrics, so that the alarms on them can look every ten seconds.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from release.adapters.aws import translated
from release.domain.evidence import Arm, Point, Series
from release.domain.names import VARIANT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricDatumTypeDef

    from release.ports import Clock, Window

NAMESPACE = "Slipway"
HEARTBEAT, ABORT = "JudgeHeartbeat", "AbortRequested"
DIMENSION = "Rollout"
FINE_PERIOD_S = 10
_ASKED = {
    "requests": ("Invocations", "Sum"),
    "server": ("Invocation5XXErrors", "Sum"),
    "client": ("Invocation4XXErrors", "Sum"),
    "p50": ("ModelLatency", "p50"),
    "p90": ("ModelLatency", "p90"),
    "answers": ("ModelLatency", "SampleCount"),
}
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

    def measured(self, endpoint_name: str, config_name: str, window: "Window") -> Arm:
        fleet = {"EndpointName": endpoint_name, "VariantName": VARIANT, "EndpointConfigName": config_name}
        queries = [_query(fleet, window.period_s, name) for name in _ASKED]
        found: dict[str, list[tuple[float, float]]] = {}
        with translated(f"reading the metrics of {config_name}"):
            pages = self._client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries, StartTime=window.since, EndTime=window.until, ScanBy="TimestampAscending"
            )
            for result in (result for page in pages for result in page["MetricDataResults"]):
                at_s = [(at - window.since).total_seconds() for at in result["Timestamps"]]
                found.setdefault(result["Id"], []).extend(zip(at_s, result["Values"], strict=True))
        return _arm(found)

    def _put(self, rollout_id: str, data: "Sequence[MetricDatumTypeDef]") -> None:
        with translated(f"publishing metrics of rollout {rollout_id}"):
            self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data)


def _query(fleet: "Mapping[str, str]", period_s: int, name: str) -> "MetricDataQueryTypeDef":
    metric, stat = _ASKED[name]
    asked: Any = {
        "Namespace": "AWS/SageMaker",
        "MetricName": metric,
        "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in fleet.items()],
    }
    return {"Id": name, "MetricStat": {"Metric": asked, "Period": period_s, "Stat": stat}}


def _arm(found: "Mapping[str, list[tuple[float, float]]]") -> Arm:
    """ModelLatency comes in microseconds."""
    counts = dict(found.get("answers", []))
    latency = [
        Series(
            f"ModelLatency {name}",
            quantile,
            tuple(Point(at_s, us / 1000, int(counts.get(at_s, 0))) for at_s, us in found.get(name, [])),
        )
        for name, quantile in (("p50", 0.5), ("p90", 0.9))
    ]
    sums = {name: int(sum(value for _, value in points)) for name, points in found.items()}
    requests, server, client = (sums.get(name, 0) for name in ("requests", "server", "client"))
    return Arm(requests, server, client, latency=tuple(series for series in latency if series.points))


def _datum(rollout_id: str, name: str, value: float, at: "datetime | None" = None) -> "MetricDatumTypeDef":
    datum: MetricDatumTypeDef = {
        "MetricName": name,
        "Dimensions": [{"Name": DIMENSION, "Value": rollout_id}],
        "Value": value,
        "StorageResolution": 1,
    }
    return {**datum, "Timestamp": at} if at else datum
