"""When scheduled actions run, as "Scheduled scaling" in the Application Auto Scaling User Guide has it."""

from datetime import UTC, datetime

import pytest

from local.autoscaling.schedules import check, next_after
from local.sagemaker.errors import AwsError


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "timezone", "after", "runs"),
    [
        ("at(2021-03-31T22:00:00)", None, "2021-03-31T21:59:59", "2021-03-31T22:00:00"),
        ("at(2021-03-31T22:00:00)", None, "2021-03-31T22:00:00", None),
        ("at(2021-01-31T17:00:00)", "America/New_York", "2021-01-01T00:00:00", "2021-01-31T22:00:00"),
        ("rate(5 hours)", None, "2021-01-30T12:00:00", "2021-01-30T17:00:00"),
        ("rate(5 hours)", None, "2021-01-30T17:00:00", "2021-01-30T22:00:00"),
        ("cron(0 9 * * ? *)", None, "2021-01-30T09:00:00", "2021-01-31T09:00:00"),
        # Etc/GMT+9 lies nine hours behind UTC; the 30th was a Saturday.
        ("cron(0 18 ? * MON-FRI *)", "Etc/GMT+9", "2021-01-30T12:00:00", "2021-02-02T03:00:00"),
    ],
)
def test_the_guides_schedules(schedule: str, timezone: str | None, after: str, runs: str | None) -> None:
    found = next_after(schedule, timezone, seconds(after), seconds("2021-01-30T12:00:00"))

    assert found == (seconds(runs) if runs else None)


@pytest.mark.parametrize(
    ("schedule", "timezone", "said"),
    [
        ("at(tomorrow)", None, "neither at"),
        ("at(2021-02-30T00:00:00)", None, "day is out of range"),
        ("rate(1 hours)", None, "singular"),
        ("cron(0 9 * * *)", None, "6 fields"),
        ("rate(1 hour)", "Mars/Olympus", "Timezone Mars/Olympus is not known"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: str, timezone: str | None, said: str) -> None:
    with pytest.raises(AwsError, match=said):
        check(schedule, timezone)
