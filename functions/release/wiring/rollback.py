"""The rollback machine."""

from functools import cache

from release.flows.going_back import Choosing, Following, Starting
from release.wiring import clients, executions, records, registration, turns


@cache
def choosing() -> Choosing:
    return Choosing(records.table(), registration.registrar(), turns.aborting(), clients.now)


@cache
def starting() -> Starting:
    return Starting(records.table(), executions.machine())


@cache
def following() -> Following:
    return Following(records.table(), clients.now)
