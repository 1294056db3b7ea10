"""Metric math: computing an expression over series that share their periods.

Source: "Metric math syntax and functions" and "Using IF expressions" in the CloudWatch User Guide. Where only one of
two series has a value the other counts as 0; a division by zero drops the data point.
"""

import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from local.metrics.expressions import Array, Call, ExpressionError, Name, Node, Number, Operation
from local.metrics.store import Series

Scalar = float | None
"""None is the statistic of a series without data."""
Value = Scalar | Series | list[Series]
"""S, TS and TS[] of the guide."""

_NO_PERIOD = "PERIOD takes the Id of a metric, not an expression"


@dataclass(frozen=True)
class Scope:
    """What an expression may name."""

    values: Mapping[str, Value]
    metrics: Mapping[str, Series]
    """The metrics among the values; METRICS() gives these."""
    period_s: int
    length: int
    """How many periods every series has."""


def compute(node: Node, scope: Scope) -> Value:
    """The value of an expression.

    Raises:
        ExpressionError: a function that is not computed here, an unknown name, or arguments of the wrong kind.
    """
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return _named(node.value, scope)
    if isinstance(node, Array):
        return [series for item in node.items for series in _series_of(compute(item, scope))]
    if isinstance(node, Operation):
        return _operation(node, scope)
    if isinstance(node, Call):
        return _call(node, scope)
    raise ExpressionError(f"a text ({node.value}) stands where a value is expected")


def _named(name: str, scope: Scope) -> Value:
    if name not in scope.values:
        raise ExpressionError(f"{name} is no Id of this request; known are {', '.join(scope.values) or 'none'}")
    return scope.values[name]


def _series_of(value: Value) -> list[Series]:
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return [value]
    raise ExpressionError("an array holds time series, not numbers")


# Operators ------------------------------------------------------------------------------------------------------------


def _divide(left: float, right: float) -> float | None:
    return left / right if right else None


def _raise_to(left: float, right: float) -> float | None:
    try:
        result = left**right
    except (ZeroDivisionError, OverflowError):
        return None
    return result if isinstance(result, float) else None


_OPERATORS: dict[str, Callable[[float, float], float | None]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "^": _raise_to,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<=": lambda left, right: float(left <= right),
    ">=": lambda left, right: float(left >= right),
    "<": lambda left, right: float(left < right),
    ">": lambda left, right: float(left > right),
    "&&": lambda left, right: float(bool(left) and bool(right)),
    "||": lambda left, right: float(bool(left) or bool(right)),
}


def _operation(node: Operation, scope: Scope) -> Value:
    parts = [compute(part, scope) for part in node.parts]
    if len(parts) == 1:
        return _combine(operator.mul, -1.0, parts[0])
    return _combine(_OPERATORS[node.operator], *parts)


def _combine(deed: Callable[[float, float], float | None], left: Value, right: Value) -> Value:
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            raise ExpressionError(f"arrays of {len(left)} and of {len(right)} time series cannot be combined")
        return [_lines(deed, *pair) for pair in zip(left, right, strict=True)]
    if isinstance(left, list):
        return [_lines(deed, one, _single(right)) for one in left]
    if isinstance(right, list):
        return [_lines(deed, left, one) for one in right]
    if isinstance(left, tuple) or isinstance(right, tuple):
        return _lines(deed, left, right)
    return None if left is None or right is None else deed(left, right)


def _lines(deed: Callable[[float, float], float | None], left: Scalar | Series, right: Scalar | Series) -> Series:
    if isinstance(left, tuple) and isinstance(right, tuple):
        return tuple(
            None if one is None and other is None else deed(one or 0.0, other or 0.0)
            for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, tuple):
        return tuple(None if one is None or right is None else deed(one, _number(right)) for one in left)
    if isinstance(right, tuple):
        return tuple(None if one is None or left is None else deed(_number(left), one) for one in right)
    raise ExpressionError("two numbers are no time series")


def _single(value: Value) -> Scalar | Series:
    if isinstance(value, list):
        raise ExpressionError("an array stands where a time series or a number is expected")
    return value


def _number(value: Scalar | Series) -> float:
    if isinstance(value, tuple) or value is None:
        raise ExpressionError("a number is expected")
    return value


# Functions ------------------------------------------------------------------------------------------------------------


def _call(node: Call, scope: Scope) -> Value:
    special = {"METRICS": _metrics, "PERIOD": _period, "FILL": _fill, "IF": _if}
    if node.function in special:
        return special[node.function](node, scope)
    if node.function in _EACH:
        argument = _only(node, scope)
        each = _EACH[node.function]
        if isinstance(argument, list):
            return [each(series, scope.period_s) for series in argument]
        return each(_line(node.function, argument), scope.period_s)
    if node.function in _REDUCE:
        return _reduced(node.function, _only(node, scope))
    known = ", ".join(sorted({*special, *_EACH, *_REDUCE}))
    raise ExpressionError(f"function {node.function} is not computed here; use {known}")


def _only(node: Call, scope: Scope) -> Value:
    if len(node.arguments) != 1:
        raise ExpressionError(f"{node.function} takes 1 argument, not {len(node.arguments)}")
    return compute(node.arguments[0], scope)


