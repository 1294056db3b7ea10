"""The end of every rollout: the endpoint safe, the record terminal, people told, the lease given back."""

import json
from dataclasses import dataclass, replace

from release.contracts.machines import Notification
from release.contracts.steps import Settled, Settlement
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.names import Names
from release.domain.outcome import (
    Aftermath,
    Ending,
    ending_after_traffic,
    ending_before_traffic,
    error_of,
    has_begun,
    must_be_deleted,
)
from release.domain.phases import Phase, has_ended
from release.domain.plan import Strategy
from release.domain.truth import is_moving
from release.errors import EndpointBusyError, LeaseLostError, RolloutFailedError
from release.flows.commands import rollback_command, show_command, why_command
from release.flows.gate_records import gate_sentence
from release.flows.records import LEASE_S, entry, release_of, rollout_of
from release.flows.stamps import stamp_after
from release.flows.turns import Queue
from release.ports import Alarms, Clock, Entry, Fence, Metrics, Notices, ReleaseTable, Scaling, Serving

_TRAFFIC_MOVES = frozenset({Phase.SHIFTING, Phase.BAKING})
_ABORTED = "AbortedError"


@dataclass(frozen=True, slots=True)
class Settling:
    table: ReleaseTable
    serving: Serving
    alarms: Alarms
    metrics: Metrics
    notices: Notices
    queue: Queue
    stack: str
    now: Clock
    scaling: Scaling

    def settle(self, step: Settlement) -> Settled:
        """End the rollout; a second attempt tells people again and changes nothing else.

        Raises:
            EndpointBusyError: SageMaker still moves the endpoint, so nobody can say yet what will serve.
            LeaseLostError: the outcome is live, but another rollout holds the lease.
        """
        rollout = self._rollout(step)
        if rollout is None or rollout.execution_arn not in {None, step.execution_arn}:
            # This execution never had a rollout of its own, and another one's is not for it to end.
            reason = sentence_of(step.cause) or step.error
            return Settled(phase=Phase.FAILED, reason=reason, well=False, error=error_of(Phase.FAILED))
        if has_ended(rollout.phase):
            self.table.announce(rollout)
        else:
            if step.outcome == "live":
                self._end_live(rollout)
            else:
                self._end_failed(rollout, step.error, sentence_of(step.cause) or step.error)
            rollout = rollout_of(self.table, rollout.endpoint, rollout.rollout_id)
        self._clean_up(rollout)
        self.notices.tell(self._notification(rollout))
        error = error_of(rollout.phase)
        return Settled(phase=rollout.phase, reason=rollout.reason, well=not error, error=error, plan=rollout.plan)

    def _rollout(self, step: Settlement) -> RolloutItem | None:
        """The execution's rollout; one that was asked for by hand is bound to the execution's ARN."""
        if step.rollout_id:
            return self.table.rollout(step.endpoint, step.rollout_id)
        bound = self.table.seal(step.execution_arn)
        return self.table.rollout(bound.endpoint, bound.rollout_id) if bound and bound.rollout_id else None

    def _clean_up(self, rollout: RolloutItem) -> None:
        """Wake whose turn it is now, and take away what only a rollout under way needs."""
        names = Names(self.stack, rollout.endpoint)
        self.queue.grant_next(rollout.endpoint)
        self.alarms.delete(names.alarms(rollout.rollout_id))
        preflight = self.serving.describe(names.preflight_endpoint)
        # Another rollout's preflight may have taken its place by now, and is not this one's to end.
        if preflight and preflight.config_name == names.preflight_config(rollout.rollout_id):
            self.serving.delete_endpoint(names.preflight_endpoint)

    def _end_live(self, rollout: RolloutItem) -> None:
        fence = self._fence(rollout)
        if fence:
            name = Names(self.stack, rollout.endpoint).sagemaker_endpoint
            reason = f"endpoint {name} serves release {rollout.release_id}"
            if rollout.abort:
                reason += f"; the abort that {rollout.abort.by} asked for came after the finish line"
            release = release_of(self.table, rollout)
            self.table.renew_lease(fence)
            scaled = self._scale(rollout.endpoint, release)
            self.table.end(rollout, _with(entry(Phase.LIVE, reason, self.now()), scaled), fence, live=release)
            return
        serving = self.table.endpoint(rollout.endpoint)
        if serving is None or serving.live_release_id != rollout.release_id:
            raise LeaseLostError(f"rollout {rollout.rollout_id} never held the lease, so it cannot have gone live")
        reason = f"release {rollout.release_id} is live already, by rollout {serving.live_rollout_id}"
        self.table.end(rollout, entry(Phase.SKIPPED, reason, self.now()))

    def _end_failed(self, rollout: RolloutItem, error: str, reason: str) -> None:
        fence = self._fence(rollout)
        error = _ABORTED if rollout.abort else error
        try:
            if fence:
                self.table.renew_lease(fence)
            ending = self._make_safe(rollout) if fence else None
        except LeaseLostError:
            # The endpoint is another rollout's business now; only this one's record is still to be closed.
            fence, ending = None, None
        ending = ending or ending_before_traffic(rollout.phase, error)
        whole = "; ".join(part for part in (reason, self._tripped(rollout), ending.remark) if part)
        scaled = self._scale(rollout.endpoint, self._live(rollout.endpoint)) if fence else ""
        self.table.end(rollout, _with(entry(ending.phase, whole, self.now()), scaled), fence)

    def _make_safe(self, rollout: RolloutItem) -> Ending | None:
        """Undo what a failed first release left; None if no traffic has moved."""
        names = Names(self.stack, rollout.endpoint)
        config_name = names.of_rollout(rollout.rollout_id)
        state = self.serving.describe(names.sagemaker_endpoint)
        if rollout.phase not in _TRAFFIC_MOVES and not has_begun(state, config_name):
            return None
        if state and is_moving(state):
            # What failed or is not wanted any more shall not go live while we wait for SageMaker.
            self.metrics.request_abort(rollout.rollout_id)
            raise EndpointBusyError(
                f"endpoint {names.sagemaker_endpoint} is still {state.status}; how rollout {rollout.rollout_id} ended "
                "is recorded when it rests"
            )
        aftermath = Aftermath(config_name, _is_first(rollout), state, aborted=rollout.abort is not None)
        if must_be_deleted(aftermath):
            self.serving.delete_endpoint(names.sagemaker_endpoint)
            ended = Phase.ABORTED if aftermath.aborted else Phase.FAILED
            return Ending(ended, f"endpoint {names.sagemaker_endpoint}, made for it, was deleted")
        return ending_after_traffic(aftermath)

    def _live(self, endpoint: str) -> ReleaseItem | None:
        serving = self.table.endpoint(endpoint)
        return self.table.release(endpoint, serving.live_release_id) if serving and serving.live_release_id else None

    def _scale(self, endpoint: str, serves: ReleaseItem | None) -> str:
        """Let scaling go on as the release that serves wishes, before the lease goes to the next rollout.

        What Application Auto Scaling refuses is told and holds nobody's lease; the returned sentence goes on record.
        """
        name = Names(self.stack, endpoint).sagemaker_endpoint
        bounds = serves.config.scaling if serves else None
        try:
            if bounds is None:
                self.scaling.remove(name)
                return ""
            self.scaling.ensure(name, bounds)
        except RolloutFailedError as error:
            return f"not scaled: {error}"
        return bounds.sentence()

    def _fence(self, rollout: RolloutItem) -> Fence | None:
        if rollout.lease_token is None:
            return None
        return Fence(rollout.endpoint, rollout.rollout_id, rollout.lease_token, stamp_after(self.now(), LEASE_S))

    def _tripped(self, rollout: RolloutItem) -> str:
        """Which of the rollout's alarms is in ALARM, asked before they are taken away."""
        if rollout.phase not in _TRAFFIC_MOVES or _is_first(rollout):
            return ""
        states = self.alarms.states(Names(self.stack, rollout.endpoint).alarms(rollout.rollout_id))
        ringing = sorted(name for name, state in states.items() if state == "ALARM")
        return f"in ALARM: {', '.join(ringing)}" if ringing else ""

    def _notification(self, rollout: RolloutItem) -> Notification:
        stuck, back = rollout.phase is Phase.STUCK, self._way_back(rollout)
        return Notification(
            endpoint=rollout.endpoint,
            release_id=rollout.release_id,
            rollout_id=rollout.rollout_id,
            phase=rollout.phase,
            reason=rollout.reason,
            undo=rollback_command(rollout.endpoint, back) if back else "",
            evidence=tuple(gate_sentence(gate) for gate in rollout.gates or ()),
            look=why_command(rollout.endpoint) if stuck else show_command(rollout.endpoint, rollout.release_id),
            at=rollout.updated_at,
        )

    def _way_back(self, rollout: RolloutItem) -> str | None:
        """The release to go back to, if something has changed for the people who use the endpoint."""
        serving = self.table.endpoint(rollout.endpoint)
        if serving is None:
            return None
        ways = {Phase.LIVE: serving.last_good_release_id, Phase.STUCK: serving.live_release_id}
        return ways.get(rollout.phase)


def _is_first(rollout: RolloutItem) -> bool:
    return rollout.plan is not None and rollout.plan.strategy is Strategy.FIRST_RELEASE


def _with(ended: Entry, scaled: str) -> Entry:
    """The entry with what became of scaling as evidence; a person hears where it was refused."""
    if not scaled:
        return ended
    reason = f"{ended.reason}; {scaled}" if scaled.startswith("not ") else ended.reason
    return replace(ended, reason=reason, evidence={"scaling": scaled})


def sentence_of(cause: str) -> str:
    """What a function said when it failed: Step Functions hands its error on as JSON, other causes as plain text."""
    try:
        payload = json.loads(cause)
    except ValueError:
        return cause
    message = payload.get("errorMessage") if isinstance(payload, dict) else None
    return message if isinstance(message, str) else cause
