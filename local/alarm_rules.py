"""When a CloudWatch metric alarm is in ALARM, OK or INSUFFICIENT_DATA. Pure: values in, state out.

Source: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" in the CloudWatch User Guide.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# CloudWatch looks at more periods than it evaluates, so that late data does not count as missing.
EXTRA_PERIODS = 2
# A percentile is significant when so many samples lie beyond it.
_TAIL_SAMPLES = 10
_MEDIAN = 50.0


class State(StrEnum):
    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class MissingData(StrEnum):
    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (lambda value, threshold: value >= threshold, "greater than or equal to"),
    "GreaterThanThreshold": (lambda value, threshold: value > threshold, "greater than"),
    "LessThanThreshold": (lambda value, threshold: value < threshold, "less than"),
    "LessThanOrEqualToThreshold": (lambda value, threshold: value <= threshold, "less than or equal to"),
}


@dataclass(frozen=True)
class Rule:
    comparison: str
    """A key of COMPARISONS."""
    threshold: float
    evaluation_periods: int
    """N of "M out of N", >= 1."""
    datapoints_to_alarm: int
    """M, 1 <= M <= N."""
    missing_data: MissingData = MissingData.MISSING

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)


def evaluate(datapoints: Sequence[float | None], rule: Rule, current: State) -> State:
    """The state that these datapoints lead to.

    Args:
        datapoints: one value per period, oldest first, None where there was no data; N + EXTRA_PERIODS of them.
        current: the state until now, which is kept where the data decide nothing.
    """
    breaching = [None if value is None else rule.breaches(value) for value in datapoints]
    known = [breach for breach in breaching if breach is not None][-rule.evaluation_periods :]
    absent = rule.evaluation_periods - len(known)
    if sum(known) >= rule.datapoints_to_alarm:
        return State.ALARM
    if absent == 0 or rule.missing_data is MissingData.NOT_BREACHING or not all(known):
        filled = sum(known) + (absent if rule.missing_data is MissingData.BREACHING else 0)
        return State.ALARM if filled >= rule.datapoints_to_alarm else State.OK
    if rule.missing_data is MissingData.BREACHING:
        return State.ALARM
    if rule.missing_data is MissingData.IGNORE:
        return current
    return _evaluate_lone_breaches(breaching, rule, current) if known else State.INSUFFICIENT_DATA


def is_low_sample(percent: float, samples: float) -> bool:
    """Whether there are too few samples for a percentile to mean something.

    Source: "Percentile-based CloudWatch alarms and low data samples" in the CloudWatch User Guide.

    Args:
        percent: 0 to 100.
        samples: in all evaluated periods together.
    """
    tail = 100 - percent if percent >= _MEDIAN else percent
    return round(samples * tail, 6) < _TAIL_SAMPLES * 100


def _evaluate_lone_breaches(breaching: Sequence[bool | None], rule: Rule, current: State) -> State:
    """Fewer than M values, all breaching, and the gaps stay gaps.

    A breach that is M periods old with nothing but breaches and gaps after it is an alarm, however few values there
    are; a younger one may be the first of a burst of late data, and decides nothing yet.
    """
    oldest = len(breaching) - breaching.index(True)
    return State.ALARM if oldest >= rule.datapoints_to_alarm else current
