"""The sweep of one endpoint."""

from dataclasses import dataclass

from release.contracts.sweep import MOST_NAMES, DriftItem, SweepStep, Swept
from release.domain.drift import Drift
from release.flows.collecting import Collecting
from release.flows.drawing import Drawing
from release.flows.drifting import Drifting
from release.flows.orphans import Orphans
from release.flows.recovering import Recovering


@dataclass(frozen=True, slots=True)
class Sweeping:
    orphans: Orphans
    recovering: Recovering
    drifting: Drifting
    collecting: Collecting
    drawing: Drawing

    def sweep(self, step: SweepStep) -> Swept:
        """Settle what died, start what was lost, look for drift, collect, draw; twice does nothing more.

        Raises:
            EndpointBusyError: SageMaker still moves the endpoint for a rollout whose execution is dead.
        """
        buried = self.orphans.bury(step.endpoint, dry_run=step.dry_run)
        recovered = self.recovering.recover(step.endpoint, dry_run=step.dry_run)
        drift = self.drifting.look(step.endpoint, dry_run=step.dry_run)
        collected = self.collecting.collect(step.endpoint, grace_s=step.grace_seconds, dry_run=step.dry_run)
        drawn = self.drawing.draw(step.endpoint, dry_run=step.dry_run)
        return Swept(
            endpoint=step.endpoint,
            settled=tuple(buried.settled),
            started=(*buried.started, *recovered.started),
            passed_over=tuple(recovered.passed_over),
            drift=tuple(_item(each) for each in drift),
            collected=tuple(collected[:MOST_NAMES]),
            collected_count=len(collected),
            would=(*buried.would, *recovered.would, *drawn),
            problems=tuple(recovered.problems),
        )


def _item(drift: Drift) -> DriftItem:
    return DriftItem(kind=drift.kind, subject=drift.subject, reason=drift.reason, mended=drift.mended)
