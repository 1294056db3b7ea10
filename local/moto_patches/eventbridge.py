"""EventBridge: moto matches events, our delivery brings them to targets and our schedules fire."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.events import models
from moto.events.exceptions import ValidationException
from moto.scheduler.exceptions import ValidationException as SchedulerValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend

from local.event_delivery import EventDelivery, event_time
from local.event_input import PREDEFINED, Event, unknown_variables
from local.event_targets import SERVICES, service_of
from local.moto_patches.patching import Patches
from local.schedule_expressions import ScheduleError, parse
from local.world import ACCOUNT, REGION

# "Amazon EventBridge quotas": targets per rule; and PutEvents: "the total entry size must be less than 1MB".
_MOST_TARGETS, _LIMIT_BYTES = 5, 1024 * 1024
_TIME_BYTES = 14


def install(patches: Patches, delivery: EventDelivery, on_schedule: Callable[[str], None]) -> None:
    """Args:
    on_schedule: told the ARN of a rule that was put or enabled.
    """
    _deliver_to_every_target(patches, delivery)
    _tell_time_by_the_clock(patches, delivery)
    _limit_events(patches)
    _notice_schedules(patches, on_schedule)
    _check_targets(patches)
    _refuse_scheduler(patches)


class BusRule:
    """A rule of moto in the words of our delivery."""

    def __init__(self, rule: models.Rule) -> None:
        self._pattern: Any = rule.event_pattern
        self.arn: str = rule.arn
        self.state: str = rule.state
        self.schedule: str = rule.scheduled_expression or ""
        self.targets: list[dict[str, Any]] = [dict(target) for target in rule.targets]

    def matches(self, event: Event) -> bool:
        # moto's empty pattern matches every event; a rule with a schedule alone matches none.
        return self.state == "ENABLED" and bool(self._pattern.dump()) and bool(self._pattern.matches_event(event))


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


def _tell_time_by_the_clock(patches: Patches, delivery: EventDelivery) -> None:
    """moto gives an event without a Time the wall clock's, and two callers' events in any order."""

    def put_events(self: models.EventsBackend, events: list[dict[str, Any]]) -> Any:
        with delivery.in_order:
            now = delivery.now().timestamp()
            return original(self, [{"Time": now, **event} for event in events])

    original = patches.replace(models.EventsBackend, "put_events", put_events)


def _limit_events(patches: Patches) -> None:
    """moto takes events of any size."""

    def put_events(self: models.EventsBackend, events: list[dict[str, Any]]) -> Any:
        size = sum(_size_bytes(event) for event in events)
        if size >= _LIMIT_BYTES:
            raise ValidationException(
                f"Total size of the entries in the request is over the limit: {size} bytes; it must be less than "
                f"{_LIMIT_BYTES}"
            )
        return original(self, events)

    original = patches.replace(models.EventsBackend, "put_events", put_events)


def _size_bytes(event: dict[str, Any]) -> int:
    """Source: "Calculating PutEvents event entry size" in the EventBridge User Guide."""
    texts = [event.get(name) or "" for name in ("Source", "DetailType", "Detail")] + (event.get("Resources") or [])
    return sum(len(str(text).encode()) for text in texts) + (_TIME_BYTES if event.get("Time") else 0)


def _notice_schedules(patches: Patches, on_schedule: Callable[[str], None]) -> None:
    """moto keeps a rule's schedule without looking at it, and never fires it."""

    def put_rule(self: models.EventsBackend, name: str, *rest: Any, **named: Any) -> models.Rule:
        if expression := named.get("scheduled_expression"):
            try:
                parse(expression)
            except ScheduleError as error:
                raise ValidationException(f"Parameter ScheduleExpression is not valid. Reason: {error}") from error
        rule: models.Rule = original(self, name, *rest, **named)
        on_schedule(rule.arn)
        return rule

    def enable(self: models.Rule) -> None:
        enable_original(self)
        on_schedule(self.arn)

    original = patches.replace(models.EventsBackend, "put_rule", put_rule)
    enable_original = patches.replace(models.Rule, "enable", enable)


def _check_targets(patches: Patches) -> None:
    """moto keeps targets that EventBridge refuses, machines without a role and templates with unknown names, and
    those that nothing here delivers to."""

    def put_targets(
        self: models.EventsBackend, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> None:
        for target in targets:
            _check_target(target)
        _check_count(name, (event_bus_arn or "default").rpartition("/")[2], targets)
        original(self, name, event_bus_arn, targets)

    original = patches.replace(models.EventsBackend, "put_targets", put_targets)


def _check_count(rule: str, bus: str, targets: list[dict[str, Any]]) -> None:
    known = [target["Id"] for one in rules_of(bus) if one.arn.endswith(f"/{rule}") for target in one.targets]
    count = len({*known, *(target["Id"] for target in targets)})
    if count > _MOST_TARGETS:
        message = f"The requested resource exceeds the maximum number allowed: {count} targets of rule {rule}; "
        raise JsonRESTError("LimitExceededException", f"{message}the limit is {_MOST_TARGETS}")


def _check_target(target: dict[str, Any]) -> None:
    service = service_of(target["Arn"])
    if service not in SERVICES or (service == "events" and ":event-bus/" not in target["Arn"]):
        what = f"targets of {service}" if service != "events" else "archives and API destinations"
        raise ValidationException(f"local AWS does not emulate {what} of EventBridge: {target['Arn']}")
    if target["Arn"].startswith("arn:aws:states:") and not target.get("RoleArn"):
        raise ValidationException(f"RoleArn is required for target {target['Arn']}.")
    transformer = target.get("InputTransformer")
    if transformer is None:
        return
    if reserved := PREDEFINED & set(transformer.get("InputPathsMap", {})):
        raise ValidationException(
            f"InputPathsMap for target {target['Id']} names reserved {', '.join(sorted(reserved))}."
        )
    if unknown := unknown_variables(transformer):
        raise ValidationException(f"InputTemplate for target {target['Id']} contains invalid placeholder {unknown[0]}.")


def _refuse_scheduler(patches: Patches) -> None:
    """moto keeps the schedules of EventBridge Scheduler and never fires them: silence where AWS would act."""

    def create_schedule(_self: EventBridgeSchedulerBackend, *_: Any, **named: Any) -> None:
        raise SchedulerValidationException(
            f"local AWS does not emulate EventBridge Scheduler (schedule {named.get('name')}); "
            "use a rule of EventBridge with a ScheduleExpression"
        )

    patches.replace(EventBridgeSchedulerBackend, "create_schedule", create_schedule)
