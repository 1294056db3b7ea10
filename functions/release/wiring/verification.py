"""The proof that a release serves."""

from functools import cache

from release.flows.verifying import Verifying
from release.wiring import clients, fleet, records


@cache
def verifying() -> Verifying:
    return Verifying(records.table(), fleet.serving(), fleet.probes(), clients.stack(), clients.now)
