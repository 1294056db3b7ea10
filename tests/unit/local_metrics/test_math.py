"""Metric math, held to the tables and sentences of "Metric math syntax and functions" in the CloudWatch User Guide."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.metrics.expressions import ExpressionError, parse
from local.metrics.math_functions import Scope, Value, compute
from local.metrics.queries import Query, watched
from local.metrics.store import Series

N = None


def computed(expression: str, /, **series: Series) -> Value:
    """Over periods of 60 s."""
    length = max((len(one) for one in series.values()), default=0)
    return compute(parse(expression), Scope(dict(series), series, 60, length))


# "Comparison and logical operators": metric1 is [30, 20, 0, 0] and metric2 is [20, -, 20, -].
@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("(metric1 < metric2)", (0, 0, 1, 0)),
        ("(metric1 >= 30)", (1, 0, 0, 0)),
        ("(metric1 > 15 AND metric2 > 15)", (1, 0, 0, 0)),
    ],
)
def test_comparisons_as_the_guide_draws_them(expression: str, output: Series) -> None:
    assert computed(expression, metric1=(30.0, 20.0, 0.0, 0.0), metric2=(20.0, N, 20.0, N)) == output


# "Using IF expressions": metric1 is [1, 1, 0, 0, -], metric2 [30, -, 0, 0, 30], metric3 [0, 0, 20, -, 20].
@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("IF(metric1, metric2, metric3)", (30, 0, 20, N, N)),
        ("IF(metric1, 5, metric3)", (5, 5, 20, N, N)),
        ("IF(metric1, metric2, 5)", (30, 0, 5, 5, N)),
        ("IF(metric1, metric2)", (30, 0, N, N, N)),
        ("IF(1, metric2, metric3)", (30, N, 0, 0, 30)),
        ("IF(0, metric2, metric3)", (0, 0, 20, N, 20)),
    ],
)
def test_if_as_the_guide_draws_it(expression: str, output: Series) -> None:
    series: dict[str, Series] = {
        "metric1": (1.0, 1.0, 0.0, 0.0, N),
        "metric2": (30.0, N, 0.0, 0.0, 30.0),
        "metric3": (0.0, 0.0, 20.0, N, 20.0),
    }

    assert computed(expression, **series) == output


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        pytest.param("errors / requests * 100", (50, N, N), id="a division by zero drops the data point"),
        pytest.param("errors + requests", (3, 4, N), id="a missing value counts as 0 beside one that is there"),
        pytest.param("errors * 2", (2, 8, N), id="a number adds no data points"),
        pytest.param("-errors", (-1, -4, N), id="the negative"),
        pytest.param("2 ^ 3 ^ 0 * errors", (2, 8, N), id="powers bind from the right"),
        pytest.param("(errors + 1) * 2 - 1", (3, 9, N), id="brackets before points before lines"),
        pytest.param("SUM([errors, requests])", (3, 4, N), id="the sum of an array is a series"),
        pytest.param("AVG([errors, requests])", (1.5, 2, N), id="the average of an array counts a gap as 0"),
        pytest.param("MAX([errors, requests])", (2, 4, N), id="the maximum of an array"),
        pytest.param("MIN([errors, requests])", (1, 0, N), id="the minimum of an array"),
        pytest.param("SUM(METRICS())", (3, 4, N), id="METRICS names every metric"),
        pytest.param('SUM(METRICS("err"))', (1, 4, N), id="METRICS by a part of the Id"),
        pytest.param("errors - AVG(errors)", (-1.5, 1.5, N), id="the average of one series is a number"),
        pytest.param("errors / PERIOD(errors)", (1 / 60, 4 / 60, N), id="PERIOD is in seconds"),
        pytest.param("FILL(errors, 0)", (1, 4, 0), id="FILL with a number"),
        pytest.param("FILL(errors, REPEAT)", (1, 4, 4), id="FILL with the newest value"),
        pytest.param("ABS(errors - 3)", (2, 1, N), id="ABS"),
        pytest.param("DIFF(errors)", (N, 3, N), id="DIFF has none for the first"),
        pytest.param("RATE(errors)", (N, 3 / 60, N), id="RATE is per second"),
        pytest.param("errors > 2 || errors < 2", (1, 1, N), id="or"),
    ],
)
def test_an_expression_over_errors_and_requests(expression: str, output: Series) -> None:
    found = computed(expression, errors=(1.0, 4.0, N), requests=(2.0, 0.0, N))

    assert isinstance(found, tuple)
    assert found == tuple(N if value is N else pytest.approx(value) for value in output)


def test_linear_fills_between_two_values_and_leaves_the_ends() -> None:
    assert computed("FILL(m, LINEAR)", m=(N, 2.0, N, N, 8.0, N)) == (N, 2, 4, 6, 8, N)


def test_a_rate_spans_the_gap_between_two_values() -> None:
    assert computed("RATE(m)", m=(0.0, N, 6.0)) == (N, N, 0.05)  # 6 in 120 s


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("ANOMALY_DETECTION_BAND(m, 2)", "function ANOMALY_DETECTION_BAND is not computed here"),
        ("RUNNING_SUM(m)", "function RUNNING_SUM is not computed here"),
        ("SEARCH('{n}', 'Sum', 60)", "SEARCH expressions are not computed here"),
        ("SELECT AVG(x) FROM y", "Metrics Insights queries are not computed here"),
        ("m +", "'a value' is expected"),
        ("(m", r"'\)' is expected"),
        ("m m", "'m' is not expected at the end"),
        ("unknown + m", "unknown is no Id of this request"),
        ("m ? 1", "is not metric math"),
        ("FILL(m)", "FILL takes 2 arguments"),
        ("PERIOD(m + 1)", "PERIOD takes the Id of a metric"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        computed(expression, m=(1.0,))


@given(st.recursive(st.integers(0, 9).map(str), lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
    lambda parts: f"({parts[0]}{parts[1]}{parts[2]})"
)))  # fmt: skip
def test_arithmetic_agrees_with_python(expression: str) -> None:
    found = computed(f"{expression} + 0 * m", m=(1.0,))

    assert isinstance(found, tuple)
    assert math.isclose(found[0] or 0.0, eval(expression))  # noqa: S307 - digits, brackets and three operators


def query(name: str, **asked: object) -> Query:
    return Query.of({"Id": name, "ReturnData": False, **asked})


METRIC = {"MetricStat": {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}}
SLOWER = {"MetricStat": {**METRIC["MetricStat"], "Period": 300}}


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        pytest.param([query("m1", **METRIC)], "exactly one", id="nothing is watched"),
        pytest.param(
            [query("m1", **METRIC), query("m2", **SLOWER), query("e", Expression="m1 + m2", ReturnData=True)],
            "must share one period; these have: 60 s, 300 s",
            id="two periods",
        ),
        pytest.param(
            [query(f"m{n}", **METRIC) for n in range(11)] + [query("e", Expression="m1", ReturnData=True)],
            "at most 10 metrics",
            id="eleven metrics",
        ),
        pytest.param(
            [query("m1", **METRIC), query("e", Expression="SUM([1])", ReturnData=True)], "time series", id="numbers"
        ),
        pytest.param(
            [query("m1", **METRIC), query("e", Expression="f", ReturnData=True), query("f", Expression="e")],
            "in a circle",
            id="a circle",
        ),
        pytest.param(
            [query("m1", **METRIC), query("e", Expression="[m1, m1]", ReturnData=True)],
            "must be one time series, not an array of 2",
            id="an array",
        ),
    ],
)
def test_an_alarm_watches_one_series_of_at_most_ten_metrics(queries: list[Query], said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        watched(queries)
