"""EventBridge: moto matches events, our delivery brings them to targets."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.events import models
from moto.events.exceptions import ValidationException

from local.event_delivery import Event, EventDelivery, event_time
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION


def install(patches: Patches, delivery: EventDelivery) -> None:
    _deliver_to_every_target(patches, delivery)
    _refuse_schedules(patches)


class BusRule:
    """A rule of moto in the words of our delivery."""

    def __init__(self, rule: models.Rule) -> None:
        self._pattern: Any = rule.event_pattern
        self.arn: str = rule.arn
        self.state: str = rule.state
        self.role_arn: str | None = rule.role_arn
        self.targets: list[dict[str, Any]] = [dict(target) for target in rule.targets]

    def matches(self, event: Event) -> bool:
        return self.state == "ENABLED" and bool(self._pattern.matches_event(event))


def rules_of(bus: str) -> Iterable[BusRule]:
    """The rules of one event bus of the account."""
    buses = models.events_backends[ACCOUNT][REGION].event_buses
    return [BusRule(rule) for rule in list(buses[bus].rules.values())] if bus in buses else []


def _deliver_to_every_target(patches: Patches, delivery: EventDelivery) -> None:
    """moto raises NotImplementedError for Lambda, Step Functions and SNS targets, delivers within the caller's request,
    and knows no retry and no dead-letter queue."""

    def send_to_targets(self: models.Rule, event: Event, **_: Any) -> None:
        rule = BusRule(self)
        if rule.matches(event):
            delivery.deliver(rule, _as_aws_spells(event))

    patches.replace(models.Rule, "send_to_targets", send_to_targets)


def _as_aws_spells(event: Event) -> Event:
    """moto's time is a number, and its events carry a field of its own."""
    at = event["time"]
    spelled = {name: value for name, value in event.items() if name != "ingestion-time"}
    if not isinstance(at, str):
        spelled["time"] = event_time(datetime.fromtimestamp(float(at), UTC))
    return spelled


def _refuse_schedules(patches: Patches) -> None:
    """moto keeps a rule's schedule and never fires it: silence where AWS would act."""

    def put_rule(self: models.EventsBackend, name: str, *rest: Any, **named: Any) -> Any:
        if named.get("scheduled_expression"):
            raise ValidationException(f"local AWS does not emulate schedules; rule {name} needs an EventPattern")
        return original(self, name, *rest, **named)

    original = patches.replace(models.EventsBackend, "put_rule", put_rule)
