"""When a scheduled action runs: `at(…)`, `rate(…)` and `cron(…)` expressions, in a time zone.

Source: "Scheduled scaling" in the Application Auto Scaling User Guide.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.sagemaker.errors import validation

_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"rate\((?P<value>[1-9]\d*) (?P<unit>minute|hour|day)(?P<plural>s?)\)")
_AT = re.compile(r"at\((?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


def check(schedule: str, timezone: str | None) -> None:
    """Raises AwsError ValidationException: a schedule or a time zone that does not exist."""
    next_after(schedule, timezone, 0.0, 0.0)


def next_after(schedule: str, timezone: str | None, after_s: float, anchor_s: float) -> float | None:
    """The first run after this moment; None if there is none any more. Times are AWS seconds since the epoch.

    Args:
        anchor_s: from when a rate counts: the action's start, or its creation.

    Raises:
        AwsError: ValidationException.
    """
    zone = _zone(timezone)
    if rate := _RATE.fullmatch(schedule):
        _check_plural(schedule, int(rate["value"]), rate["plural"])
        step_s = int(rate["value"]) * _UNITS_S[rate["unit"]]
        runs = max(0, int((after_s - anchor_s) // step_s)) + 1
        return anchor_s + runs * step_s
    if at := _AT.fullmatch(schedule):
        try:
            moment_s = datetime.fromisoformat(at["moment"]).replace(tzinfo=zone).timestamp()
        except ValueError as error:
            raise validation(f"Schedule {schedule} is no moment: {error}.") from error
        return moment_s if moment_s > after_s else None
    return None


def _check_plural(schedule: str, value: int, plural: str) -> None:
    if (value == 1) == bool(plural):
        raise validation(f"Schedule {schedule}: a value of 1 takes the singular of its unit, a larger one the plural.")


def _zone(timezone: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise validation(f"Timezone {timezone} is not known.") from error