def _line(function: str, value: Value) -> Series:
    if not isinstance(value, tuple):
        raise ExpressionError(f"{function} takes a time series")
    return value


def _metrics(node: Call, scope: Scope) -> Value:
    wanted = [getattr(argument, "value", None) for argument in node.arguments]
    return [series for name, series in scope.metrics.items() if all(str(part) in name for part in wanted)]


def _period(node: Call, scope: Scope) -> Value:
    [argument] = node.arguments or [None]
    if not isinstance(argument, Name) or argument.value not in scope.metrics:
        raise ExpressionError(_NO_PERIOD)
    return float(scope.period_s)


def _rounded(deed: Callable[[float], float]) -> Callable[[Series, int], Series]:
    return lambda series, _: tuple(None if value is None else float(deed(value)) for value in series)


def _change(series: Series, per_s: Callable[[int], float]) -> Series:
    """Of each value to the one before it, which may lie several periods back."""
    found: list[float | None] = []
    before: tuple[int, float] | None = None
    for place, value in enumerate(series):
        found.append(None if value is None or before is None else (value - before[1]) / per_s(place - before[0]))
        before = before if value is None else (place, value)
    return tuple(found)


_EACH: dict[str, Callable[[Series, int], Series]] = {
    "ABS": _rounded(abs),
    "CEIL": _rounded(math.ceil),
    "FLOOR": _rounded(math.floor),
    "DIFF": lambda series, _: _change(series, lambda _: 1.0),
    "RATE": lambda series, period_s: _change(series, lambda periods: float(periods * period_s)),
}

# Of one series a number; of an array a series, period by period. AVG and SUM of an array count a gap as 0.
_REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "AVG": lambda values: math.fsum(values) / len(values),
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
}


def _reduced(function: str, value: Value) -> Value:
    reduce = _REDUCE[function]
    if isinstance(value, tuple):
        known = [one for one in value if one is not None]
        return reduce(known) if known else None
    if not isinstance(value, list):
        raise ExpressionError(f"{function} takes time series, not a number")
    columns = zip(*value, strict=True)
    return tuple(_column(reduce, column, gaps_are_zero=function in {"AVG", "SUM"}) for column in columns)


def _column(
    reduce: Callable[[Sequence[float]], float], column: Sequence[float | None], *, gaps_are_zero: bool
) -> float | None:
    known = [value for value in column if value is not None]
    if not known:
        return None
    return reduce([value or 0.0 for value in column] if gaps_are_zero else known)


def _fill(node: Call, scope: Scope) -> Value:
    try:
        first, filler = node.arguments
    except ValueError as error:
        raise ExpressionError(f"FILL takes 2 arguments, not {len(node.arguments)}") from error
    holed = compute(first, scope)
    known = {"REPEAT": _repeated, "LINEAR": _interpolated}
    named = known.get(filler.value) if isinstance(filler, Name) else None
    fill = named or _filled_with(compute(filler, scope))
    return [fill(series) for series in holed] if isinstance(holed, list) else fill(_line("FILL", holed))


def _filled_with(value: Value) -> Callable[[Series], Series]:
    if isinstance(value, list):
        raise ExpressionError("FILL takes a number, REPEAT, LINEAR or one time series to fill with")

    def fill(series: Series) -> Series:
        fillers = value if isinstance(value, tuple) else (value,) * len(series)
        return tuple(filler if one is None else one for one, filler in zip(series, fillers, strict=True))

    return fill


def _repeated(series: Series) -> Series:
    """Each gap takes the newest value before it."""
    found: list[float | None] = []
    for value in series:
        found.append(found[-1] if value is None and found else value)
    return tuple(found)


def _interpolated(series: Series) -> Series:
    """A gap between two values lies on the line between them; one at an end stays."""
    known = [place for place, value in enumerate(series) if value is not None]
    found = list(series)
    for left, right in itertools.pairwise(known):
        low, high = series[left] or 0.0, series[right] or 0.0
        for place in range(left + 1, right):
            found[place] = low + (high - low) * (place - left) / (right - left)
    return tuple(found)


def _if(node: Call, scope: Scope) -> Value:
    if len(node.arguments) not in {2, 3}:
        raise ExpressionError(f"IF takes 2 or 3 arguments, not {len(node.arguments)}")
    condition, *branches = [_single(compute(argument, scope)) for argument in node.arguments]
    nothing: Series = (None,) * scope.length
    then, otherwise = branches[0], branches[1] if len(branches) > 1 else nothing
    if not isinstance(condition, tuple):
        return then if condition else otherwise
    return tuple(_chosen(known, _at(then, place), _at(otherwise, place)) for place, known in enumerate(condition))


def _at(value: Scalar | Series, place: int) -> float | None:
    return value[place] if isinstance(value, tuple) else value


def _chosen(condition: float | None, then: float | None, otherwise: float | None) -> float | None:
    """No data point where the condition has none; a missing value is 0 where it is chosen as true."""
    if condition is None:
        return None
    return (then or 0.0) if condition else otherwise
