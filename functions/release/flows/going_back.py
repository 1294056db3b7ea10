"""Bringing an earlier release back: a rollout like any other, of a release that exists already."""

from dataclasses import dataclass

from release.contracts.machines import RollbackInput
from release.contracts.steps import Chosen, ExecutionInput, Followed, RolloutStarted, RolloutStep
from release.contracts.table import ReleaseItem
from release.domain.keys import Source
from release.domain.phases import Phase, has_ended
from release.domain.plan import follow_seconds
from release.domain.rollback import NoRelease, PhaseEntered, last_good, live_at
from release.errors import ServiceUnavailableError, UnknownReleaseError
from release.flows.records import rollout_of
from release.flows.registration import Registrar, Wish, new_rollout
from release.flows.stamps import read_stamp, seconds_since, stamp
from release.ports import Clock, Machine, ReleaseTable

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Choosing:
    table: ReleaseTable
    registrar: Registrar
    now: Clock

    def choose(self, step: ExecutionInput) -> Chosen:
        """Register a rollout of the release to go back to.

        Raises:
            InvalidInputError: the input breaks its contract.
            UnknownReleaseError: there is no such release; a release that was named gets a rejected rollout.
        """
        asked = RollbackInput.parse(step.input)
        if known := self.registrar.known(asked.endpoint, step.execution_arn):
            if known.phase is Phase.REJECTED:
                raise UnknownReleaseError(known.reason)
            return Chosen(endpoint=asked.endpoint, rollout_id=known.rollout_id, release_id=known.release_id)
        aim = self._aim(asked)
        if isinstance(aim, NoRelease):
            raise UnknownReleaseError(aim.reason)
        release = self.table.release(asked.endpoint, aim)
        if release is None:
            raise UnknownReleaseError(self._reject(asked.endpoint, aim, step.execution_arn))
        rollout = self.registrar.register(release, self._wish(release, step.execution_arn))
        return Chosen(endpoint=asked.endpoint, rollout_id=rollout.rollout_id, release_id=release.release_id)

    def _aim(self, asked: RollbackInput) -> str | NoRelease:
        if asked.to:
            return asked.to
        history = [
            PhaseEntered(rollout.release_id, line.phase, read_stamp(line.at))
            for rollout in self.table.rollouts(asked.endpoint)
            for line in rollout.history
        ]
        if asked.at:
            return live_at(history, read_stamp(asked.at), asked.endpoint)
        serving = self.table.endpoint(asked.endpoint)
        return last_good(
            history,
            live_release=serving.live_release_id if serving else None,
            last_good_release=serving.last_good_release_id if serving else None,
            endpoint=asked.endpoint,
        )

    def _wish(self, release: ReleaseItem, seal: str) -> Wish:
        source = Source.published(release.artifact_id)
        return Wish("rollback", seal, str(source), f"asked to bring release {release.release_id} back")

    def _reject(self, endpoint: str, release_id: str, seal: str) -> str:
        """Leave a record of the refusal; returns its sentence."""
        reason = f"endpoint {endpoint} never had a release {release_id}; choose one that it has had"
        wish = Wish("rollback", seal, "published/", reason, Phase.REJECTED)
        for _ in range(_ATTEMPTS):
            before = [rollout for rollout in self.table.rollouts(endpoint) if rollout.release_id == release_id]
            # Without a release there is no counter; two who count at once are told apart by the table.
            number = 1 + max((int(rollout.rollout_id.partition("-")[2]) for rollout in before), default=0)
            if self.table.register(new_rollout(endpoint, release_id, number, wish, stamp(self.now())), seal):
                return reason
        raise ServiceUnavailableError(f"the refusal of release {release_id} got no number in {_ATTEMPTS} attempts")


@dataclass(frozen=True, slots=True)
class Following:
    table: ReleaseTable
    now: Clock

    def follow(self, step: RolloutStep) -> Followed:
        """Where the rollout stands; a release that was live already counts as brought back."""
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        serving = self.table.endpoint(step.endpoint)
        serves = serving is not None and serving.live_release_id == rollout.release_id
        live = rollout.phase in {Phase.LIVE, Phase.SUPERSEDED} or (rollout.phase is Phase.SKIPPED and serves)
        return Followed(
            phase=rollout.phase,
            ended=has_ended(rollout.phase),
            live=live,
            reason=rollout.reason,
            poll_seconds=follow_seconds(seconds_since(rollout.created_at, self.now())),
        )


@dataclass(frozen=True, slots=True)
class Starting:
    table: ReleaseTable
    machine: Machine

    def start(self, step: RolloutStep) -> RolloutStarted:
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        execution_arn = self.machine.start(rollout.endpoint, rollout.rollout_id)
        return RolloutStarted(execution_arn=execution_arn, poll_seconds=follow_seconds(age_s=0))
