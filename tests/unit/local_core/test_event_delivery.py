"""Delivery's own decisions: when it tries again, how often, and what it writes on what it gives up."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.clock import Clock
from local.event_delivery import EventDelivery, target_input
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
    role_arn: str | None = None

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
    assert attributes["ERROR_CODE"] == "ThrottlingException"


def test_an_event_that_grew_too_old_is_given_up_whatever_retries_are_left(deliver: Deliver) -> None:
    world = deliver(["ThrottlingException"] * 999, RetryPolicy={"MaximumEventAgeInSeconds": 600})

    [message] = world.taken["dead-letters"]
    assert message["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"
    # Waits of 1, 2, 4 … 256 AWS seconds make 511; the next one would end at 811.
    assert world.attempts <= 10


def test_a_target_that_is_gone_is_tried_once(deliver: Deliver) -> None:
    world = deliver(["AWS.SimpleQueueService.NonExistentQueue"])

    assert (world.attempts, list(world.taken)) == (1, ["dead-letters"])


@pytest.mark.parametrize(
    ("transformer", "expected"),
    [
        pytest.param(
            {"InputTemplate": '{"all": <aws.events.event>}'}, json.dumps({"all": EVENT}), id="the whole event"
        ),
        pytest.param(
            {"InputPathsMap": {"x": "$.detail.none"}, "InputTemplate": '{"x": <x>}'}, '{"x": null}', id="a missing path"
        ),
        pytest.param(
            {"InputPathsMap": {"d": "$.detail"}, "InputTemplate": '"<d> \\" <unknown>"'},
            '"{\\"n\\": 1} \\" <unknown>"',
            id="quotes",
        ),
    ],
)
def test_a_template_is_filled_with_json(transformer: dict[str, Any], expected: str) -> None:
    assert target_input({"InputTransformer": transformer}, EVENT) == expected
