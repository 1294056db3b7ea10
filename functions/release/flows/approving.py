"""The last stop before traffic moves: where a pause, a freeze and a missing approval hold a rollout back."""

from dataclasses import dataclass

from release.contracts.steps import ApprovalStep, Awaited
from release.contracts.table import EndpointItem, RolloutItem
from release.domain.turns import ROLLBACK
from release.flows.records import check_wanted, fence_of, rollout_of
from release.flows.stamps import stamp
from release.flows.turns import is_frozen
from release.ports import Clock, Policies, ReleaseTable, Waiters


@dataclass(frozen=True, slots=True)
class Approving:
    table: ReleaseTable
    waiters: Waiters
    policies: Policies
    now: Clock

    def await_approval(self, step: ApprovalStep) -> Awaited:
        """Keep the execution's token; it is answered, now or later, when nothing holds the rollout back.

        Raises:
            AbortedError: somebody asked for the rollout's end.
            InvalidInputError: the endpoint's settings break their contract.
            LeaseLostError: another rollout changes the endpoint now.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        check_wanted(rollout)
        self.table.renew_lease(fence_of(step, self.now()))
        if not self.held_back(rollout):
            self.waiters.succeed(step.task_token, {})
            return Awaited(waiting=False, reason="nothing holds it back")
        self.table.await_signal(rollout, "approval", step.task_token)
        # Whoever decided while the token was written found nobody to wake.
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        check_wanted(rollout)
        held_back = self.wake(rollout)
        return Awaited(waiting=bool(held_back), reason=held_back or "nothing holds it back any more")

    def wake(self, rollout: RolloutItem) -> str:
        """Let the rollout go on if it waits here and may; returns what still holds it back, or ''."""
        if rollout.awaiting != "approval" or rollout.task_token is None or rollout.abort:
            return ""
        held_back = self.held_back(rollout)
        if not held_back:
            self.waiters.succeed(rollout.task_token, {})
            self.table.stop_awaiting(rollout)
        return held_back

    def held_back(self, rollout: RolloutItem) -> str:
        """Why traffic must not move yet, as a sentence; empty if it may."""
        if stopped := stopped_by(rollout, self.table.endpoint(rollout.endpoint), stamp(self.now())):
            return stopped
        if rollout.kind == ROLLBACK:
            return ""
        if self.policies.policy(rollout.endpoint).require_approval and rollout.approval is None:
            return f"endpoint {rollout.endpoint} requires an approval; approve or abort the rollout"
        return ""


def stopped_by(rollout: RolloutItem, serving: EndpointItem | None, now: str) -> str:
    """Who paused the rollout or froze its endpoint, and why, as a sentence; empty if nobody did."""
    if rollout.paused:
        return f"{rollout.paused.by} paused it: {rollout.paused.reason}"
    if rollout.kind == ROLLBACK:
        return ""  # a person asked for it, and may need it most while everything else stands still
    if serving and serving.frozen and is_frozen(serving, now):
        return f"{serving.frozen.by} froze endpoint {rollout.endpoint}: {serving.frozen.reason}"
    return ""
