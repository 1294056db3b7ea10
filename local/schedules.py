"""Fires the rules that have a schedule, on the embedded clock."""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from local.event_delivery import EventDelivery, Rule, new_event
from local.schedule_expressions import parse
from local.world import World

logger = logging.getLogger(__name__)

_LONGEST_NAP_S = 1.0  # real seconds; a change wakes the thread at once, so this only bounds what a missed one costs


class ScheduledRule(Rule, Protocol):
    schedule: str
    """Empty for a rule that has a pattern only."""


class Schedules:
    """Args:
    rules: the rules of a bus, by the bus's name; schedules live on the default bus.
    """

    def __init__(self, world: World, delivery: EventDelivery, rules: Callable[[str], Iterable[ScheduledRule]]) -> None:
        self._world = world
        self._delivery = delivery
        self._rules = rules
        self._changed = threading.Event()
        self._stopped = False
        self._began = self._looked_until = world.clock.now()
        self._since: dict[str, datetime] = {}
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._changed.set()

    def begin(self, rule_arn: str) -> None:
        """A rule was put or enabled: its rate counts from now on."""
        self._since[rule_arn] = self._world.clock.now()
        self._changed.set()

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            try:
                nap_s = self.fire_due()
            except Exception:  # one bad rule must not silence all others
                logger.exception("the schedules broke")
                nap_s = _LONGEST_NAP_S
            self._changed.wait(min(nap_s, _LONGEST_NAP_S))

    def fire_due(self) -> float:
        """Fire every rule whose time came since the last look; returns real seconds until the next one.

        Of several firings of one rule that came due since then, the last alone is done, as of a machine that slept.
        """
        now, since = self._world.clock.now(), self._looked_until
        self._looked_until = now
        nap_s = _LONGEST_NAP_S
        for rule in self._rules("default"):
            if not rule.schedule or rule.state != "ENABLED":
                continue
            schedule, began = parse(rule.schedule), self._since.get(rule.arn, self._began)
            due, following = None, schedule.next_after(max(since, began), began)
            while following is not None and following <= now:
                due, following = following, schedule.next_after(following, began)
            if due is not None:
                self._fire(rule, due)
            if following is not None:
                nap_s = min(nap_s, self._world.clock.real_seconds((following - now).total_seconds()))
        return nap_s

    def _fire(self, rule: ScheduledRule, due: datetime) -> None:
        event = new_event("aws.events", "Scheduled Event", {}, [rule.arn], self._delivery.dated(due))
        with self._delivery.in_order:
            self._delivery.deliver(rule, event)
