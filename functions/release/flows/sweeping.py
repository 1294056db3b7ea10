"""The sweep: which endpoints need it, one endpoint at a time, and the sum of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release.contracts.steps import ExecutionInput
from release.contracts.sweep import (
    GRACE_S,
    MOST_NAMES,
    DriftItem,
    NotSwept,
    ReportStep,
    SweepInput,
    SweepReport,
    SweepStep,
    SweepWork,
    Swept,
)
from release.contracts.table import ImageItem
from release.domain.drift import Drift
from release.domain.lost import LOST_AFTER_S
from release.domain.names import name_problem
from release.errors import SweepIncompleteError
from release.flows.collecting import Collecting
from release.flows.drifting import Drifting
from release.flows.orphans import Orphans
from release.flows.recovering import Recovering
from release.flows.stamps import stamp
from release.ports import Clock, Executions, Pushes, ReleaseTable, Uploads


@dataclass(frozen=True, slots=True)
class FindingWork:
    table: ReleaseTable
    uploads: Uploads
    executions: Executions
    pushes: Pushes
    now: Clock

    def find(self, step: ExecutionInput) -> SweepWork:
        """The endpoints to sweep: the one that is named, or every one that has a record or a drop.

        Raises:
            InvalidInputError: the input breaks its contract.
        """
        asked = SweepInput.parse(step.input)
        if not asked.dry_run:
            self._note_newest_image()
        return SweepWork(
            endpoints=self._endpoints(asked),
            dry_run=bool(asked.dry_run),
            grace_seconds=GRACE_S if asked.grace_seconds is None else asked.grace_seconds,
        )

    def _endpoints(self, asked: SweepInput) -> tuple[str, ...]:
        if asked.endpoint:
            return (asked.endpoint,)
        if asked.execution:
            named = self._of_execution(asked.execution)
            return (named,) if named else ()
        recorded = {item.endpoint for item in self.table.endpoints()}
        dropped = {name for name in self.uploads.endpoints() if not name_problem(name)}
        return tuple(sorted(recorded | dropped))

    def _note_newest_image(self) -> None:
        """Remember the newest pushed image, should its event have been lost; each endpoint's sweep goes by it."""
        push = self.pushes.newest()
        if push and (self.now() - push.at).total_seconds() >= LOST_AFTER_S:
            self.table.push_image(
                ImageItem(pk="image", sk="newest", image=push.image, tag=push.tag, pushed_at=stamp(push.at))
            )

    def _of_execution(self, execution_arn: str) -> str | None:
        """The endpoint of an execution's input; None where the input names none, so that no rollout came of it."""
        given = self.executions.input_of(execution_arn)
        endpoint = given.get("endpoint") if isinstance(given, Mapping) else None
        return endpoint if isinstance(endpoint, str) and not name_problem(endpoint) else None


@dataclass(frozen=True, slots=True)
class Sweeping:
    orphans: Orphans
    recovering: Recovering
    drifting: Drifting
    collecting: Collecting

    def sweep(self, step: SweepStep) -> Swept:
        """Settle what died, start what was lost, look for drift, collect what nobody needs; twice does nothing more.

        Raises:
            EndpointBusyError: SageMaker still moves the endpoint for a rollout whose execution is dead.
        """
        buried = self.orphans.bury(step.endpoint, dry_run=step.dry_run)
        recovered = self.recovering.recover(step.endpoint, dry_run=step.dry_run)
        drift = self.drifting.look(step.endpoint, dry_run=step.dry_run)
        collected = self.collecting.collect(step.endpoint, grace_s=step.grace_seconds, dry_run=step.dry_run)
        return Swept(
            endpoint=step.endpoint,
            settled=tuple(buried.settled),
            started=(*buried.started, *recovered.started),
            passed_over=tuple(recovered.passed_over),
            drift=tuple(_item(each) for each in drift),
            collected=tuple(collected[:MOST_NAMES]),
            collected_count=len(collected),
            would=(*buried.would, *recovered.would),
            problems=tuple(recovered.problems),
        )


def report(step: ReportStep) -> SweepReport:
    """The sum over all endpoints.

    Raises:
        SweepIncompleteError: an endpoint could not be swept; the sentence names each and why.
    """
    failed = [NotSwept.parse(each) for each in step.results if _has_failed(each)]
    swept = [Swept.parse(each) for each in step.results if not _has_failed(each)]
    if failed:
        whys = "; ".join(f"{each.endpoint}: {each.failed}" for each in failed)
        raise SweepIncompleteError(f"{len(failed)} of {len(step.results)} endpoints were not swept: {whys}")
    drift = [each for one in swept for each in one.drift]
    sums = {
        "endpoints": len(swept),
        "settled": sum(len(one.settled) for one in swept),
        "started": sum(len(one.started) for one in swept),
        "passed_over": sum(len(one.passed_over) for one in swept),
        "drift": len(drift),
        "mended": sum(each.mended for each in drift),
        "collected": sum(one.collected_count for one in swept),
    }
    problems = tuple(problem for one in swept for problem in one.problems)
    return SweepReport(sentence=_sentence(sums, swept, dry_run=step.dry_run), problems=problems, **sums)


def _sentence(sums: Mapping[str, int], swept: list[Swept], *, dry_run: bool) -> str:
    found = f"{sums['endpoints']} endpoints, {sums['drift']} differences"
    if dry_run:
        would = sum(len(one.would) for one in swept)
        return f"would have swept {found}, {would} deeds and {sums['collected']} things to collect; nothing was changed"
    return (
        f"swept {found} ({sums['mended']} mended), {sums['settled']} dead rollouts settled, {sums['started']} started, "
        f"{sums['passed_over']} passed over, {sums['collected']} things collected"
    )


def _has_failed(result: Any) -> bool:
    return isinstance(result, dict) and "failed" in result


def _item(drift: Drift) -> DriftItem:
    return DriftItem(kind=drift.kind, subject=drift.subject, reason=drift.reason, mended=drift.mended)
