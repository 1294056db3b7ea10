"""Every metric of the account: what was put, when, in which unit."""

import bisect
import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.metrics.samples import Samples, statistic

Series = tuple[float | None, ...]
"""One value per period, oldest first; None where there is no data point."""

NO_UNIT = "None"
_MINUTE_S = 60


@dataclass(frozen=True)
class MetricId:
    """Namespace, name and dimensions: CloudWatch counts a metric with other dimensions as another metric."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Iterable[Mapping[str, str]] = ()) -> "MetricId":
        """From a request, whose dimensions are a list of `Name` and `Value`."""
        return cls(namespace, name, frozenset((one["Name"], one["Value"]) for one in dimensions))


@dataclass(frozen=True)
class Window:
    """Periods that follow one another; times are AWS seconds since the epoch."""

    start_s: float
    period_s: int
    count: int

    @classmethod
    def ending(cls, end_s: float, period_s: int, count: int) -> "Window":
        return cls(end_s - period_s * count, period_s, count)

    @property
    def end_s(self) -> float:
        return self.start_s + self.period_s * self.count

    def starts(self) -> list[float]:
        return [self.start_s + self.period_s * index for index in range(self.count)]


@dataclass
class _Timeline:
    """One metric's samples by second and unit; its seconds in order."""

    seconds: list[int] = field(default_factory=list)
    cells: dict[int, dict[str, Samples]] = field(default_factory=lambda: defaultdict(dict))


class MetricStore:
    """Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timelines: dict[MetricId, _Timeline] = defaultdict(_Timeline)

    def add(
        self, metric: MetricId, at_s: float, samples: Samples, *, unit: str | None, high_resolution: bool = False
    ) -> None:
        """Keep samples of one moment.

        Args:
            high_resolution: StorageResolution 1. CloudWatch keeps all other metrics by the minute, so a period of
                10 s finds them in the first ten seconds of each minute only.
        """
        second = math.floor(at_s) if high_resolution else math.floor(at_s / _MINUTE_S) * _MINUTE_S
        with self._lock:
            timeline = self._timelines[metric]
            if second not in timeline.cells:
                bisect.insort(timeline.seconds, second)
            timeline.cells[second].setdefault(unit or NO_UNIT, Samples()).add(samples)

    def samples(self, metric: MetricId, start_s: float, end_s: float, unit: str | None = None) -> Samples:
        """All samples from `start_s` until before `end_s`; of every unit if none is asked for."""
        found = Samples()
        with self._lock:
            if metric not in self._timelines:
                return found
            timeline = self._timelines[metric]
            first = bisect.bisect_left(timeline.seconds, start_s)
            for second in timeline.seconds[first : bisect.bisect_left(timeline.seconds, end_s)]:
                for kept_unit, samples in timeline.cells[second].items():
                    if unit in {None, kept_unit}:
                        found.add(samples)
        return found

    def units(self, metric: MetricId, start_s: float, end_s: float) -> set[str]:
        """The units in which the metric was put in this span."""
        with self._lock:
            timeline = self._timelines.get(metric, _Timeline())
            return {unit for second in timeline.seconds if start_s <= second < end_s for unit in timeline.cells[second]}

    def series(self, metric: MetricId, window: Window, stat: str, unit: str | None = None) -> Series:
        """One statistic for each period of the window."""
        return tuple(
            statistic(self.samples(metric, start, start + window.period_s, unit), stat) for start in window.starts()
        )

    def metrics(self) -> dict[MetricId, int]:
        """Every metric with the second of its newest sample."""
        with self._lock:
            return {metric: timeline.seconds[-1] for metric, timeline in self._timelines.items()}
