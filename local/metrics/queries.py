"""MetricDataQueries: metrics and expressions over them, as alarms and GetMetricData ask for them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.metrics.expressions import ExpressionError, names_in, parse
from local.metrics.math_functions import Scope, Value, compute
from local.metrics.samples import check_statistic
from local.metrics.store import MetricId, MetricStore, Series, Window

MAX_QUERIES = 500
MAX_ALARM_METRICS = 10
"""As many metrics an alarm's expression may use: "Alarms on math expressions" in the CloudWatch User Guide."""
_ID = re.compile(r"[a-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Query:
    """One MetricDataQuery: a metric's statistic, or an expression over the others."""

    id: str
    label: str | None = None
    return_data: bool = True
    expression: str | None = None
    metric: MetricId | None = None
    stat: str = "Average"
    unit: str | None = None
    period_s: int | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Query":
        """From a request's MetricDataQuery.

        Raises:
            ExpressionError: neither MetricStat nor Expression, or a statistic that is not computed here.
        """
        shared = {
            "id": request["Id"],
            "label": request.get("Label"),
            "return_data": request.get("ReturnData", True) is not False,
        }
        if "Expression" in request:
            return cls(**shared, expression=request["Expression"], period_s=request.get("Period"))
        if "MetricStat" not in request:
            raise ExpressionError(f"query {request['Id']} has neither a MetricStat nor an Expression")
        asked = request["MetricStat"]
        metric = asked["Metric"]
        try:
            check_statistic(asked["Stat"])
        except ValueError as error:
            raise ExpressionError(str(error)) from error
        return cls(
            **shared,
            metric=MetricId.of(metric["Namespace"], metric["MetricName"], metric.get("Dimensions", [])),
            stat=asked["Stat"],
            unit=asked.get("Unit"),
            period_s=int(asked["Period"]),
        )


def queries_of(requests: Sequence[Mapping[str, Any]]) -> list[Query]:
    """The queries of one request.

    Source: `MetricDataQuery` and GetMetricData in the CloudWatch API Reference.

    Raises:
        ExpressionError: too many, one that cannot be read, or an Id that is not one or not the only one of its name.
    """
    if len(requests) > MAX_QUERIES:
        raise ExpressionError(f"{len(requests)} queries are too many; the limit is {MAX_QUERIES}")
    queries = [Query.of(request) for request in requests]
    for name, count in Counter(query.id for query in queries).items():
        if not _ID.fullmatch(name):
            raise ExpressionError(f"the Id {name} must be letters, digits and _, and begin with a small letter")
        if count > 1:
            raise ExpressionError(f"the Id {name} is given {count} times; every query needs its own")
    return queries


def period_of(queries: Iterable[Query]) -> int:
    """The one period that all metrics of the queries share, in seconds.

    Raises:
        ExpressionError: there is no metric, or they differ in their periods.
    """
    periods = {query.period_s for query in queries if query.metric and query.period_s}
    if len(periods) != 1:
        said = ", ".join(f"{period} s" for period in sorted(periods)) or "none"
        raise ExpressionError(f"the metrics of an expression must share one period; these have: {said}")
    return periods.pop()


def evaluate(store: MetricStore, queries: Sequence[Query], window: Window) -> dict[str, Value]:
    """Every query's value by its Id.

    Raises:
        ExpressionError: an expression that cannot be computed, or that refers to itself.
    """
    metrics = {
        query.id: store.series(query.metric, window, query.stat, query.unit) for query in queries if query.metric
    }
    values: dict[str, Value] = dict(metrics)
    waiting = {query.id: parse(query.expression) for query in queries if query.expression is not None}
    while waiting:
        ready = [name for name, node in waiting.items() if not names_in(node) & set(waiting)]
        if not ready:
            raise ExpressionError(f"the expressions {', '.join(sorted(waiting))} refer to each other in a circle")
        for name in ready:
            scope = Scope(values, metrics, window.period_s, window.count)
            values[name] = compute(waiting.pop(name), scope)
    return values


def line(value: Value, query_id: str) -> Series:
    """The one time series that a query must give.

    Raises:
        ExpressionError: it gives a number, or several series.
    """
    if not isinstance(value, tuple):
        kind = f"an array of {len(value)} time series" if isinstance(value, list) else "a number"
        raise ExpressionError(f"the result of {query_id} must be one time series, not {kind}")
    return value


def watched(queries: Sequence[Query]) -> Query:
    """The query that an alarm watches: the one whose ReturnData is true.

    Raises:
        ExpressionError: not exactly one is, they use too many metrics, or what they ask for cannot be computed.
    """
    asked = [query for query in queries if query.return_data]
    if len(asked) != 1:
        raise ExpressionError(f"exactly one of an alarm's queries must have ReturnData true; {len(asked)} have")
    if len([query for query in queries if query.metric]) > MAX_ALARM_METRICS:
        raise ExpressionError(f"an alarm's expression may use at most {MAX_ALARM_METRICS} metrics")
    trial = evaluate(MetricStore(), queries, Window(0.0, 60, 3))
    line(trial[asked[0].id], asked[0].id)
    period_of(queries)
    return asked[0]
