"""The looks at green, in its preflight and while it bakes."""

from functools import cache

from release.flows.baking import Baking
from release.flows.preflight import Preflighting
from release.flows.watching import Watching
from release.wiring import clients, fleet, records, settings, stores, turns


@cache
def preflighting() -> Preflighting:
    table, serving, artifacts, probes = records.table(), fleet.serving(), stores.artifacts(), fleet.probes()
    return Preflighting(table, serving, artifacts, probes, stores.schemas(), clients.stack(), clients.now)


@cache
def _baking() -> Baking:
    table, policies = records.table(), settings.settings()
    return Baking(table, fleet.metrics(), fleet.probes(), policies, clients.stack(), clients.now)


@cache
def watching() -> Watching:
    table, serving, metrics, probes = records.table(), fleet.serving(), fleet.metrics(), fleet.probes()
    aborting = turns.aborting()
    return Watching(table, serving, metrics, probes, aborting, preflighting(), _baking(), clients.stack(), clients.now)
