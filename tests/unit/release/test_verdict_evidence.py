"""What CloudWatch gives is enough for a verdict: GetMetricData of a bake, read and judged."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.metrics.reads import get_metric_data
from local.metrics.samples import Samples
from local.metrics.store import MetricId, MetricStore
from release.domain.evidence import Arm, Evidence, Point, Series
from release.domain.truth import Verdict
from release.domain.verdict import Rules, judge
from release.domain.verdict_statistics import Look

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERIOD_S, PERIODS = 10, 60
STATS = ("p50", "p90", "SampleCount")


def dimensions(config_name: str) -> list[dict[str, str]]:
    """SageMaker guide, "Auto-Rollback Configuration and Monitoring": metrics of one fleet carry its config's name."""
    named = {"EndpointName": "slipway-chat", "VariantName": "AllTraffic", "EndpointConfigName": config_name}
    return [{"Name": name, "Value": value} for name, value in named.items()]


def serve(store: MetricStore, config_name: str, each: int, slower: float = 1.0, error_every: int = 100) -> None:
    """`each` requests in every period of 10 s, of 800 ms and a log-normal spread, and one error in so many."""
    chance = random.Random(config_name)  # noqa: S311 - the same evidence each time
    for number in range(PERIODS * each):
        at_s = BEGIN.timestamp() + number * PERIOD_S / each
        values = {
            "Invocations": 1.0,
            "Invocation5XXErrors": float(number % error_every == 0),
            "Invocation4XXErrors": 0.0,
            "ModelLatency": 800_000 * slower * chance.lognormvariate(0, 0.4),
        }
        for name, value in values.items():
            metric = MetricId.of("AWS/SageMaker", name, dimensions(config_name))
            store.add(metric, at_s, Samples(Counter({value: 1})), unit=None, high_resolution=True)


def ask(store: MetricStore, config_name: str, name: str, stat: str, period_s: int) -> list[tuple[datetime, float]]:
    metric = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions(config_name)}
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": period_s, "Stat": stat}, "ReturnData": True}
    span = {"StartTime": BEGIN, "EndTime": BEGIN + timedelta(seconds=PERIOD_S * PERIODS)}
    request: dict[str, Any] = {"MetricDataQueries": [query], **span, "ScanBy": "TimestampAscending"}
    result = get_metric_data(store, request, BEGIN.timestamp() + 3600)["MetricDataResults"][0]
    return list(zip(result["Timestamps"], result["Values"], strict=True))


def arm(store: MetricStore, config_name: str) -> Arm:
    def total(name: str) -> int:
        return int(sum(value for _, value in ask(store, config_name, name, "Sum", 600)))

    p50, p90, counts = (ask(store, config_name, "ModelLatency", stat, PERIOD_S) for stat in STATS)
    requests = {at: int(count) for at, count in counts}
    series = tuple(
        Series(
            f"ModelLatency {name}",
            quantile,
            tuple(Point((at - BEGIN).total_seconds(), us / 1000, requests[at]) for at, us in points),
        )
        for name, quantile, points in (("p50", 0.5, p50), ("p90", 0.9, p90))
    )
    return Arm(total("Invocations"), total("Invocation5XXErrors"), total("Invocation4XXErrors"), latency=series)


@pytest.mark.parametrize(
    ("slower", "error_every", "verdict"),
    [
        pytest.param(1.0, 100, Verdict.PASSED, id="like blue"),
        pytest.param(1.3, 100, Verdict.FAILED, id="30 % slower"),
        pytest.param(1.0, 10, Verdict.FAILED, id="one error in ten"),
    ],
)
def test_a_bake_is_judged_by_what_get_metric_data_answers(slower: float, error_every: int, verdict: Verdict) -> None:
    store = MetricStore()
    serve(store, "blue", 54)
    serve(store, "green", 12, slower, error_every)
    green, blue = arm(store, "green"), arm(store, "blue")

    judgement = judge(Evidence(green, blue), Rules(), Look(1.0, 0.95))

    assert (green.requests, blue.requests) == (12 * PERIODS, 54 * PERIODS)
    assert [len(series.points) for series in green.latency] == [PERIODS, PERIODS]
    assert judgement.verdict is verdict, judgement.reason


def test_metrics_by_the_minute_are_too_few_points_for_ten_minutes() -> None:
    """Without enhanced metrics a bake of ten minutes has ten points, and silence is no pass."""
    points = tuple(Point(60 * number, 800, 60) for number in range(10))
    fleet = Arm(600, latency=(Series("ModelLatency p50", 0.5, points),))

    judgement = judge(Evidence(fleet, fleet), Rules(), Look(1.0))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "green has 9 points after 60 s of warm-up, 50 are needed" in judgement.reason
