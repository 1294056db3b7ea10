"""The sweep's first step: which endpoints need it."""

from collections.abc import Mapping
from dataclasses import dataclass

from release.contracts.steps import ExecutionInput
from release.contracts.sweep import GRACE_S, SweepInput, SweepWork
from release.contracts.table import ImageItem
from release.domain.lost import LOST_AFTER_S
from release.domain.names import name_problem
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
