"""When schedules fire. Examples: "Using cron and rate expressions to schedule rules", EventBridge User Guide; the dates
are a calendar's."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.schedule_expressions import ScheduleError, parse

# A Monday.
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "firings"),
    [
        pytest.param("cron(0 10 * * ? *)", ["2026-11-24 10:00", "2026-11-25 10:00"], id="10:00 every day"),
        pytest.param("cron(15 12 * * ? *)", ["2026-11-23 12:15", "2026-11-24 12:15"], id="12:15 every day"),
        pytest.param(
            "cron(0 18 ? * MON-FRI *)", ["2026-11-23 18:00", "2026-11-24 18:00"], id="18:00 from Monday to Friday"
        ),
        pytest.param("cron(0 8 1 * ? *)", ["2026-12-01 08:00", "2027-01-01 08:00"], id="08:00 on the first of a month"),
        pytest.param("cron(0/15 * * * ? *)", ["2026-11-23 12:15", "2026-11-23 12:30"], id="every 15 minutes"),
        pytest.param(
            "cron(0/10 * ? * MON-FRI *)", ["2026-11-23 12:10", "2026-11-23 12:20"], id="every 10 minutes of a weekday"
        ),
        pytest.param(
            "cron(0/5 8-17 ? * MON-FRI *)",
            ["2026-11-23 12:05", "2026-11-23 12:10"],
            id="every 5 minutes of an office day",
        ),
        pytest.param("cron(0 9 ? * 2#1 *)", ["2026-12-07 09:00", "2027-01-04 09:00"], id="the first Monday of a month"),
        pytest.param(
            "cron(15 10 ? * 6L 2026-2027)", ["2026-11-27 10:15", "2026-12-25 10:15"], id="the last Friday of a month"
        ),
        pytest.param("cron(0 0 L * ? *)", ["2026-11-30 00:00", "2026-12-31 00:00"], id="the last day of a month"),
        pytest.param("cron(0 0 ? * L *)", ["2026-11-28 00:00", "2026-12-05 00:00"], id="the last day of a week"),
        pytest.param(
            "cron(0 0 15W * ? *)", ["2026-12-15 00:00", "2027-01-15 00:00"], id="the weekday closest to the fifteenth"
        ),
        # 1 May 2027 is a Saturday and 1 August 2027 a Sunday: never into the month before.
        pytest.param("cron(0 0 1W 5,8 ? 2027)", ["2027-05-03 00:00", "2027-08-02 00:00"], id="never a month before"),
        pytest.param("cron(0 0 31W * ? *)", ["2026-12-31 00:00", "2027-01-29 00:00"], id="never a month after"),
        pytest.param("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"], id="a leap day"),
        pytest.param("cron(*/30 0,23 ? jan sun 2199)", ["2199-01-06 00:00", "2199-01-06 00:30"], id="the last year"),
        pytest.param("rate(5 minutes)", ["2026-11-23 12:05", "2026-11-23 12:10"], id="every 5 minutes"),
        pytest.param("rate(1 hour)", ["2026-11-23 13:00", "2026-11-23 14:00"], id="every hour"),
        pytest.param("rate(7 days)", ["2026-11-30 12:00", "2026-12-07 12:00"], id="every 7 days"),
    ],
)
def test_a_schedule_fires_when_a_calendar_says(expression: str, firings: list[str]) -> None:
    schedule = parse(expression)

    first = schedule.next_after(MONDAY, MONDAY)

    assert first is not None
    assert [first, schedule.next_after(first, MONDAY)] == [at(firing) for firing in firings]


def test_a_schedule_that_is_over_never_fires() -> None:
    assert parse("cron(0 0 1 1 ? 2026)").next_after(MONDAY, MONDAY) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("rate(0 minutes)", "at least 1 minute"),
        ("rate(1 minutes)", "singular"),
        ("rate(5 minute)", "plural"),
        ("rate(5 weeks)", "neither"),
        ("every day", "neither"),
        ("cron(0 10 * * ?)", "got 5"),
        ("cron(0 10 * * * *)", "exactly one"),
        ("cron(0 10 ? * ? *)", "exactly one"),
        ("cron(60 10 * * ? *)", "minutes: '60' is not from 0 to 59"),
        ("cron(0 24 * * ? *)", "hours: '24'"),
        ("cron(0 10 32 * ? *)", "day-of-month: '32'"),
        ("cron(0 10 ? * 8 *)", "day-of-week: '8'"),
        ("cron(0 10 ? * MON#6 *)", "day-of-week: '6' is not from 1 to 5"),
        ("cron(0 10 * 13 ? *)", "month: '13'"),
        ("cron(0 10 * * ? 1969)", "year: '1969'"),
        ("cron(0 10 ? * FRI-MON *)", "runs backwards"),
        ("cron(0 10 LW * ? *)", "day-of-month: 'L'"),
        ("cron(a 10 * * ? *)", "minutes: 'A'"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_part_that_is_wrong(expression: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        parse(expression)


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    day=st.sampled_from(["*", "L", "15W", "1"]),
    hours=st.integers(0, 40),
)
def test_a_firing_lies_after_the_moment_and_nothing_lies_between(minute: int, hour: int, day: str, hours: int) -> None:
    schedule = parse(f"cron({minute} {hour} {day} * ? *)")
    start = MONDAY + timedelta(hours=hours)

    first = schedule.next_after(start, start)

    assert first is not None
    assert first > start
    assert (first.minute, first.hour) == (minute, hour)
    assert schedule.next_after(first - timedelta(minutes=1), start) == first
