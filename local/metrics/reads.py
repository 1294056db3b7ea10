"""What GetMetricData, GetMetricStatistics and ListMetrics answer.

Source: the "CloudWatch API Reference" of the three operations.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from local.metrics.expressions import ExpressionError, names_in, parse
from local.metrics.math_functions import Value
from local.metrics.queries import Query, evaluate, period_of, queries_of
from local.metrics.samples import Samples, check_statistic, percentile, statistic
from local.metrics.store import MetricId, MetricStore, Series, Window

MAX_STATISTICS_POINTS = 1440
MAX_DATA_POINTS = 100_800
_LIST_PAGE = 500
_RECENTLY_S = 3 * 3600
_DAY_S = 24 * 3600
_MINUTE_S = 60
# To how many seconds the start of a request is rounded down, by the most days that it may lie back.
_GRAINS = ((15.0, _MINUTE_S), (63.0, 300), (math.inf, 3600))
_FINE_PERIODS = (1, 5, 10, 20, 30)

Json = dict[str, Any]


class ReadError(Exception):
    """A request that CloudWatch refuses, with its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def epoch(moment: datetime) -> float:
    """Seconds; a moment without a time zone is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def get_metric_data(store: MetricStore, request: Mapping[str, Any], now_s: float) -> Json:
    """Raises ReadError: times the wrong way round, or a query that cannot be computed."""
    span = _span(request, "ValidationError")
    try:
        queries = queries_of(request["MetricDataQueries"])
        results = [
            result for query in queries if query.return_data for result in _results(store, query, queries, span, now_s)
        ]
    except ExpressionError as error:
        raise ReadError("ValidationError", str(error)) from error
    if request.get("ScanBy", "TimestampDescending") == "TimestampDescending":
        for result in results:
            result["Timestamps"].reverse()
            result["Values"].reverse()
    return _data_page(results, request)


def _span(request: Mapping[str, Any], code: str) -> tuple[float, float]:
    start_s, end_s = epoch(request["StartTime"]), epoch(request["EndTime"])
    if start_s >= end_s:
        raise ReadError(code, "The parameter StartTime must be less than the parameter EndTime.")
    return start_s, end_s


def _results(
    store: MetricStore, query: Query, queries: Sequence[Query], span: tuple[float, float], now_s: float
) -> list[Json]:
    used = _used(query, queries)
    period_s = period_of(used)
    _check_period(period_s)
    window = _window(span, period_s, now_s)
    value = evaluate(store, used, window)[query.id]
    default = f"{query.metric.name} {query.stat}" if query.metric else query.id
    return [_points(series, window, query.id, query.label or default) for series in _lines(value, query.id)]


def _used(query: Query, queries: Sequence[Query]) -> list[Query]:
    """The query and all that its expression names, directly or through others."""
    by_id = {one.id: one for one in queries}
    wanted, waiting = {query.id}, [query]
    while waiting:
        expression = waiting.pop().expression
        if expression is None:
            continue
        names = names_in(parse(expression)) & set(by_id)
        if "METRICS(" in expression:
            names |= {one.id for one in queries if one.metric}
        waiting += [by_id[name] for name in names - wanted]
        wanted |= names
    return [one for one in queries if one.id in wanted]


def _lines(value: Value, query_id: str) -> list[Series]:
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return [value]
    raise ExpressionError(f"the result of {query_id} is a number; it must be a time series")


def _points(series: Series, window: Window, query_id: str, label: str) -> Json:
    known = [(start, value) for start, value in zip(window.starts(), series, strict=True) if value is not None]
    return {
        "Id": query_id,
        "Label": label,
        "Timestamps": [_moment(start) for start, _ in known],
        "Values": [value for _, value in known],
        "StatusCode": "Complete",
    }


def _data_page(results: list[Json], request: Mapping[str, Any]) -> Json:
    """At most MaxDatapoints of all results; NextToken says how many have been given out. Results without a value are
    on the first page."""
    start = given = page_start(request, "InvalidNextToken")
    left = int(request.get("MaxDatapoints") or MAX_DATA_POINTS)
    page, skip, total = [], given, sum(len(result["Values"]) for result in results)
    for result in results:
        length = len(result["Values"])
        part = slice(min(skip, length), min(skip + left, length))
        taken = part.stop - part.start
        skip, left = max(0, skip - length), left - taken
        if taken or (not length and not start):
            part_of = {name: result[name][part] for name in ("Timestamps", "Values")}
            page.append(result | part_of | {"StatusCode": "Complete" if part.stop == length else "PartialData"})
        given += taken
    return {"MetricDataResults": page} | ({"NextToken": str(given)} if given < total else {})


def get_metric_statistics(store: MetricStore, request: Mapping[str, Any], now_s: float) -> Json:
    """Raises ReadError: no statistic, one that is not computed here, a period that does not exist, too many points."""
    span = _span(request, "InvalidParameterValue")
    simple, extended = request.get("Statistics", []), request.get("ExtendedStatistics", [])
    _check_statistics(simple, extended)
    period_s = int(request["Period"])
    _check_period(period_s)
    window = _window(span, period_s, now_s)
    if window.count > MAX_STATISTICS_POINTS:
        raise ReadError(
            "InvalidParameterCombination",
            f"You have requested up to {window.count} datapoints, which exceeds the limit of "
            f"{MAX_STATISTICS_POINTS}. You may reduce the datapoints requested by increasing Period, or decreasing "
            "the time range.",
        )
    metric = MetricId.of(request["Namespace"], request["MetricName"], request.get("Dimensions", []))
    units = [request["Unit"]] if request.get("Unit") else sorted(store.units(metric, window.start_s, window.end_s))
    points = [
        {"Timestamp": _moment(start), "Unit": unit, **point}
        for unit in units
        for start in window.starts()
        if (point := _statistics(store.samples(metric, start, start + period_s, unit), simple, extended))
    ]
    return {"Label": request["MetricName"], "Datapoints": points}


def _statistics(samples: Samples, simple: Sequence[str], extended: Sequence[str]) -> Json | None:
    """Of one period in one unit; None without samples."""
    if not samples.count:
        return None
    percentiles = {name: value for name in extended if (value := statistic(samples, name)) is not None}
    return {
        **{name: statistic(samples, name) for name in simple},
        **({"ExtendedStatistics": percentiles} if percentiles else {}),
    }


def _check_statistics(simple: Sequence[str], extended: Sequence[str]) -> None:
    if not simple and not extended:
        raise ReadError("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    for name in (*simple, *extended):
        try:
            check_statistic(name)
        except ValueError as error:
            raise ReadError("InvalidParameterValue", str(error)) from error
    if wrong := [name for name in extended if percentile(name) is None]:
        raise ReadError("InvalidParameterValue", f"The value {wrong[0]} for parameter ExtendedStatistics is invalid.")


def _check_period(period_s: int) -> None:
    if period_s not in _FINE_PERIODS and (period_s < _MINUTE_S or period_s % _MINUTE_S):
        raise ReadError(
            "InvalidParameterValue", f"Period {period_s} is not one of 1, 5, 10, 20, 30 or a multiple of 60 seconds."
        )


def _window(span: tuple[float, float], period_s: int, now_s: float) -> Window:
    """The periods of a request: its start is rounded down, the more the older it is."""
    start_s, end_s = span
    days = (now_s - start_s) / _DAY_S
    coarse = next(grain for oldest, grain in _GRAINS if days <= oldest)
    grain = period_s if period_s in _FINE_PERIODS else coarse
    rounded = math.floor(start_s / grain) * grain
    return Window(rounded, period_s, math.ceil((end_s - rounded) / period_s))


def list_metrics(store: MetricStore, request: Mapping[str, Any], now_s: float) -> Json:
    """Raises ReadError: a token that this service did not give out, or a RecentlyActive other than PT3H."""
    recently = request.get("RecentlyActive")
    if recently not in {None, "PT3H"}:
        raise ReadError("InvalidParameterValue", f"RecentlyActive must be PT3H, not {recently}.")
    found = [
        metric
        for metric, newest_s in store.metrics().items()
        if _is_asked(metric, request) and (recently is None or newest_s >= now_s - _RECENTLY_S)
    ]
    start = page_start(request)
    page = [_described(metric) for metric in found[start : start + _LIST_PAGE]]
    return {"Metrics": page} | ({"NextToken": str(start + _LIST_PAGE)} if len(found) > start + _LIST_PAGE else {})


def page_start(request: Mapping[str, Any], code: str = "InvalidParameterValue") -> int:
    """How many items a NextToken says were given out; raises ReadError for one that was not given out here."""
    token = str(request.get("NextToken") or 0)
    if not token.isdecimal():
        raise ReadError(code, "Request parameter NextToken is invalid")
    return int(token)


def _is_asked(metric: MetricId, request: Mapping[str, Any]) -> bool:
    known = dict(metric.dimensions)
    return (
        request.get("Namespace") in {None, metric.namespace}
        and request.get("MetricName") in {None, metric.name}
        and all(
            one["Name"] in known and one.get("Value") in {None, known[one["Name"]]}
            for one in request.get("Dimensions", [])
        )
    )


def _described(metric: MetricId) -> Json:
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions)],
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
