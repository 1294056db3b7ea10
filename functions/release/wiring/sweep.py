"""The sweep."""

import os
from collections.abc import Callable
from functools import cache

from release.adapters.drift_news import EventsAndNotices
from release.adapters.executions import StepFunctionsExecutions
from release.adapters.images import EcrImages
from release.adapters.pushes import EcrPushes
from release.adapters.uploads import S3Uploads
from release.contracts.sweep import ReportStep, SweepReport
from release.flows.building import Where
from release.flows.collecting import Collecting
from release.flows.drifting import Drifting, Ground
from release.flows.intake import TAG_PREFIX
from release.flows.orphans import Orphans
from release.flows.recovering import Recovering
from release.flows.sweeping import FindingWork, Sweeping, report
from release.wiring import (
    clients,
    executions,
    fleet,
    intake,
    news,
    records,
    settings,
    settlement,
    stores,
    turns,
    verification,
)


@cache
def _uploads() -> S3Uploads:
    return S3Uploads(clients.client("s3"), bucket=os.environ["ARTIFACT_BUCKET"])


@cache
def _pushes() -> EcrPushes:
    repository = os.environ["INFERENCE_REPOSITORY_URI"]
    return EcrPushes(clients.client("ecr"), repository_uri=repository, tag_prefix=TAG_PREFIX)


@cache
def _executions() -> StepFunctionsExecutions:
    return StepFunctionsExecutions(clients.client("stepfunctions"), machine_arn=os.environ["RELEASE_MACHINE_ARN"])


@cache
def _drifting() -> Drifting:
    ground = Ground(
        fleet.serving(),
        fleet.inventory(),
        fleet.alarms(),
        fleet.metrics(),
        stores.artifacts(),
        _uploads(),
        images=EcrImages(clients.client("ecr")),
        pushes=_pushes(),
        scaling=fleet.scaling(),
    )
    where = Where(os.environ["ARTIFACT_BUCKET"], os.environ["EXECUTION_ROLE_ARN"])
    told = EventsAndNotices(news.events(), settlement.notices())
    return Drifting(records.table(), ground, told, clients.stack(), where, clients.now)


@cache
def finding_work() -> FindingWork:
    return FindingWork(records.table(), _uploads(), _executions(), _pushes(), clients.now)


@cache
def sweeping() -> Sweeping:
    table, queue = records.table(), turns.queue()
    settling, verifying = settlement.settling(), verification.verifying()
    orphans = Orphans(table, _executions(), executions.machine(), settling, verifying, queue, clients.now)
    recovering = Recovering(table, _uploads(), _pushes(), intake.intake(), clients.now)
    serving, inventory, alarms = fleet.serving(), fleet.inventory(), fleet.alarms()
    collecting = Collecting(table, serving, inventory, alarms, settings.settings(), clients.stack(), clients.now)
    return Sweeping(orphans, recovering, _drifting(), collecting)


def reporting() -> Callable[[ReportStep], SweepReport]:
    return report
