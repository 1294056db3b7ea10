"""EventBridge's delivery: what an event matches, what each target receives, where lost events go."""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from jsonpath_ng.ext.parser import parse as parse_json_path

from local.world import ACCOUNT, REGION, World

logger = logging.getLogger(__name__)

Event = dict[str, Any]
Target = dict[str, Any]

# What no second attempt heals: EventBridge sends such an event to the dead-letter queue at once.
_HOPELESS = frozenset(
    {
        "AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidArn",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
        "ValidationException",
    }
)
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 300.0
_DEFAULT_RETRIES, _DEFAULT_AGE_S = 185, 24 * 3600
# A template's tokens: an escaped character, a quotation mark, or a name to fill in.
_TEMPLATE_TOKEN = re.compile(r'\\.|"|<([A-Za-z0-9_.\-]+)>', re.DOTALL)


class Rule(Protocol):
    """A rule of an event bus, as the account keeps it."""

    arn: str
    state: str
    role_arn: str | None
    targets: list[Target]

    def matches(self, event: Event, /) -> bool: ...


class NotEmulatedError(Exception):
    """The target's service is none that the embedded AWS can deliver to."""


class EventDelivery:
    """Delivers events to targets asynchronously, with retries and dead-letter queues.

    Args:
        rules: the rules of a bus, by the bus's name.
    """

    def __init__(self, world: World, rules: Callable[[str], Iterable[Rule]]) -> None:
        self._world = world
        self._rules = rules
        self._pool = ThreadPoolExecutor(16, "events")
        self._stopped = threading.Event()

    def emit(self, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        """An AWS service says on the default bus that something happened."""
        self.publish(new_event(source, detail_type, detail, resources, self._world.clock.now()), "default")

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
            self._pool.submit(self._attempt, _Delivery(rule.arn, target, event, accepted_s), 1)

    def stop(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def send(self, arn: str, body: str, attributes: dict[str, str] | None = None) -> None:
        """Give one body to the resource that the ARN names.

        Raises:
            NotEmulatedError: the ARN's service is none that can be delivered to here.
            ClientError: the resource refused, or does not exist.
        """
        service = arn.split(":")[2]
        deliver = {
            "lambda": self._to_lambda,
            "states": self._to_states,
            "sqs": self._to_sqs,
            "sns": self._to_sns,
            "events": self._to_bus,
        }.get(service)
        if deliver is None:
            raise NotEmulatedError(f"local AWS does not emulate EventBridge targets of {service}: {arn}")
        deliver(arn, body, attributes or {})

    def _attempt(self, delivery: "_Delivery", attempt: int) -> None:
        try:
            self.send(delivery.target["Arn"], target_input(delivery.target, delivery.event))
        except (ClientError, BotoCoreError, NotEmulatedError, ValueError) as error:
            self._failed(delivery, attempt, error)
        except Exception:  # the pool would swallow it: a lost event must be seen
            logger.exception("delivery of %s to %s broke", delivery.event["id"], delivery.target["Arn"])

    def _failed(self, delivery: "_Delivery", attempt: int, error: Exception) -> None:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (attempt - 1))
        hopeless = not isinstance(error, (ClientError, BotoCoreError)) or code in _HOPELESS
        exhausted = None if hopeless else delivery.exhausted(attempt, self._world.clock.time() + delay_s)
        if hopeless or exhausted:
            why = {"code": code, "message": str(error), "attempts": attempt - 1, "condition": exhausted}
            self._bury(delivery, why)
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

    def _bury(self, delivery: "_Delivery", why: dict[str, Any]) -> None:
        target, event = delivery.target, delivery.event
        grave = target.get("DeadLetterConfig", {}).get("Arn")
        logger.error(
            "event %s never reached %s (%s); dead-letter queue: %s", event["id"], target["Arn"], why["message"], grave
        )
        if grave is None:
            return
        attributes = {
            "RULE_ARN": delivery.rule_arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": why["code"],
            "ERROR_MESSAGE": why["message"],
            "RETRY_ATTEMPTS": str(why["attempts"]),
        }
        if why["condition"]:
            attributes["EXHAUSTED_RETRY_CONDITION"] = why["condition"]
        try:
            self.send(grave, json.dumps(event), attributes)
        except (ClientError, BotoCoreError, NotEmulatedError) as error:
            logger.error("dead-letter queue %s did not take %s: %s", grave, event["id"], error)  # noqa: TRY400

    def _to_lambda(self, arn: str, body: str, _: dict[str, str]) -> None:
        self._world.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=body)

    def _to_states(self, arn: str, body: str, _: dict[str, str]) -> None:
        self._world.client("stepfunctions").start_execution(stateMachineArn=arn, input=body, name=str(uuid.uuid4()))

    def _to_sqs(self, arn: str, body: str, attributes: dict[str, str]) -> None:
        account, name = arn.split(":")[4:6]
        self._world.client("sqs").send_message(
            QueueUrl=f"{self._world.url}/{account}/{name}",
            MessageBody=body,
            MessageAttributes=_message_attributes(attributes),
        )

    def _to_sns(self, arn: str, body: str, attributes: dict[str, str]) -> None:
        self._world.client("sns").publish(TopicArn=arn, Message=body, MessageAttributes=_message_attributes(attributes))

    def _to_bus(self, arn: str, body: str, _: dict[str, str]) -> None:
        event = json.loads(body)
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"],
            "EventBusName": arn,
        }
        self._world.client("events").put_events(Entries=[entry])


@dataclass(frozen=True)
class _Delivery:
    """One event on its way to one target."""

    rule_arn: str
    target: Target
    event: Event
    accepted_s: float
    """AWS time."""

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


def target_input(target: Target, event: Event) -> str:
    """What the target receives: a constant `Input`, a part of the event, a template filled from it, or the event.

    Raises:
        ValueError: the template does not give a string or JSON.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(_select(target["InputPath"], event))
    if "InputTransformer" in target:
        return _transform(target["InputTransformer"], event)
    return json.dumps(event)


def _select(path: str, event: Event) -> Any:
    found = parse_json_path(path).find(event)
    return found[0].value if found else None


def _transform(transformer: dict[str, Any], event: Event) -> str:
    """Fill `<name>` in the template: inside quotes as text, elsewhere as JSON."""
    values: dict[str, Any] = {name: _select(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values["aws.events.event.json"] = values["aws.events.event"] = event
    quoted = False

    def fill(token: re.Match[str]) -> str:
        nonlocal quoted
        if token[0] == '"':
            quoted = not quoted
        if token[1] not in values:
            return token[0]
        value = values[token[1]]
        if not quoted:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return _TEMPLATE_TOKEN.sub(fill, transformer["InputTemplate"])


def _message_attributes(attributes: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": value or "-"} for name, value in attributes.items()}
