"""What a person asks of an endpoint."""

import os
from functools import cache

from release.adapters.machine import StepFunctionsWakeUps
from release.flows.explaining import Explaining
from release.flows.operating import Operating
from release.flows.remembering import Remembering
from release.flows.removing import Removing
from release.wiring import approval, clients, fleet, records, stores, turns


@cache
def operating() -> Operating:
    table, serving, alarms, stack = records.table(), fleet.serving(), fleet.alarms(), clients.stack()
    machine = os.environ["OPERATE_MACHINE_ARN"]
    wakeups = StepFunctionsWakeUps(clients.client("stepfunctions"), machine_arn=machine)
    return Operating(
        table,
        serving,
        turns.queue(),
        approval.approving(),
        turns.aborting(),
        Explaining(table, serving, alarms, stack, clients.now),
        Remembering(table, stores.artifacts(), clients.now),
        stack,
        clients.now,
        wakeups,
        Removing(table, serving, fleet.inventory(), alarms, fleet.scaling(), fleet.dashboards(), stack, clients.now),
    )
