"""One update under way: what it leads from and to, and what its strategy may do with either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.faults import FaultBoard
from local.sagemaker.behaviour import Behaviour
from local.sagemaker.deployments import traffic
from local.sagemaker.deployments.guard import Guard
from local.sagemaker.deployments.journal import Journal
from local.sagemaker.deployments.policy import Counts, DeploymentPolicy, TrafficStep
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.statuses import VariantStage


class RollbackFailedError(Exception):
    """There is no way back: the endpoint goes on with what it has of both configs. The message says why."""


@dataclass(frozen=True)
class Deployment:
    """What the strategies share: the messages of the stages are those of SageMaker's event examples.

    Attributes:
        old: what served before, the config that counts as current first; two where a rollback had failed.
        old_counts: how many instances of each variant that had when the update began.
        new: the fleet to come, not started.
    """

    journal: Journal
    policy: DeploymentPolicy
    guard: Guard
    behaviour: Behaviour
    faults: FaultBoard
    old: Sequence[Fleet]
    old_counts: Counts
    new: Fleet

    @property
    def new_runs(self) -> bool:
        return any(variant.instances for variant in self.new.variants.values())

    def start(self, counts: Counts) -> None:
        """Bring the new fleet up with these counts.

        Raises:
            LaunchError: an instance cannot come into service.
            DeploymentFailedError: an alarm or the time limit speaks against it.
        """
        self.journal.stage_new(self.new, VariantStage.CREATING, _each("Launching {} instance(s).", counts))
        for name, count in counts.items():
            self.new.variants[name].desired = count
        self.new.start(self.guard.while_provisioning)

    def grow(self, counts: Counts) -> None:
        """Bring the new variants up to these counts; raises as `start` does."""
        missing = {name: count - self.new.variants[name].desired for name, count in counts.items()}
        self.journal.stage_new(self.new, VariantStage.CREATING, _each("Launching {} instance(s).", missing))
        for name, count in counts.items():
            self.new.resize(name, count, self.guard.while_provisioning)

    def shift(self, step: TrafficStep) -> None:
        """Give the new fleet its part of the traffic, and let it bake."""
        kind = "full" if step.is_full else "batch" if self.policy.rolling else "canary"
        activating = f"Activating traffic on {kind} capacity of {{}} instance(s)."
        self.journal.stage_new(self.new, VariantStage.ACTIVATING_TRAFFIC, _each(activating, step.capacity))
        self.journal.route(traffic.between(self.old, self.new, step.share))
        if step.bake_s:
            self._stage_baking("WaitIntervalInSeconds", step.bake_s, kind, step.capacity)
            self.guard.bake(step.bake_s)

    def wait_for_termination(self) -> None:
        """Keep the old fleet standing without traffic for TerminationWaitInSeconds."""
        if self.policy.termination_wait_s:
            wait_s = self.policy.termination_wait_s
            self._stage_baking("TerminationWaitInSeconds", wait_s, "full", self.policy.steps[-1].capacity)
            self.guard.wait_for_termination(wait_s)

    def end_new(self) -> None:
        """Terminate the new fleet; the traffic has left it."""
        going = {name: len(variant.instances) for name, variant in self.new.variants.items()}
        if any(going.values()):
            self.journal.stage_new(self.new, VariantStage.DELETING, _each("Terminating {} instance(s).", going))
        self.new.end()

    def end_old(self) -> None:
        """Terminate what served before; the traffic has left it. Here is the point of no return."""
        going = {name: variant.desired for name, variant in self.journal.endpoint.variants().items()}
        self.journal.stage_live(VariantStage.DELETING, _each("Terminating {} instance(s).", going))
        for fleet in self.old:
            fleet.end()

    def _stage_baking(self, field: str, wait_s: float, kind: str, capacity: Counts) -> None:
        said = f"Baking for {wait_s:g} seconds ({field}) with traffic enabled on {kind} capacity of {{}} instance(s)."
        self.journal.stage_new(self.new, VariantStage.BAKING, _each(said, capacity))


def _each(message: str, counts: Counts) -> Mapping[str, str]:
    return {name: message.format(count) for name, count in counts.items()}
