"""When a schedule of EventBridge fires: `rate(…)` and the six fields of `cron(…)`, in UTC. Pure.

Source: "Using cron and rate expressions to schedule rules in Amazon EventBridge", EventBridge User Guide. No library
reads these: the others know neither `?` nor the year, or not `W`.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_RATE = re.compile(r"rate\((\d+) (minute|minutes|hour|hours|day|days)\)")
_CRON = re.compile(r"cron\(([^()]*)\)")
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_FIELDS = 6
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_SATURDAY, _SUNDAY = 7, 1

Matcher = Callable[[date], bool]


class ScheduleError(ValueError):
    """The expression is none that EventBridge takes; the message says which part of it."""


@dataclass(frozen=True)
class Rate:
    """Fires at its start plus every multiple of `every`."""

    every: timedelta

    def next_after(self, at: datetime, start: datetime) -> datetime:
        """The first firing later than `at`, of a rule that exists since `start`."""
        periods = (at - start) // self.every + 1
        return start + max(1, periods) * self.every


@dataclass(frozen=True)
class Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    on_day: Matcher

    def next_after(self, at: datetime, _start: datetime) -> datetime | None:
        """The first firing later than `at`; None if there is none until the end of 2199."""
        later = at.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(later.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if moment >= later:
                        return moment
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in self.years:
            for month in self.months:
                if (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.on_day(day):
                        yield day


def parse(expression: str) -> Rate | Cron:
    """Raises ScheduleError."""
    if rate := _RATE.fullmatch(expression):
        return _rate(int(rate[1]), rate[2])
    if cron := _CRON.fullmatch(expression):
        return _cron(cron[1].split())
    raise ScheduleError(f"{expression!r} is neither rate(<number> <unit>) nor cron(<six fields>)")


def _rate(number: int, unit: str) -> Rate:
    if number < 1:
        raise ScheduleError("a rate is at least 1 minute")
    if (number == 1) is unit.endswith("s"):
        raise ScheduleError(f"rate({number} {unit}): the unit of 1 is singular, of any other number plural")
    return Rate(number * _UNITS[unit.removesuffix("s")])


def _cron(fields: list[str]) -> Cron:
    if len(fields) != _FIELDS:
        raise ScheduleError(
            f"cron needs {_FIELDS} fields, minutes hours day-of-month month day-of-week year; got {len(fields)}"
        )
    minutes, hours, month_days, months, week_days, years = (field.upper() for field in fields)
    if (month_days == "?") is (week_days == "?"):
        raise ScheduleError("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        minutes=_numbers("minutes", minutes, 0, 59),
        hours=_numbers("hours", hours, 0, 23),
        months=_numbers("month", months, 1, 12, _MONTHS),
        years=_numbers("year", years, _FIRST_YEAR, _LAST_YEAR),
        on_day=_any(_week_day, week_days) if month_days == "?" else _any(_month_day, month_days),
    )


def _numbers(name: str, field: str, low: int, high: int, words: dict[str, int] | None = None) -> tuple[int, ...]:
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else _number(name, first, low, high, words)
        end = _number(name, last, low, high, words) if dash else high if slash or span == "*" else begin
        if begin > end:
            raise ScheduleError(f"{name}: {span} runs backwards")
        found.update(range(begin, end + 1, _number(name, step, 1, high, None) if slash else 1))
    return tuple(sorted(found))


def _number(name: str, text: str, low: int, high: int, words: dict[str, int] | None) -> int:
    number = (words or {}).get(text, int(text) if text.isascii() and text.isdigit() else -1)
    if not low <= number <= high:
        raise ScheduleError(f"{name}: {text!r} is not from {low} to {high}")
    return number


def _any(one: Callable[[str], Matcher], field: str) -> Matcher:
    matchers = [one(part) for part in field.split(",")]
    return lambda day: any(matches(day) for matches in matchers)


def _month_day(part: str) -> Matcher:
    if part == "L":
        return lambda day: day.day == _length(day)
    if part.endswith("W"):
        wanted = _number("day-of-month", part.removesuffix("W"), 1, 31, None)
        return lambda day: day.day == _nearest_weekday(day, wanted)
    numbers = _numbers("day-of-month", part, 1, 31)
    return lambda day: day.day in numbers


def _week_day(part: str) -> Matcher:
    if part == "L":
        return lambda day: _week_day_of(day) == _SATURDAY
    if part.endswith("L"):
        wanted = _number("day-of-week", part.removesuffix("L"), 1, 7, _DAYS)
        return lambda day: _week_day_of(day) == wanted and day.day > _length(day) - 7
    if "#" in part:
        name, _, nth = part.partition("#")
        wanted, count = _number("day-of-week", name, 1, 7, _DAYS), _number("day-of-week", nth, 1, 5, None)
        return lambda day: _week_day_of(day) == wanted and (day.day - 1) // 7 + 1 == count
    numbers = _numbers("day-of-week", part, 1, 7, _DAYS)
    return lambda day: _week_day_of(day) in numbers


def _week_day_of(day: date) -> int:
    """1 is Sunday."""
    return day.isoweekday() % 7 + 1


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, wanted: int) -> int:
    """The weekday closest to a day of this month, within the month; 0 if the month has no such day."""
    if wanted > _length(day):
        return 0
    target = day.replace(day=wanted)
    if _week_day_of(target) == _SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if _week_day_of(target) == _SUNDAY:
        return wanted + 1 if wanted < _length(day) else wanted - 2
    return wanted
