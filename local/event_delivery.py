"""EventBridge's delivery: which targets an event goes to, when it is tried again, and where lost events lie."""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from local.event_input import Event, InvalidTemplateError, target_input
from local.event_targets import HOPELESS, INVALID_JSON, AuthorizeService, Sender, SendError, Targets
from local.faults import EventFailure, EventFault
from local.service_metrics import rule_counted
from local.world import ACCOUNT, REGION, World

logger = logging.getLogger(__name__)

SERVICE = "events.amazonaws.com"
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 300.0
_DEFAULT_RETRIES, _DEFAULT_AGE_S = 185, 24 * 3600


class Rule(Protocol):
    """A rule of an event bus, as the account keeps it."""

    arn: str
    state: str
    targets: list[dict[str, Any]]

    def matches(self, event: Event, /) -> bool: ...


class EventDelivery:
    """Delivers events to targets asynchronously, at least once, with retries and dead-letter queues.

    Args:
        rules: the rules of a bus, by the bus's name.
        authorize: judges by the policies of queues, topics and functions whether a rule may reach them.
    """

    def __init__(
        self, world: World, rules: Callable[[str], Iterable[Rule]], authorize: AuthorizeService | None = None
    ) -> None:
        self._world = world
        self._rules = rules
        self.targets = Targets(world, authorize)
        self._pool = ThreadPoolExecutor(16, "events")
        self._stopped = threading.Event()
        self.in_order = threading.RLock()
        """Held while events get their time and are handed over, so that a later time never goes first."""

    def emit(self, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        """An AWS service says on the default bus that something happened."""
        with self.in_order:
            self.publish(new_event(source, detail_type, detail, resources, self.now()), "default")

    def now(self) -> datetime:
        """The time that an event of this moment carries."""
        return self.dated(self._world.clock.now())

    def dated(self, at: datetime) -> datetime:
        """The time that an event of another moment carries: what the clock of events showed then."""
        return at + timedelta(seconds=self._world.faults.skew_s("events"))

    def publish(self, event: Event, bus: str) -> None:
        for rule in self._rules(bus):
            if rule.matches(event):
                self.deliver(rule, event)

    def deliver(self, rule: Rule, event: Event) -> None:
        """Hand an event to every target of a rule that it matched; returns at once."""
        if rule.state != "ENABLED" or self._stopped.is_set():
            return
        accepted_s = self._world.clock.time()
        for target in rule.targets:
            self._begin(_Delivery(rule.arn, target, event, accepted_s))

    def stop(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, delivery: "_Delivery") -> None:
        event, arn = delivery.event, delivery.target["Arn"]
        fault = self._world.faults.strike(
            EventFault, source=event["source"], detail_type=event["detail-type"], target=arn
        )
        if fault is None:
            self._pool.submit(self._attempt, delivery, 1)
            return
        logger.warning("a fault strikes event %s on its way to %s: %s", event["id"], arn, fault.failure)
        if fault.failure is EventFailure.DUPLICATED:
            self._pool.submit(self._attempt, delivery, 1)
        if fault.failure is not EventFailure.DROPPED:
            self._later(fault.delay_s, delivery, 1)

    def _attempt(self, delivery: "_Delivery", attempt: int) -> None:
        try:
            self._send(delivery)
            rule_counted(self._world.meter, delivery.rule_arn, "Invocations")
        except SendError as error:
            self._failed(delivery, attempt, error)
        except Exception:  # the pool would swallow it: a lost event must be seen
            logger.exception("delivery of %s to %s broke", delivery.event["id"], delivery.target["Arn"])

    def _send(self, delivery: "_Delivery") -> None:
        target = delivery.target
        try:
            body = target_input(target, delivery.event, delivery.about)
        except InvalidTemplateError as error:
            raise SendError(INVALID_JSON, str(error)) from error
        self.targets.send(target["Arn"], body, Sender(SERVICE, delivery.rule_arn, target.get("RoleArn")))

    def _failed(self, delivery: "_Delivery", attempt: int, error: SendError) -> None:
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(attempt - 1, 30))
        hopeless = error.code in HOPELESS
        exhausted = None if hopeless else delivery.exhausted(attempt, self._world.clock.time() + delay_s)
        if hopeless or exhausted:
            self._bury(delivery, error, attempt - 1, exhausted)
            return
        said = "%s did not take %s, attempt %d: %s"
        logger.warning(said, delivery.target["Arn"], delivery.event["id"], attempt, error)
        self._later(delay_s, delivery, attempt + 1)

    def _later(self, delay_s: float, *attempt: Any) -> None:
        def again() -> None:
            if not self._stopped.is_set():
                self._pool.submit(self._attempt, *attempt)

        timer = threading.Timer(self._world.clock.real_seconds(delay_s), again)
        timer.daemon = True
        timer.start()

    def _bury(self, delivery: "_Delivery", error: SendError, retries: int, exhausted: str | None) -> None:
        target, event = delivery.target, delivery.event
        grave = target.get("DeadLetterConfig", {}).get("Arn")
        said = "event %s never reached %s (%s: %s); dead-letter queue: %s"
        logger.error(said, event["id"], target["Arn"], error.code, error, grave)
        rule_counted(self._world.meter, delivery.rule_arn, "Invocations", "FailedInvocations")
        if grave is None:
            return
        attributes = {
            "RULE_ARN": delivery.rule_arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": str(error),
            "RETRY_ATTEMPTS": str(retries),
        }
        if exhausted:
            attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
        try:
            self.targets.send(grave, json.dumps(event), Sender(SERVICE, delivery.rule_arn), attributes)
            rule_counted(self._world.meter, delivery.rule_arn, "InvocationsSentToDlq")
        except SendError as refused:
            rule_counted(self._world.meter, delivery.rule_arn, "InvocationsFailedToBeSentToDlq")
            logger.error("dead-letter queue %s did not take %s: %s", grave, event["id"], refused)  # noqa: TRY400


@dataclass(frozen=True)
class _Delivery:
    """One event on its way to one target."""

    rule_arn: str
    target: Mapping[str, Any]
    event: Event
    accepted_s: float
    """AWS time."""

    @property
    def about(self) -> dict[str, str]:
        """Values of the template variables that EventBridge predefines."""
        return {
            "aws.events.rule-arn": self.rule_arn,
            "aws.events.rule-name": self.rule_arn.rpartition("/")[2],
            "aws.events.event.ingestion-time": event_time(datetime.fromtimestamp(self.accepted_s, UTC)),
        }

    def exhausted(self, attempts: int, next_attempt_s: float) -> str | None:
        """Which limit of the target's retry policy forbids another attempt at this AWS time; None if none does."""
        policy = self.target.get("RetryPolicy", {})
        if attempts > policy.get("MaximumRetryAttempts", _DEFAULT_RETRIES):
            return "MaximumRetryAttempts"
        if next_attempt_s - self.accepted_s > policy.get("MaximumEventAgeInSeconds", _DEFAULT_AGE_S):
            return "MaximumEventAgeInSeconds"
        return None


def new_event(
    source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str], at: datetime
) -> Event:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": event_time(at),
        "region": REGION,
        "resources": list(resources),
        "detail": dict(detail),
    }


def event_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
