"""Delivery's own decisions: when it tries again, how often, and what it writes on what it gives up."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto.core.exceptions import ServiceException

from local.clock import Clock
from local.event_delivery import EventDelivery
from local.event_targets import code_of
from local.faults import ClockFault, EventFailure, EventFault
from local.world import World

QUEUE = "arn:aws:sqs:us-east-1:123456789012:target"
GRAVE = "arn:aws:sqs:us-east-1:123456789012:dead-letters"
EVENT = {"id": "e-1", "source": "test", "detail-type": "Thing Made", "resources": [], "detail": {"n": 1}}


@dataclass
class FakeWorld(World):
    """A world whose queues refuse as told and remember what they took."""

    refusals: list[str] = field(default_factory=list)
    attempts: int = 0
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    settled: threading.Event = field(default_factory=threading.Event)

    def client(self, *_: Any, **__: Any) -> Any:
        return self

    def send_message(self, **message: Any) -> None:
        name = message["QueueUrl"].rsplit("/", 1)[-1]
        if name == "target":
            self.attempts += 1
            if self.refusals:
                raise ClientError({"Error": {"Code": self.refusals.pop(0), "Message": "no"}}, "SendMessage")
        self.taken.setdefault(name, []).append(message)
        self.settled.set()


@dataclass
class FakeRule:
    targets: list[dict[str, Any]]
    arn: str = "arn:aws:events:us-east-1:123456789012:rule/r"
    state: str = "ENABLED"

    def matches(self, _: dict[str, Any], /) -> bool:
        return True


Deliver = Callable[..., FakeWorld]


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    def delivered(refusals: list[str], **target: Any) -> FakeWorld:
        world = FakeWorld(port=1, state_dir=tmp_path, clock=Clock(scale=10_000), refusals=refusals)
        delivery = EventDelivery(world, lambda _: [])
        delivery.deliver(FakeRule([{"Arn": QUEUE, "DeadLetterConfig": {"Arn": GRAVE}, **target}]), EVENT)
        assert world.settled.wait(5), "neither the target nor the dead-letter queue took the event"
        delivery.stop()
        return world

    return delivered


def test_a_target_that_is_busy_gets_the_event_later(deliver: Deliver) -> None:
    world = deliver(["ThrottlingException"] * 3)

    assert (world.attempts, list(world.taken)) == (4, ["target"])


def test_a_target_that_is_busy_for_too_long_loses_the_event_to_the_dead_letter_queue(deliver: Deliver) -> None:
    world = deliver(["ThrottlingException"] * 9, RetryPolicy={"MaximumRetryAttempts": 2})

    [message] = world.taken["dead-letters"]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert world.attempts == 3
    assert json.loads(message["MessageBody"]) == EVENT
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["RETRY_ATTEMPTS"] == "2"
    assert attributes["ERROR_CODE"] == "THROTTLING"


def test_an_event_that_grew_too_old_is_given_up_whatever_retries_are_left(deliver: Deliver) -> None:
    world = deliver(["ThrottlingException"] * 999, RetryPolicy={"MaximumEventAgeInSeconds": 600})

    [message] = world.taken["dead-letters"]
    assert message["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"
    # Waits of 1, 2, 4 … 256 AWS seconds make 511; the next one would end at 811.
    assert world.attempts <= 10


def test_a_target_that_is_gone_is_tried_once(deliver: Deliver) -> None:
    world = deliver(["AWS.SimpleQueueService.NonExistentQueue"])

    assert (world.attempts, list(world.taken)) == (1, ["dead-letters"])


def denied(service: str, action: str, resource: str, context: Mapping[str, str]) -> None:
    """A judge who lets rules reach the dead-letter queue and nothing else."""
    if resource != GRAVE:
        raise ServiceException(f"{service} may not {action} for {context['aws:SourceArn']}")


def test_a_refused_delivery_goes_straight_to_the_dead_letter_queue(tmp_path: Path) -> None:
    world = FakeWorld(port=1, state_dir=tmp_path, clock=Clock(scale=10_000))
    delivery = EventDelivery(world, lambda _: [], denied)
    rule = FakeRule([{"Arn": QUEUE, "DeadLetterConfig": {"Arn": GRAVE}}])

    delivery.deliver(rule, EVENT)

    assert world.settled.wait(5)
    delivery.stop()
    [message] = world.taken["dead-letters"]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert world.attempts == 0
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == ("NO_PERMISSIONS", "0")
    assert attributes["ERROR_MESSAGE"] == f"events.amazonaws.com may not sqs:SendMessage for {rule.arn}"


def test_a_state_machine_is_not_started_without_a_role(deliver: Deliver) -> None:
    world = deliver([], Arn="arn:aws:states:us-east-1:123456789012:stateMachine:m")

    assert world.taken["dead-letters"][0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


# Codes of "Using dead-letter queues to process undelivered events", EventBridge User Guide.
@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, "THROTTLING"),
        ("TooManyRequestsException", 429, "THROTTLING"),
        ("AccessDeniedException", 403, "NO_PERMISSIONS"),
        ("AuthorizationError", 403, "NO_PERMISSIONS"),
        ("ResourceNotFoundException", 404, "NO_RESOURCE"),
        ("StateMachineDoesNotExist", 400, "NO_RESOURCE"),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, "NO_RESOURCE"),
        ("ValidationException", 400, "INVALID_PARAMETER"),
        ("ServiceException", 500, "ERROR_FROM_TARGET"),
        ("Strange", 418, "UNKNOWN"),
    ],
)
def test_why_a_target_refused_is_said_in_eventbridges_words(code: str, status: int, expected: str) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    assert code_of(ClientError(answer, "Call")) == expected


def test_a_template_that_gives_no_json_is_not_tried_again(deliver: Deliver) -> None:
    world = deliver([], InputTransformer={"InputTemplate": "{broken"})

    assert world.attempts == 0
    assert world.taken["dead-letters"][0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "INVALID_JSON"


# Faults -------------------------------------------------------------------------------------------------------------


def test_a_dropped_event_reaches_nobody_and_leaves_no_trace(tmp_path: Path) -> None:
    world = FakeWorld(port=1, state_dir=tmp_path, clock=Clock(scale=10_000))
    world.faults.set(EventFault(failure=EventFailure.DROPPED, source="test", times=1))
    delivery = EventDelivery(world, lambda _: [])
    rule = FakeRule([{"Arn": QUEUE, "DeadLetterConfig": {"Arn": GRAVE}}])

    delivery.deliver(rule, {**EVENT, "id": "lost"})
    delivery.deliver(rule, EVENT)

    assert world.settled.wait(5)
    delivery.stop()
    assert ids_in(world, "target") == ["e-1"]
    assert "dead-letters" not in world.taken


def test_a_duplicated_event_comes_twice_with_one_id(tmp_path: Path) -> None:
    world = FakeWorld(port=1, state_dir=tmp_path, clock=Clock(scale=1000))
    world.faults.set(EventFault(failure=EventFailure.DUPLICATED, delay_s=50, target=QUEUE))
    delivery = EventDelivery(world, lambda _: [])

    delivery.deliver(FakeRule([{"Arn": QUEUE}]), EVENT)

    until(lambda: len(world.taken.get("target", [])) == 2)
    delivery.stop()
    assert ids_in(world, "target") == ["e-1", "e-1"]


def test_a_delayed_event_comes_behind_a_younger_one(tmp_path: Path) -> None:
    world = FakeWorld(port=1, state_dir=tmp_path, clock=Clock(scale=100))
    world.faults.set(EventFault(failure=EventFailure.DELAYED, delay_s=60, times=1))
    delivery = EventDelivery(world, lambda _: [])
    rule = FakeRule([{"Arn": QUEUE}])

    delivery.deliver(rule, {**EVENT, "id": "older"})
    delivery.deliver(rule, {**EVENT, "id": "younger"})

    until(lambda: len(world.taken.get("target", [])) == 2)
    delivery.stop()
    assert ids_in(world, "target") == ["younger", "older"]


def ids_in(world: FakeWorld, queue: str) -> list[str]:
    return [json.loads(message["MessageBody"])["id"] for message in world.taken.get(queue, [])]


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, "not within 10 s"
        time.sleep(0.005)


# Properties ---------------------------------------------------------------------------------------------------------

RETRIED = ["ThrottlingException", "ServiceUnavailable", "InternalError"]
FATAL = ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue", "ValidationException"]


@given(
    refusals=st.lists(st.sampled_from(RETRIED * 3 + FATAL), max_size=8),
    retries=st.integers(0, 6),
    duplicated=st.booleans(),
)
def test_an_event_arrives_at_least_once_or_lies_in_the_dead_letter_queue(
    refusals: list[str], retries: int, *, duplicated: bool
) -> None:
    world = FakeWorld(port=1, state_dir=Path(), clock=Clock(scale=1e4), refusals=list(refusals))
    if duplicated:
        world.faults.set(EventFault(failure=EventFailure.DUPLICATED, times=1))
    delivery = EventDelivery(world, lambda _: [])
    target = {"Arn": QUEUE, "DeadLetterConfig": {"Arn": GRAVE}, "RetryPolicy": {"MaximumRetryAttempts": retries}}

    delivery.deliver(FakeRule([target]), EVENT)

    copies = 2 if duplicated else 1
    until(lambda: sum(map(len, world.taken.values())) == copies)
    delivery.stop()
    assert ids_in(world, "target") + ids_in(world, "dead-letters") == ["e-1"] * copies
    # The first that heals nothing, or the first after all retries, decides when nothing else disturbs.
    fatal = next((number for number, code in enumerate(refusals) if code in FATAL), len(refusals))
    if not duplicated:
        lost = min(fatal, retries) < len(refusals)
        assert bool(ids_in(world, "dead-letters")) is lost


@given(
    scale=st.floats(0.1, 1e6),
    pauses_s=st.lists(st.floats(0, 2), min_size=1, max_size=10),
    skew_s=st.floats(-1e5, 1e5).filter(bool),
)
def test_the_order_of_events_stays_true_at_any_time_scale(scale: float, pauses_s: list[float], skew_s: float) -> None:
    clock = Clock(scale)
    world = FakeWorld(port=1, state_dir=Path(), clock=clock)
    world.faults.set(ClockFault(part="events", skew_s=skew_s))
    seen: list[dict[str, Any]] = []
    delivery = EventDelivery(world, lambda _: [Recorder(seen)])
    before = clock.now()

    for number, pause_s in enumerate(pauses_s):
        clock.sleep(min(pause_s, 0.001 * scale))
        delivery.emit("test", "Thing Made", {"n": number}, [])

    after = clock.now()
    delivery.stop()
    times = [datetime.fromisoformat(event["time"]) for event in seen]
    assert [event["detail"]["n"] for event in seen] == list(range(len(pauses_s)))
    assert times == sorted(times)
    skew, second = timedelta(seconds=skew_s), timedelta(seconds=1)  # an event's time has whole seconds
    assert before + skew - second <= times[0]
    assert times[-1] <= after + skew


class Recorder(FakeRule):
    """A rule without targets that remembers what it was asked about, in order."""

    def __init__(self, seen: list[dict[str, Any]]) -> None:
        super().__init__([])
        self._seen = seen

    def matches(self, event: dict[str, Any], /) -> bool:
        self._seen.append(event)
        return False
