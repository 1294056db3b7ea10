"""Waiting for one's turn at an endpoint: the queue, the lease, and who wakes whom.

Nobody polls for a turn. Whoever may have changed whose turn it is (a rollout that ended, one that began to wait, a
person) asks for the next turn to be granted; a waiting execution asks again every five minutes, should that get lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from release.contracts.steps import Awaited, TurnGranted, TurnStep
from release.contracts.table import EndpointItem, RolloutItem
from release.domain.phases import Phase, has_ended, may_follow
from release.domain.turns import ROLLBACK, Turn, next_turn, overtaken_by
from release.errors import LeaseHeldError, RolloutFailedError, ServiceUnavailableError
from release.flows.aborting import Aborting
from release.flows.records import LEASE_S, check_wanted, entry, rollout_of
from release.flows.stamps import stamp, stamp_after
from release.ports import Clock, ReleaseTable, Waiters

_WAITS = frozenset({Phase.PLANNED, Phase.WAITING})
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Queue:
    """The rollouts that wait for their turn at one endpoint."""

    table: ReleaseTable
    waiters: Waiters
    now: Clock

    def grant_next(self, endpoint: str) -> None:
        """Give the lease to whose turn it is, if it is free, and wake its execution; send home whom others overtook.

        Asking twice does nothing. Where two ask at once, one of them grants.
        """
        for _ in range(_ATTEMPTS):
            rollouts = {rollout.rollout_id: rollout for rollout in self.table.rollouts(endpoint)}
            waiting = self._waiting(rollouts)
            if not waiting or self._holder(endpoint):
                return
            chosen = next_turn(waiting, frozen=self._is_frozen(self.table.endpoint(endpoint)))
            if chosen is None or self._granted(rollouts[chosen.rollout_id]):
                return
        raise ServiceUnavailableError(
            f"nobody could be given the lease of endpoint {endpoint} in {_ATTEMPTS} attempts; others write as often"
        )

    def granted(self, rollout: RolloutItem) -> TurnGranted | None:
        """The rollout's own turn, if it has it."""
        lease = self.table.lease(rollout.endpoint)
        if lease is None or lease.holder != rollout.rollout_id:
            return None
        now = self.now()
        until = stamp_after(now, LEASE_S)
        token = self.table.take_lease(rollout, now=stamp(now), expires_at=until, or_stay=True)
        return TurnGranted(lease_token=token)

    def _holder(self, endpoint: str) -> str | None:
        return self.table.lease_holder(endpoint, stamp(self.now()))

    def _waiting(self, rollouts: Mapping[str, RolloutItem]) -> list[Turn]:
        turns = [_turn(rollout) for rollout in rollouts.values()]
        waiting = []
        for rollout in rollouts.values():
            if rollout.awaiting != "turn" or rollout.phase not in _WAITS:
                continue
            if later := overtaken_by(_turn(rollout), turns):
                self._send_home(rollout, "OvertakenError", overtaken(rollout, later))
            elif rollout.abort is None:
                waiting.append(_turn(rollout))
        return waiting

    def _send_home(self, rollout: RolloutItem, error: str, sentence: str) -> None:
        self.waiters.fail(rollout.task_token or "", error, sentence)
        self.table.stop_awaiting(rollout)

    def _granted(self, rollout: RolloutItem) -> bool:
        """False: look again, because its record has changed or its execution does not wait any more."""
        now = self.now()
        try:
            token = self.table.take_lease(rollout, now=stamp(now), expires_at=stamp_after(now, LEASE_S))
        except LeaseHeldError:
            return False
        answer = TurnGranted(lease_token=token).wire()
        woken = self.waiters.succeed(rollout.task_token or "", answer)
        self.table.stop_awaiting(rollout)
        if not woken and (lease := self.table.lease(rollout.endpoint)) and lease.holder == rollout.rollout_id:
            # It asks again within moments if it lives, and must not stand in everybody's way if it does not.
            self.table.free_lease(lease)
        return woken

    def _is_frozen(self, endpoint: EndpointItem | None) -> bool:
        return is_frozen(endpoint, stamp(self.now()))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Step "Await turn"."""

    table: ReleaseTable
    queue: Queue
    aborting: Aborting
    now: Clock

    def await_turn(self, step: TurnStep) -> Awaited:
        """Keep the execution's token; it is answered, now or later, with the lease's token.

        Raises:
            AbortedError: somebody asked for the rollout's end.
            RolloutFailedError: it has ended already.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        check_wanted(rollout)
        if has_ended(rollout.phase):
            raise RolloutFailedError(f"rollout {rollout.rollout_id} has ended as {rollout.phase}; start a new one")
        if turn := self.queue.granted(rollout):
            self.queue.waiters.succeed(step.task_token, turn.wire())
            self.table.stop_awaiting(rollout)
            return Awaited(waiting=False, reason=f"rollout {rollout.rollout_id} holds the lease already")
        self.table.await_signal(rollout, "turn", step.task_token)
        self.queue.grant_next(step.endpoint)
        return self._told(rollout_of(self.table, step.endpoint, step.rollout_id))

    def _told(self, rollout: RolloutItem) -> Awaited:
        check_wanted(rollout)
        if rollout.awaiting != "turn":
            return Awaited(waiting=False, reason="its turn was decided at once")
        reason = self._why_not(rollout)
        if may_follow(rollout.phase, Phase.WAITING):
            self.table.enter(rollout, entry(Phase.WAITING, reason, self.now()))
        return Awaited(waiting=True, reason=reason)

    def _why_not(self, rollout: RolloutItem) -> str:
        """Why it has to wait; a rollback does not wait for a rollout that it would undo, but asks for its end."""
        now = stamp(self.now())
        if rollout.paused:
            return f"{rollout.paused.by} paused it: {rollout.paused.reason}"
        holder = self.table.lease_holder(rollout.endpoint, now)
        if holder is None:
            serving = self.table.endpoint(rollout.endpoint)
            if serving and serving.frozen and is_frozen(serving, now):
                return f"{serving.frozen.by} froze endpoint {rollout.endpoint}: {serving.frozen.reason}"
            return f"another rollout goes first at endpoint {rollout.endpoint}"
        waits = f"{holder} is changing endpoint {rollout.endpoint}; rollout {rollout.rollout_id} waits"
        if rollout.kind != ROLLBACK:
            return waits
        asked = self.aborting.make_way(holder, rollout)
        return f"{waits}; {asked}" if asked else waits


def overtaken(rollout: RolloutItem, later: str) -> str:
    return f"rollout {later}, which was asked for later, takes the place of {rollout.rollout_id}"


def is_frozen(endpoint: EndpointItem | None, now: str) -> bool:
    """Whether no rollout but a rollback may begin; a freeze with an end is over when that has come."""
    frozen = endpoint.frozen if endpoint else None
    return frozen is not None and (frozen.until is None or frozen.until > now)


def _turn(rollout: RolloutItem) -> Turn:
    return Turn(rollout.rollout_id, rollout.kind, rollout.phase, rollout.created_at, held_back=bool(rollout.paused))
