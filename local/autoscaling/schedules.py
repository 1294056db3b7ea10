"""When a scheduled action runs: `at(…)`, `rate(…)` and `cron(…)` expressions, in a time zone.

Source: "Scheduled scaling" in the Application Auto Scaling User Guide. Rates and cron expressions are EventBridge's.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.sagemaker.errors import validation
from local.schedule_expressions import Rate, ScheduleError, parse

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


def check(schedule: str, timezone: str | None) -> None:
    """Raises AwsError ValidationException: a schedule or a time zone that does not exist."""
    next_after(schedule, timezone, 0.0, 0.0)


def next_after(schedule: str, timezone: str | None, after_s: float, anchor_s: float) -> float | None:
    """The first run after this moment; None if there is none any more. Times are AWS seconds since the epoch.

    Args:
        timezone: of `at` and `cron`, by its IANA name; UTC if none is given.
        anchor_s: from when a rate counts: the action's start, or its creation.

    Raises:
        AwsError: ValidationException.
    """
    zone = _zone(timezone)
    try:
        if at := _AT.fullmatch(schedule):
            moment_s = datetime.fromisoformat(at[1]).replace(tzinfo=zone).timestamp()
            return moment_s if moment_s > after_s else None
        parsed = parse(schedule)
    except (ScheduleError, ValueError) as error:
        raise validation(f"Schedule {schedule} is neither at(yyyy-mm-ddThh:mm:ss) nor a schedule: {error}.") from error
    if isinstance(parsed, Rate):
        return parsed.next_after(
            datetime.fromtimestamp(after_s, UTC), datetime.fromtimestamp(anchor_s, UTC)
        ).timestamp()
    # A cron expression is about what clocks show, so it is asked in the zone's own time.
    shown = datetime.fromtimestamp(after_s, zone).replace(tzinfo=UTC)
    run = parsed.next_after(shown, shown)
    return run.replace(tzinfo=zone).timestamp() if run else None


def _zone(timezone: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise validation(f"Timezone {timezone} is not known.") from error
