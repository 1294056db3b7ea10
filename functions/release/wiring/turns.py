"""What a rollout waits for before it begins, and how it is ended early."""

from functools import cache

from release.flows.aborting import Aborting
from release.flows.turns import Queue, Waiting
from release.wiring import clients, executions, fleet, records


@cache
def queue() -> Queue:
    return Queue(records.table(), executions.waiters(), clients.now)


@cache
def aborting() -> Aborting:
    return Aborting(records.table(), executions.waiters(), fleet.metrics(), clients.now)


@cache
def waiting() -> Waiting:
    return Waiting(records.table(), queue(), aborting(), clients.now)
