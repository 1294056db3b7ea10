"""What a person may do to an endpoint while releases come and go: one verb, one deed in the ledger, one sentence."""

from dataclasses import dataclass

from release.contracts.machines import A_PERSON, QUESTIONS, OperateInput, Verb
from release.contracts.operation import Operated, Why
from release.contracts.steps import ExecutionInput
from release.contracts.table import RolloutItem
from release.domain.ledger import Happened
from release.domain.names import Names
from release.domain.phases import BEFORE_TRAFFIC, Phase, has_ended
from release.domain.truth import Progress, look
from release.errors import InvalidInputError
from release.flows.aborting import Aborting
from release.flows.approving import Approving
from release.flows.explaining import Explaining
from release.flows.records import release_of, rollout_of
from release.flows.remembering import Remembering, provenance_sentence, ran_sentence
from release.flows.removing import Removing
from release.flows.stamps import read_stamp, stamp, stamp_after
from release.flows.turns import Queue, is_frozen
from release.ports import Clock, Deed, Entry, ReleaseTable, Serving, WakeUps

_CLOCKS_DIFFER_S = 2
"""Who is woken at the end of a freeze must not find it by a function's clock still there."""


@dataclass(frozen=True, slots=True)
class Operating:
    table: ReleaseTable
    serving: Serving
    queue: Queue
    approving: Approving
    aborting: Aborting
    explaining: Explaining
    remembering: Remembering
    stack: str
    now: Clock
    wakeups: WakeUps
    removing: Removing

    def operate(self, step: ExecutionInput) -> Operated:
        """Do what was asked; asking twice does it once.

        Raises:
            InvalidInputError: the input breaks its contract, or what it asks cannot be done; the sentence says why.
        """
        asked = OperateInput.parse(step.input)
        deeds = {
            Verb.FREEZE: self._freeze,
            Verb.UNFREEZE: self._unfreeze,
            Verb.WAKE: self._wake,
            Verb.REMOVE: self._remove,
            Verb.RELEASE_LEASE: self._release_lease,
            Verb.ADOPT: self._adopt,
        }
        if asked.verb in QUESTIONS:
            return self._answer(asked)
        if asked.verb in deeds:
            return Operated(verb=asked.verb, endpoint=asked.endpoint, sentence=deeds[asked.verb](asked))
        rollout = self._meant(asked)
        sentence = self._about(rollout, asked)
        return Operated(verb=asked.verb, endpoint=asked.endpoint, rollout_id=rollout.rollout_id, sentence=sentence)

    def _answer(self, asked: OperateInput) -> Operated:
        if asked.verb is Verb.WHAT_RAN:
            ran = self.remembering.what_ran(asked.endpoint, asked.as_of)
            sentence = ran_sentence(asked.endpoint, ran)
            return Operated(
                verb=asked.verb, endpoint=asked.endpoint, rollout_id=ran.rollout_id, sentence=sentence, ran=ran
            )
        if asked.verb is Verb.PROVENANCE:
            told = self.remembering.provenance(asked.endpoint, asked.release or "")
            sentence = provenance_sentence(asked.endpoint, told)
            return Operated(verb=asked.verb, endpoint=asked.endpoint, sentence=sentence, provenance=told)
        why = self.explaining.why(asked.endpoint)
        return Operated(verb=asked.verb, endpoint=asked.endpoint, sentence=_summary(asked.endpoint, why), why=why)

    def _about(self, rollout: RolloutItem, asked: OperateInput) -> str:
        if asked.verb is Verb.ABORT:
            return self.aborting.abort(rollout, by=asked.actor or A_PERSON, reason=asked.reason or "")
        verbs = {
            Verb.PAUSE: self._pause,
            Verb.RESUME: self._resume,
            Verb.APPROVE: self._approve,
            Verb.SKIP_GATE: self._skip_gate,
        }
        return verbs[asked.verb](rollout, asked)

    def _meant(self, asked: OperateInput) -> RolloutItem:
        """The rollout that the input names; else the one that holds the lease; else the only one under way."""
        if asked.rollout:
            return rollout_of(self.table, asked.endpoint, asked.rollout)
        if holder := self.table.lease_holder(asked.endpoint, stamp(self.now())):
            return rollout_of(self.table, asked.endpoint, holder)
        under_way = [each for each in self.table.rollouts(asked.endpoint) if not has_ended(each.phase)]
        if len(under_way) == 1:
            return under_way[0]
        if not under_way:
            raise InvalidInputError(f"no rollout is under way at endpoint {asked.endpoint}; name one with 'rollout'")
        ids = ", ".join(sorted(each.rollout_id for each in under_way))
        raise InvalidInputError(
            f"{len(under_way)} rollouts are under way at endpoint {asked.endpoint}: name one of {ids}"
        )

    def _deed(self, happened: Happened, asked: OperateInput) -> Deed:
        by, reason = asked.actor or A_PERSON, asked.reason or ""
        return Deed(happened, by, reason, stamp(self.now()), asked.gate, asked.until)

    # Before traffic moves ----------------------------------------------------------------------------------------

    def _pause(self, rollout: RolloutItem, asked: OperateInput) -> str:
        self._check_before_traffic(rollout, "paused")
        if rollout.paused:
            return f"rollout {rollout.rollout_id} is paused already, by {rollout.paused.by}: {rollout.paused.reason}"
        self.table.decide(rollout, self._deed(Happened.PAUSED, asked))
        return f"rollout {rollout.rollout_id} is {rollout.phase} and stops before it takes its turn or moves traffic"

    def _resume(self, rollout: RolloutItem, asked: OperateInput) -> str:
        if not rollout.paused:
            raise InvalidInputError(f"rollout {rollout.rollout_id} is not paused; it is {rollout.phase}")
        self.table.decide(rollout, self._deed(Happened.RESUMED, asked))
        return self._gone_on(rollout, "resumed")

    def _approve(self, rollout: RolloutItem, asked: OperateInput) -> str:
        self._check_before_traffic(rollout, "approved")
        if not rollout.approval:
            self.table.decide(rollout, self._deed(Happened.APPROVED, asked))
        return self._gone_on(rollout, "approved")

    def _skip_gate(self, rollout: RolloutItem, asked: OperateInput) -> str:
        if has_ended(rollout.phase):
            raise InvalidInputError(f"rollout {rollout.rollout_id} has ended as {rollout.phase}; no gate is left")
        if asked.gate == "preflight":
            self._check_before_traffic(rollout, "let past its preflight")
        if asked.gate not in {skipped.gate for skipped in rollout.skipped_gates or ()}:
            self.table.decide(rollout, self._deed(Happened.GATE_SKIPPED, asked))
        return f"rollout {rollout.rollout_id} goes on without the gate {asked.gate}, and its record says who wished it"

    def _gone_on(self, rollout: RolloutItem, what: str) -> str:
        """Wake the rollout wherever it waits."""
        self.queue.grant_next(rollout.endpoint)
        now = rollout_of(self.table, rollout.endpoint, rollout.rollout_id)
        held_back = self.approving.wake(now)
        sentence = f"rollout {rollout.rollout_id} is {what}"
        return f"{sentence}, but something else holds it back: {held_back}" if held_back else sentence

    @staticmethod
    def _check_before_traffic(rollout: RolloutItem, what: str) -> None:
        if has_ended(rollout.phase):
            raise InvalidInputError(f"rollout {rollout.rollout_id} has ended as {rollout.phase}; it cannot be {what}")
        if rollout.phase not in BEFORE_TRAFFIC:
            raise InvalidInputError(
                f"rollout {rollout.rollout_id} is {rollout.phase} and cannot be {what}: once UpdateEndpoint has begun "
                "there is no lever but abort"
            )

    # The endpoint ------------------------------------------------------------------------------------------------

    def _freeze(self, asked: OperateInput) -> str:
        if asked.until and asked.until <= stamp(self.now()):
            raise InvalidInputError(f"the freeze would have ended at {asked.until} already; name a later time")
        self.table.decide_endpoint(asked.endpoint, self._deed(Happened.FROZEN, asked))
        if asked.until:
            self.wakeups.at(asked.endpoint, stamp_after(read_stamp(asked.until), _CLOCKS_DIFFER_S))
        until = f"until {asked.until}" if asked.until else "until somebody unfreezes it"
        return f"endpoint {asked.endpoint} takes no release but a rollback {until}; traffic that moves already moves on"

    def _unfreeze(self, asked: OperateInput) -> str:
        if not is_frozen(self.table.endpoint(asked.endpoint), stamp(self.now())):
            raise InvalidInputError(f"endpoint {asked.endpoint} is not frozen")
        self.table.decide_endpoint(asked.endpoint, self._deed(Happened.UNFROZEN, asked))
        self._wake(asked)
        return f"endpoint {asked.endpoint} takes releases again"

    def _wake(self, asked: OperateInput) -> str:
        """Let whoever waits look again; what still holds a rollout back, still does."""
        self.queue.grant_next(asked.endpoint)
        for rollout in self.table.rollouts(asked.endpoint):
            self.approving.wake(rollout)
        return f"whoever waits at endpoint {asked.endpoint} has looked again"

    def _remove(self, asked: OperateInput) -> str:
        return self.removing.remove(asked.endpoint, self._deed(Happened.ENDPOINT_REMOVED, asked))

    def _release_lease(self, asked: OperateInput) -> str:
        """Break the glass: whoever held the lease can write nothing any more, and settles as having lost it."""
        lease = self.table.lease(asked.endpoint)
        if lease is None or not lease.holder:
            raise InvalidInputError(f"nobody holds the lease of endpoint {asked.endpoint}")
        if not self.table.free_lease(lease, self._deed(Happened.LEASE_RELEASED, asked)):
            raise InvalidInputError(
                f"the lease of endpoint {asked.endpoint} changed hands meanwhile; ask why and again"
            )
        self.queue.grant_next(asked.endpoint)
        return (
            f"rollout {lease.holder} has lost the lease of endpoint {asked.endpoint}; what SageMaker does for it "
            "already goes on, and the next rollout waits until the endpoint rests"
        )

    def _adopt(self, asked: OperateInput) -> str:
        """Break the glass: let the record say what the endpoint runs, where that is a release of ours."""
        holder = self.table.lease_holder(asked.endpoint, stamp(self.now()))
        if holder:
            raise InvalidInputError(f"rollout {holder} changes endpoint {asked.endpoint} now; abort it or wait")
        rollout = self._runs(asked.endpoint)
        serving = self.table.endpoint(asked.endpoint)
        if serving and serving.live_rollout_id == rollout.rollout_id:
            return f"endpoint {asked.endpoint} runs rollout {rollout.rollout_id}, as its record says"
        by, reason = asked.actor or A_PERSON, asked.reason or ""
        entry = Entry(Phase.LIVE, f"{by} adopted what the endpoint runs: {reason}", stamp(self.now()), actor=by)
        self.table.end(rollout, entry, live=release_of(self.table, rollout))
        return f"endpoint {asked.endpoint} serves release {rollout.release_id} by rollout {rollout.rollout_id}"

    def _runs(self, endpoint: str) -> RolloutItem:
        names = Names(self.stack, endpoint)
        state = self.serving.describe(names.sagemaker_endpoint)
        config_name = state.config_name if state else ""
        if state is None or look(state, config_name).progress is not Progress.ARRIVED:
            status = state.status if state else "gone"
            raise InvalidInputError(
                f"endpoint {names.sagemaker_endpoint} is {status}; only one that rests InService counts"
            )
        made_by = names.rollout_of_config(config_name)
        rollout = self.table.rollout(endpoint, made_by) if made_by else None
        if rollout is None:
            raise InvalidInputError(
                f"endpoint {names.sagemaker_endpoint} runs {config_name}, which no rollout made; "
                "drop its artifact instead"
            )
        return rollout


def _summary(endpoint: str, why: Why) -> str:
    serves = f"serves release {why.live_release_id}" if why.live_release_id else "has never served a release"
    says = f"SageMaker says {why.status} on {why.config_name}" if why.status else "SageMaker knows no such endpoint"
    frozen = f"; {why.frozen.by} froze it: {why.frozen.reason}" if why.frozen else ""
    under_way = "".join(f"; rollout {one.rollout_id} is {one.phase}: {one.next}" for one in why.rollouts)
    return f"endpoint {endpoint} {serves}; {says}{frozen}{under_way or '; no rollout is under way'}"
