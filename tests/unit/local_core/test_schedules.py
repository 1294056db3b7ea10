"""What schedules fire and which time their events carry, on a clock that moves whenever it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.clock import Clock
from local.event_delivery import EventDelivery, Rule
from local.faults import ClockFault
from local.schedules import Schedules
from local.world import World

START = datetime(2026, 3, 2, 9, 59, 30, tzinfo=UTC)


class SteppingClock(Clock):
    """Every reading takes ten milliseconds, as on a busy machine."""

    def __init__(self) -> None:
        super().__init__()
        self.reading_s = START.timestamp()

    def time(self) -> float:
        self.reading_s += 0.01
        return self.reading_s


@dataclass
class ScheduledRule:
    schedule: str
    arn: str = "arn:aws:events:us-east-1:123456789012:rule/r"
    state: str = "ENABLED"
    targets: list[dict[str, Any]] = field(default_factory=list)

    def matches(self, _: dict[str, Any], /) -> bool:
        return False


class Recorder(EventDelivery):
    """Delivers nothing and remembers when each event says that it happened."""

    def __init__(self, world: World) -> None:
        super().__init__(world, lambda _: [])
        self.times: list[str] = []

    def deliver(self, _: Rule, event: dict[str, Any]) -> None:
        self.times.append(event["time"])


Fired = Callable[..., list[str]]


@pytest.fixture
def fired(tmp_path: Path) -> Fired:
    def after(passed_s: float, *rules: ScheduledRule, skew_s: float = 0.0) -> list[str]:
        clock = SteppingClock()
        world = World(port=1, state_dir=tmp_path, clock=clock)
        if skew_s:
            world.faults.set(ClockFault(part="events", skew_s=skew_s))
        delivery = Recorder(world)
        schedules = Schedules(world, delivery, lambda _: rules)
        clock.reading_s += passed_s
        schedules.fire_due()
        delivery.stop()
        return delivery.times

    return after


def test_an_event_carries_the_minute_that_its_cron_expression_names(fired: Fired) -> None:
    """A job of 10:00 starts within that minute ("Schedule expressions", EventBridge User Guide), never at 09:59."""
    assert fired(35, ScheduledRule("cron(0 10 * * ? *)")) == ["2026-03-02T10:00:00Z"]


def test_a_wrong_clock_of_events_shows_in_scheduled_ones(fired: Fired) -> None:
    assert fired(35, ScheduledRule("cron(0 10 * * ? *)"), skew_s=3600) == ["2026-03-02T11:00:00Z"]


def test_of_missed_firings_the_last_alone_is_done(fired: Fired) -> None:
    assert fired(3 * 60, ScheduledRule("cron(* * * * ? *)")) == ["2026-03-02T10:02:00Z"]


def test_a_rule_that_is_disabled_or_has_no_schedule_never_fires(fired: Fired) -> None:
    assert fired(3600, ScheduledRule("cron(* * * * ? *)", state="DISABLED"), ScheduledRule("")) == []
