"""Metrics in log lines, held to the example and the limits of "Specification: Embedded metric format"."""

import json
from typing import Any

import pytest

from local.metrics.embedded import metrics_of

# The example of the specification.
EXAMPLE: dict[str, Any] = {
    "_aws": {
        "Timestamp": 1574109732004,
        "CloudWatchMetrics": [
            {
                "Namespace": "lambda-function-metrics",
                "Dimensions": [["functionVersion"]],
                "Metrics": [{"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}],
            }
        ],
    },
    "functionVersion": "$LATEST",
    "time": 100,
    "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee",
}
WRITTEN_S = 1574109732.004


def test_the_specifications_example_is_one_metric() -> None:
    assert metrics_of(json.dumps(EXAMPLE), WRITTEN_S) == [
        (
            "lambda-function-metrics",
            [
                {
                    "MetricName": "time",
                    "Dimensions": [{"Name": "functionVersion", "Value": "$LATEST"}],
                    "Values": [100.0],
                    "Unit": "Milliseconds",
                    "StorageResolution": 60,
                    "AgeSeconds": 0.0,
                }
            ],
        )
    ]


def test_each_set_of_dimensions_is_a_metric_of_its_own() -> None:
    document = json.loads(json.dumps(EXAMPLE))
    document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] = [["functionVersion"], ["functionVersion", "requestId"], []]

    [(_, data)] = metrics_of(json.dumps(document), WRITTEN_S)

    assert [len(datum["Dimensions"]) for datum in data] == [1, 2, 0]


def test_a_document_that_waited_says_how_long() -> None:
    [(_, [datum])] = metrics_of(json.dumps(EXAMPLE), WRITTEN_S + 2)

    assert datum["AgeSeconds"] == pytest.approx(2)


def test_lambdas_words_before_the_document_do_not_hide_it() -> None:
    assert metrics_of(f"2019-11-18T20:42:12.004Z abc INFO {json.dumps(EXAMPLE)}", WRITTEN_S)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"time": "fast"}, id="a value that is a text"),
        pytest.param({"time": list(range(101))}, id="101 values"),
        pytest.param({"functionVersion": 7}, id="a dimension that is a number"),
        pytest.param({"_aws": {"CloudWatchMetrics": [], "Nothing": 1}}, id="no time"),
    ],
)
def test_a_document_that_breaks_the_specification_gives_nothing(change: dict[str, Any]) -> None:
    assert metrics_of(json.dumps({**EXAMPLE, **change}), WRITTEN_S) == []


@pytest.mark.parametrize("line", ["", "START RequestId: 1", '{"_aws": broken', '{"message": "_aws CloudWatchMetrics"}'])
def test_any_other_line_gives_nothing(line: str) -> None:
    assert metrics_of(line, WRITTEN_S) == []
