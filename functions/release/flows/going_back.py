"""Bringing an earlier release back: a rollout like any other, of a release that exists already."""

from dataclasses import dataclass

from release.contracts.machines import RollbackInput
from release.contracts.steps import Chosen, ExecutionInput, Followed, FollowStep, RolloutStarted, RolloutStep
from release.contracts.table import EndpointItem, ReleaseItem, RolloutItem
from release.domain.keys import Source
from release.domain.phases import Phase, has_ended
from release.domain.plan import follow_seconds
from release.domain.rollback import NoRelease, PhaseEntered, last_good, live_at
from release.domain.turns import ROLLBACK
from release.errors import ServiceUnavailableError, UnknownReleaseError
from release.flows.aborting import Aborting
from release.flows.records import rollout_of
from release.flows.registration import Registrar, Wish, new_rollout
from release.flows.stamps import read_stamp, seconds_since, stamp
from release.ports import Clock, Machine, ReleaseTable

_ATTEMPTS = 8
_SHIFTS = frozenset({Phase.SHIFTING, Phase.BAKING})


@dataclass(frozen=True, slots=True)
class Choosing:
    table: ReleaseTable
    registrar: Registrar
    aborting: Aborting
    now: Clock

    def choose(self, step: ExecutionInput) -> Chosen:
        """Register a rollout of the release to go back to; while blue still stands, end the rollout that replaces it.

        Raises:
            InvalidInputError: the input breaks its contract.
            UnknownReleaseError: there is no such release; a release that was named gets a rejected rollout.
        """
        asked = RollbackInput.parse(step.input)
        if known := self.registrar.known(asked.endpoint, step.execution_arn):
            return self._again(known)
        shifting, blue = self._under_way(asked.endpoint)
        aim = self._aim(asked, blue if shifting else None)
        if isinstance(aim, NoRelease):
            raise UnknownReleaseError(aim.reason)
        if shifting and aim == blue and not shifting.finish_line_at:
            self.table.bind_seal(step.execution_arn, shifting)
            return self._end(shifting, aim)
        release = self.table.release(asked.endpoint, aim)
        if release is None:
            raise UnknownReleaseError(self._reject(asked.endpoint, aim, step.execution_arn))
        rollout = self.registrar.register(release, self._wish(release, step.execution_arn))
        return Chosen(endpoint=asked.endpoint, rollout_id=rollout.rollout_id, release_id=release.release_id)

    def _again(self, known: RolloutItem) -> Chosen:
        """What an earlier attempt of this execution has chosen already."""
        if known.phase is Phase.REJECTED:
            raise UnknownReleaseError(known.reason)
        if known.kind == ROLLBACK:
            return Chosen(endpoint=known.endpoint, rollout_id=known.rollout_id, release_id=known.release_id)
        serving = self.table.endpoint(known.endpoint)
        blue = (serving.live_release_id or "") if serving else ""
        if serving and blue == known.release_id:  # it went live nevertheless
            blue = serving.last_good_release_id or ""
        return self._end(known, blue)

    def _end(self, shifting: RolloutItem, blue: str) -> Chosen:
        if not has_ended(shifting.phase):
            self.aborting.abort(shifting, by="a rollback", reason=f"release {blue} shall serve again")
        return Chosen(endpoint=shifting.endpoint, rollout_id=shifting.rollout_id, release_id=blue)

    def _under_way(self, endpoint: str) -> tuple[RolloutItem | None, str]:
        """The rollout that shifts traffic now, if it replaces a release, and the release that it replaces."""
        serving = self.table.endpoint(endpoint)
        holder = self.table.lease_holder(endpoint, stamp(self.now()))
        rollout = self.table.rollout(endpoint, holder) if holder else None
        blue = (serving.live_release_id or "") if serving else ""
        return (rollout, blue) if rollout and blue and rollout.phase in _SHIFTS else (None, "")

    def _aim(self, asked: RollbackInput, blue: str | None) -> str | NoRelease:
        """
        Args:
            blue: the release that is being replaced right now: what "back" means to whoever watches that happen.
        """
        if asked.to:
            return asked.to
        history = [
            PhaseEntered(rollout.release_id, line.phase, read_stamp(line.at))
            for rollout in self.table.rollouts(asked.endpoint)
            for line in rollout.history
        ]
        if asked.at:
            return live_at(history, read_stamp(asked.at), asked.endpoint)
        if blue:
            return blue
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

    def follow(self, step: FollowStep) -> Followed:
        """Where the rollout stands; a release that was live already, or stayed, counts as brought back."""
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        serving = self.table.endpoint(step.endpoint)
        live = _brought(rollout, serving) if rollout.release_id == step.release_id else _stayed(step, rollout, serving)
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
        # A rollout that a rollback ends instead of undoing it runs already, under whatever name a person gave it.
        execution_arn = rollout.execution_arn or self.machine.start(rollout.endpoint, rollout.rollout_id)
        return RolloutStarted(execution_arn=execution_arn, poll_seconds=follow_seconds(age_s=0))


def _brought(rollout: RolloutItem, serving: EndpointItem | None) -> bool:
    """The rollout's release went live, or was live already."""
    serves = serving is not None and serving.live_release_id == rollout.release_id
    return rollout.phase in {Phase.LIVE, Phase.SUPERSEDED} or (rollout.phase is Phase.SKIPPED and serves)


def _stayed(step: FollowStep, rollout: RolloutItem, serving: EndpointItem | None) -> bool:
    """The rollout was ended, and the release that it was to replace serves."""
    serves = serving is not None and serving.live_release_id == step.release_id
    return rollout.phase in {Phase.ABORTED, Phase.ROLLED_BACK} and serves
