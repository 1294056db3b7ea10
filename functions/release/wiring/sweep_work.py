"""The sweep's first step and its last."""

from collections.abc import Callable
from functools import cache

from release.contracts.sweep import ReportStep, SweepReport
from release.flows.finding_work import FindingWork
from release.flows.sweep_report import report
from release.wiring import clients, records, sources


@cache
def finding_work() -> FindingWork:
    return FindingWork(records.table(), sources.uploads(), sources.executions(), sources.pushes(), clients.now)


def reporting() -> Callable[[ReportStep], SweepReport]:
    return report
