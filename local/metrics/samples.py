"""The samples of one metric in one span of time, and the statistics that CloudWatch computes of them.

Source: "CloudWatch statistics definitions" in the CloudWatch User Guide.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")


@dataclass(frozen=True)
class StatisticSet:
    """Samples that were summed up before they were sent (`StatisticValues` of PutMetricData)."""

    count: float
    sum: float
    minimum: float
    maximum: float


@dataclass
class Samples:
    values: Counter[float] = field(default_factory=Counter)
    """How often each single value was sent."""
    sets: list[StatisticSet] = field(default_factory=list)

    def add(self, other: "Samples") -> None:
        self.values.update(other.values)
        self.sets += other.sets

    @property
    def count(self) -> float:
        return self.values.total() + sum(one.count for one in self.sets)

    @property
    def sum(self) -> float:
        return math.fsum(value * times for value, times in self.values.items()) + math.fsum(
            one.sum for one in self.sets
        )


_SIMPLE: dict[str, Callable[[Samples], float]] = {
    "Sum": lambda samples: samples.sum,
    "Average": lambda samples: samples.sum / samples.count,
    "Minimum": lambda samples: min([*samples.values, *(one.minimum for one in samples.sets)]),
    "Maximum": lambda samples: max([*samples.values, *(one.maximum for one in samples.sets)]),
    "SampleCount": lambda samples: samples.count,
}


def check_statistic(name: str) -> None:
    """Raises ValueError for a statistic that is not computed here, such as tm90 or IQM."""
    if name not in _SIMPLE and percentile(name) is None:
        raise ValueError(f"statistic {name} is not computed here; use {', '.join(_SIMPLE)} or a percentile p0 to p100")


def percentile(name: str) -> float | None:
    """99.9 of `p99.9`; None for a statistic that is no percentile."""
    found = _PERCENTILE.fullmatch(name)
    return float(found[1]) if found else None


def statistic(samples: Samples, name: str) -> float | None:
    """One value for one period; None without samples, and for percentiles of sets whose values are unknown.

    Raises:
        ValueError: `check_statistic` refuses the name.
    """
    check_statistic(name)
    if not samples.count:
        return None
    percent = percentile(name)
    if percent is None:
        return float(_SIMPLE[name](samples))
    return _percentile(samples, percent)


def _percentile(samples: Samples, percent: float) -> float | None:
    """By linear interpolation between the two nearest ranks.

    A set has percentiles only where its values are known: one sample, or minimum and maximum equal.
    """
    values = Counter(samples.values)
    for one in samples.sets:
        if one.count != 1 and one.minimum != one.maximum:
            return None
        values[one.minimum] += round(one.count)
    ordered = sorted(values.items())
    place = (values.total() - 1) * percent / 100
    low, high = _at(ordered, math.floor(place)), _at(ordered, math.ceil(place))
    return low + (high - low) * (place - math.floor(place))


def _at(ordered: Iterable[tuple[float, int]], rank: int) -> float:
    """The value with this rank, counted from 0, among values with how often each occurs."""
    for value, times in ordered:
        if rank < times:
            return value
        rank -= times
    raise ValueError(f"rank lies {rank} beyond the last sample")
