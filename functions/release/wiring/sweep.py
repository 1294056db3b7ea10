"""The sweep."""

import os
from functools import cache

from release.adapters.drift_news import EventsAndNotices
from release.adapters.images import EcrImages
from release.flows.building import Where
from release.flows.collecting import Collecting
from release.flows.drawing import Drawing
from release.flows.drifting import Drifting, Ground
from release.flows.orphans import Orphans
from release.flows.recovering import Recovering
from release.flows.sweeping import Sweeping
from release.wiring import (
    clients,
    executions,
    fleet,
    intake,
    news,
    records,
    settings,
    settlement,
    sources,
    stores,
    turns,
    verification,
)


@cache
def _drifting() -> Drifting:
    ground = Ground(
        fleet.serving(),
        fleet.inventory(),
        fleet.alarms(),
        fleet.metrics(),
        stores.artifacts(),
        sources.uploads(),
        images=EcrImages(clients.client("ecr")),
        pushes=sources.pushes(),
        scaling=fleet.scaling(),
    )
    where = Where(os.environ["ARTIFACT_BUCKET"], os.environ["EXECUTION_ROLE_ARN"])
    told = EventsAndNotices(news.events(), settlement.notices())
    return Drifting(records.table(), ground, told, clients.stack(), where, clients.now)


@cache
def sweeping() -> Sweeping:
    table, queue = records.table(), turns.queue()
    settling, verifying = settlement.settling(), verification.verifying()
    orphans = Orphans(table, sources.executions(), executions.machine(), settling, verifying, queue, clients.now)
    recovering = Recovering(table, sources.uploads(), sources.pushes(), intake.intake(), clients.now)
    serving, inventory, alarms = fleet.serving(), fleet.inventory(), fleet.alarms()
    collecting = Collecting(table, serving, inventory, alarms, settings.settings(), clients.stack(), clients.now)
    region = clients.client("cloudwatch").meta.region_name
    drawing = Drawing(serving, fleet.dashboards(), clients.stack(), region)
    return Sweeping(orphans, recovering, _drifting(), collecting, drawing)
