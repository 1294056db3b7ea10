"""A person's yes before traffic shifts."""

from functools import cache

from release.flows.approving import Approving
from release.wiring import clients, executions, records, settings


@cache
def approving() -> Approving:
    return Approving(records.table(), executions.waiters(), settings.settings(), clients.now)
