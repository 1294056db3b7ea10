"""What this moto's CloudWatch lacks; when one of these turns red, its patch can go."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

REGION = "us-east-1"
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def bare_moto() -> Iterator[None]:
    with mock_aws():
        yield


def test_moto_adds_up_metrics_with_more_dimensions_than_asked() -> None:
    cloudwatch = boto3.client("cloudwatch", region_name=REGION)
    dimensions: Any = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
    cloudwatch.put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Dimensions": dimensions, "Timestamp": NOW, "Value": 1}]
    )

    answer = cloudwatch.get_metric_statistics(
        Namespace="n",
        MetricName="m",
        Dimensions=dimensions[:1],
        StartTime=NOW - timedelta(hours=1),
        EndTime=NOW + timedelta(hours=1),
        Period=60,
        Statistics=["Sum"],
    )

    assert [point["Sum"] for point in answer["Datapoints"]] == [1]
