"""Who hears of what happened: subscribers of the bus, and CloudWatch."""

from functools import cache

from release.adapters.events import EventBridgeEvents
from release.adapters.measures import EmbeddedMeasures
from release.wiring import clients


@cache
def events() -> EventBridgeEvents:
    return EventBridgeEvents(clients.client("events"), stack=clients.stack())


@cache
def measures() -> EmbeddedMeasures:
    return EmbeddedMeasures(stack=clients.stack(), now=clients.now)
