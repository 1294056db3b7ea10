"""GetMetricData, GetMetricStatistics and ListMetrics, held to their pages of the CloudWatch API Reference."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.alarms import AlarmEvaluator
from local.moto_patches.patching import Patches
from local.world import World

PutAt = Callable[..., None]


@pytest.fixture
def cloudwatch(world: World, patches: Patches) -> Any:
    AlarmEvaluator(world, lambda *_: None).install(patches)
    return world.client("cloudwatch")


@pytest.fixture
def start(world: World) -> datetime:
    """A whole hour, about two hours ago."""
    hour_s = (world.clock.time() // 3600 - 2) * 3600
    return datetime.fromtimestamp(hour_s, UTC)


@pytest.fixture
def put(cloudwatch: Any, start: datetime) -> PutAt:
    def put(name: str, at_s: float, value: float, **datum: Any) -> None:
        at = start + timedelta(seconds=at_s)
        cloudwatch.put_metric_data(
            Namespace="n", MetricData=[{"MetricName": name, "Timestamp": at, "Value": value} | datum]
        )

    return put


def query(name: str, period_s: int = 60, stat: str = "Sum") -> dict[str, Any]:
    metric = {"Namespace": "n", "MetricName": name}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period_s, "Stat": stat}}


def values(cloudwatch: Any, start: datetime, length_s: float, *queries: Any, **asked: Any) -> dict[str, list[float]]:
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=start, EndTime=start + timedelta(seconds=length_s), **asked
    )
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


def test_an_expression_is_computed_over_the_metrics_that_it_names(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    for minute, (errors, requests) in enumerate([(1, 10), (2, 10), (0, 5)]):
        put("errors", minute * 60, errors)
        put("requests", minute * 60, requests)

    found = values(
        cloudwatch,
        start,
        180,
        {**query("errors"), "ReturnData": False},
        {**query("requests"), "ReturnData": False},
        {"Id": "rate", "Expression": "100 * errors / requests"},
        {"Id": "twice", "Expression": "rate * 2"},
        ScanBy="TimestampAscending",
    )

    assert found == {"rate": [10, 20, 0], "twice": [20, 40, 0]}


def test_the_newest_point_comes_first_unless_told_otherwise(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    put("m", 0, 1)
    put("m", 60, 2)

    assert values(cloudwatch, start, 120, query("m")) == {"m": [2, 1]}


def test_percentiles_and_fine_periods(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    for second in range(20):
        put("m", second, second, StorageResolution=1)

    assert values(cloudwatch, start, 20, query("m", 10, "p50"), ScanBy="TimestampAscending") == {"m": [4.5, 14.5]}
    assert values(cloudwatch, start, 20, query("m", 10, "SampleCount")) == {"m": [10, 10]}


def test_the_start_is_rounded_down_to_the_minute(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    """ "12:32:34 is rounded down to 12:32:00"."""
    put("m", 0, 1)

    assert values(cloudwatch, start + timedelta(seconds=34), 60, query("m")) == {"m": [1]}


def test_points_come_in_pages_of_max_datapoints(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    for minute in range(5):
        put("m", minute * 60, minute)
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query("m")],
        StartTime=start,
        EndTime=start + timedelta(seconds=300),
        ScanBy="TimestampAscending",
        MaxDatapoints=2,
    )
    found = [(result["Values"], result["StatusCode"]) for page in pages for result in page["MetricDataResults"]]

    assert found == [([0, 1], "PartialData"), ([2, 3], "PartialData"), ([4], "Complete")]


def test_every_query_has_a_result_even_one_without_data(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    """The example response of GetMetricData has a result for each query; its `Values` may be empty."""
    put("full", 0, 1)

    found = values(cloudwatch, start, 60, query("full"), query("none"), query("other"))

    assert found == {"full": [1], "none": [], "other": []}


@pytest.mark.parametrize("operation", ["describe_alarms", "describe_alarm_history", "get_metric_data"])
def test_a_token_that_was_not_given_out_is_refused(cloudwatch: Any, start: datetime, operation: str) -> None:
    """InvalidNextToken is among the errors of each in botocore's model."""
    span = {"StartTime": start, "EndTime": start + timedelta(minutes=1)}
    asked = {"MetricDataQueries": [query("m")], **span} if operation == "get_metric_data" else {}

    with pytest.raises(cloudwatch.exceptions.InvalidNextToken):
        getattr(cloudwatch, operation)(NextToken="what", **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([{"Id": "e1", "Expression": "SORT(METRICS(), SUM, DESC)"}, query("m")], "SORT is not computed here|no Id"),
        ([{"Id": "e1", "Expression": "nobody + m"}, query("m")], "nobody is no Id"),
        ([query("m", 7)], "Period 7 is not one of"),
        ([query("m", 60, "tm99")], "statistic tm99 is not computed"),
        # `Id` of MetricDataQuery: "must be unique within a single call", "first character must be a lowercase letter"
        ([query("m"), query("m")], "Id m is given 2 times"),
        ([query("M")], "Id M must be letters"),
        # "A single GetMetricData call can include as many as 500 MetricDataQuery structures."
        ([query(f"m{number}") for number in range(501)], "501 queries are too many; the limit is 500"),
    ],
)
def test_what_cannot_be_read_is_refused(
    cloudwatch: Any, start: datetime, asked: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(ClientError, match=said):
        values(cloudwatch, start, 60, *asked)


def test_statistics_of_each_unit_are_apart(cloudwatch: Any, put: PutAt, start: datetime) -> None:
    put("m", 0, 1, Unit="Seconds")
    put("m", 1, 3, Unit="Seconds")
    put("m", 2, 7000, Unit="Milliseconds")

    points = cloudwatch.get_metric_statistics(
        Namespace="n",
        MetricName="m",
        StartTime=start,
        EndTime=start + timedelta(minutes=5),
        Period=300,
        Statistics=["Average", "SampleCount"],
        ExtendedStatistics=["p100"],
    )["Datapoints"]

    assert {(point["Unit"], point["Average"], point["SampleCount"]) for point in points} == {
        ("Seconds", 2, 2),
        ("Milliseconds", 7000, 1),
    }
    assert {point["ExtendedStatistics"]["p100"] for point in points} == {3, 7000}
    assert {point["Timestamp"] for point in points} == {start}


def test_more_than_1440_points_are_refused(cloudwatch: Any, start: datetime) -> None:
    with pytest.raises(ClientError, match="up to 1441 datapoints, which exceeds the limit of 1440"):
        cloudwatch.get_metric_statistics(
            Namespace="n",
            MetricName="m",
            StartTime=start,
            EndTime=start + timedelta(minutes=1441),
            Period=60,
            Statistics=["Sum"],
        )


def test_metrics_are_listed_once_each_and_by_their_dimensions(world: World, cloudwatch: Any, put: PutAt) -> None:
    dimensions = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
    put("old", -4 * 3600, 1)
    for _ in range(2):
        put("m", 0, 1, Dimensions=dimensions)
    recent = cloudwatch.list_metrics(Namespace="n", RecentlyActive="PT3H")["Metrics"]

    assert recent == [{"Namespace": "n", "MetricName": "m", "Dimensions": dimensions}]
    assert len(cloudwatch.list_metrics(Namespace="n")["Metrics"]) == 2
    assert len(cloudwatch.list_metrics(Dimensions=[{"Name": "a"}])["Metrics"]) == 1
    assert cloudwatch.list_metrics(Dimensions=[{"Name": "a", "Value": "2"}])["Metrics"] == []
