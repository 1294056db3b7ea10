"""What is known of two fleets, before anybody judges it."""

import math
from dataclasses import dataclass

_MEDIAN = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `trials`.

    Raises:
        ValueError: not 0 <= hits <= trials.
    """

    hits: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.trials:
            raise ValueError(f"need 0 <= hits <= trials; got {self.hits} of {self.trials}")

    @property
    def rate(self) -> float:
        """0 where nothing was tried; ask `trials` before you believe it."""
        return self.hits / self.trials if self.trials else 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """One period's percentile, or one answer's time.

    Args:
        at_s: seconds since green took its first request, at the period's begin.
        value_ms: milliseconds.
        requests: how many it sums up; 1 for a single answer.
    """

    at_s: float
    value_ms: float
    requests: int = 1


@dataclass(frozen=True, slots=True)
class Series:
    """A latency over time.

    Args:
        name: the same in both arms, `ModelLatency p50`; series of other names are never compared.
        quantile: which the points are, 0 < quantile < 1; None for single answers.
    """

    name: str
    quantile: float | None
    points: tuple[Point, ...]

    def after(self, warm_up_s: float) -> tuple[float, ...]:
        """Values of the points that say something.

        A fresh fleet starts cold. A high percentile of a few requests is only their maximum: one of m requests needs
        1 / (1 - quantile) of them to lie below the largest.
        """
        q = self.quantile or _MEDIAN
        needed = math.ceil(round(1 / (1 - q), 9)) if q > _MEDIAN else 1
        return tuple(p.value_ms for p in self.points if p.at_s >= warm_up_s and p.requests >= needed)


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of one fleet. CloudWatch's counts include the probes, once they have arrived there.

    Args:
        requests, server_errors, client_errors: sums over the whole window, warm-up included: customers felt it.
        probes: golden prompts that this fleet answered, errors among them.
        probe_errors: of those, answered with an error.
        probes_unmet: of those, answered with something else than the golden prompt demands.
    """

    requests: int = 0
    server_errors: int = 0
    client_errors: int = 0
    probes: int = 0
    probe_errors: int = 0
    probes_unmet: int = 0
    latency: tuple[Series, ...] = ()

    def errors(self) -> Share:
        """Metrics come up to two periods late, so whichever has seen more counts, of requests as of errors."""
        trials = max(self.requests, self.probes)
        return Share(min(trials, max(self.server_errors, self.probe_errors)), trials)

    def series(self, name: str) -> Series:
        return next((one for one in self.latency if one.name == name), Series(name, None, ()))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both fleets.

    Args:
        blue: while it has traffic beside green; None where it has none.
        recorded: blue in a window before the shift; None where nothing was recorded.
        first_release: there is no blue to be compared with at all.
    """

    green: Arm
    blue: Arm | None = None
    recorded: Arm | None = None
    first_release: bool = False
