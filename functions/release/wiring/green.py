"""Green, from its model to the shift of traffic."""

import os
from functools import cache

from release.flows.shifting import Creating, Shifting
from release.wiring import clients, fleet, records


@cache
def creating() -> Creating:
    bucket, role = os.environ["ARTIFACT_BUCKET"], os.environ["EXECUTION_ROLE_ARN"]
    table, serving, alarms, metrics = records.table(), fleet.serving(), fleet.alarms(), fleet.metrics()
    return Creating(table, serving, alarms, metrics, clients.stack(), bucket, role, clients.now)


@cache
def shifting() -> Shifting:
    table, serving, alarms, metrics = records.table(), fleet.serving(), fleet.alarms(), fleet.metrics()
    return Shifting(table, serving, alarms, metrics, clients.stack(), clients.now, fleet.scaling())
