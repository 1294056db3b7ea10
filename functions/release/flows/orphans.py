"""Rollouts whose execution is dead: each gets the end that its execution owed it, or the start that it never had."""

from dataclasses import dataclass, field

from release.contracts.steps import LeasedStep, Settlement
from release.contracts.table import RolloutItem
from release.domain.lost import LOST_AFTER_S
from release.domain.phases import Phase, has_ended
from release.errors import AbortedError, LeaseLostError, RolloutFailedError
from release.flows.records import rollout_of
from release.flows.settling import Settling
from release.flows.stamps import seconds_since
from release.flows.turns import Queue
from release.flows.verifying import Verifying
from release.ports import Clock, Executions, Life, Machine, ReleaseTable

_DEAD = "its execution ended and left it open; the sweep closes it"


@dataclass
class Buried:
    """By rollout id."""

    settled: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    would: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Orphans:
    table: ReleaseTable
    executions: Executions
    machine: Machine
    settling: Settling
    verifying: Verifying
    queue: Queue
    now: Clock

    def bury(self, endpoint: str, *, dry_run: bool) -> Buried:
        """Settle or start them, free a lease that nobody alive holds, and let the next one go.

        Raises:
            EndpointBusyError: SageMaker still moves the endpoint for a dead one; its end can be told when it rests.
        """
        done = Buried()
        for rollout in self.table.rollouts(endpoint):
            if not has_ended(rollout.phase):
                self._care_for(rollout, done, dry_run=dry_run)
        if not dry_run:
            self._free_dead_lease(endpoint)
            self.queue.grant_next(endpoint)
        return done

    def _care_for(self, rollout: RolloutItem, done: Buried, *, dry_run: bool) -> None:
        execution_arn = rollout.execution_arn or self.executions.named(rollout.rollout_id)
        life = self.executions.life(execution_arn)
        if life is Life.RUNNING:
            return
        never_began = life is Life.UNKNOWN and rollout.execution_arn is None
        if never_began and seconds_since(rollout.created_at, self.now()) < LOST_AFTER_S:
            return
        # By hand the execution comes first and may only have planned: a rollout of its own is nothing to invent.
        starts = never_began and rollout.phase is Phase.RECEIVED and rollout.kind != "manual"
        if dry_run:
            done.would.append(f"{'start' if starts else 'settle'} rollout {rollout.rollout_id}")
        elif starts:
            self.machine.start(rollout.endpoint, rollout.rollout_id)
            done.started.append(rollout.rollout_id)
        elif self._settled(rollout, execution_arn):
            done.settled.append(rollout.rollout_id)

    def _settled(self, seen: RolloutItem, execution_arn: str) -> bool:
        """False: its execution settled it between two looks."""
        rollout = rollout_of(self.table, seen.endpoint, seen.rollout_id)
        if has_ended(rollout.phase):
            return False
        self.settling.settle(self._settlement(rollout, execution_arn))
        return True

    def _settlement(self, rollout: RolloutItem, execution_arn: str) -> Settlement:
        who = {"endpoint": rollout.endpoint, "rollout_id": rollout.rollout_id, "execution_arn": execution_arn}
        if not rollout.finish_line_at or not rollout.lease_token:
            return Settlement(**who, outcome="failed", error="RolloutFailedError", cause=_DEAD)
        # Past its finish line only the proof was missing, and the proof can be had now.
        step = LeasedStep(endpoint=rollout.endpoint, rollout_id=rollout.rollout_id, lease_token=rollout.lease_token)
        try:
            self.verifying.verify(step)
        except (RolloutFailedError, LeaseLostError, AbortedError) as error:
            return Settlement(**who, outcome="failed", error=type(error).__name__, cause=f"{_DEAD}: {error}")
        return Settlement(**who, outcome="live")

    def _free_dead_lease(self, endpoint: str) -> None:
        lease = self.table.lease(endpoint)
        if lease and lease.holder:
            holder = self.table.rollout(endpoint, lease.holder)
            if holder is None or has_ended(holder.phase):
                self.table.free_lease(lease)
