"""The bake gate: green is asked and measured under traffic while blue still stands, and judged at every look."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from release.contracts.steps import LeasedStep
from release.contracts.table import BakeProbes, Gate, GateItem, GateVerdict, RolloutItem
from release.domain.gates import due_s, may_ask, rules_for, why_unjudged
from release.domain.names import Names
from release.domain.phases import Phase
from release.domain.truth import EndpointState, Verdict
from release.domain.verdict import BakeJudgement, judge
from release.domain.verdict_statistics import Look
from release.errors import RolloutFailedError
from release.flows.evidence import Measured, counted, evidence_of
from release.flows.gate_records import gate_item, gate_of, skipped_by
from release.flows.recording import Recording, so_far
from release.flows.records import fence_of, plan_of, release_of
from release.flows.stamps import read_stamp, seconds_since
from release.ports import COARSE_S, FINE_S, Clock, Metrics, Policies, Probes, ReleaseTable, Window

_GATE: Gate = "bake"
_LOOK_S = 20
"""A look asks no further prompt after so many seconds, because the next look and its heartbeat wait for it."""
_HOUR_S = 3600
_WHOLE = 1000
_SPARE = 1.2  # some answers are lost, or come from blue
_NOT_PASSED = frozenset({"failed", "inconclusive"})


@dataclass(frozen=True, slots=True)
class Baking:
    table: ReleaseTable
    metrics: Metrics
    probes: Probes
    policies: Policies
    stack: str
    now: Clock

    def look(self, rollout: RolloutItem, step: LeasedStep, state: EndpointState) -> str:
        """What is known of the bake now, to continue the look's sentence; empty where nothing is to be said.

        A bake that did not pass asks for the end of the rollout, at every look until SageMaker heeds it.

        Raises:
            LeaseLostError: another rollout changes the endpoint now.
        """
        gate = gate_of(rollout, _GATE) or self._left_out(rollout, step)
        if gate:
            if gate.verdict in _NOT_PASSED:
                self.metrics.request_abort(rollout.rollout_id)
            return f"; bake {gate.verdict}: {gate.reason}"
        if rollout.phase is not Phase.BAKING:
            return self._recording.record(rollout, step)
        return self._judge(rollout, step, state, so_far(rollout))

    def arrived(self, rollout: RolloutItem, step: LeasedStep) -> None:
        """Blue is gone.

        Raises:
            RolloutFailedError: green did not pass its bake, and no traffic goes back by itself any more.
        """
        gate = gate_of(rollout, _GATE) or self._left_out(rollout, step)
        if gate is None:
            verdict: GateVerdict = "passed" if self._inconclusive_passes(rollout) else "inconclusive"
            reason = "the bake was over before its verdict was due"
            gate = self._note(rollout, step, verdict, reason, {})
        if gate.verdict in _NOT_PASSED:
            raise RolloutFailedError(f"bake {gate.verdict}: {gate.reason}")

    def _left_out(self, rollout: RolloutItem, step: LeasedStep) -> GateItem | None:
        """The gate as skipped, recorded, if nobody is to ask it."""
        mark = skipped_by(rollout, _GATE)
        why_not = f"{mark.by} skipped it: {mark.reason}" if mark else why_unjudged(plan_of(rollout))
        return self._note(rollout, step, "skipped", why_not, {}) if why_not else None

    @property
    def _recording(self) -> Recording:
        return Recording(self.table, self.probes, self.stack, self.now)

    def _judge(self, rollout: RolloutItem, step: LeasedStep, state: EndpointState, before: BakeProbes) -> str:
        plan, began = plan_of(rollout), _began(rollout)
        probes = self._asked(rollout, before)
        passed_s = seconds_since(began, self.now())
        looked = min(_WHOLE, int(_WHOLE * passed_s / due_s(plan)))
        if looked <= before.looked:
            self._recording.keep(rollout, step, probes)
            return ""
        rules = rules_for(plan)
        measured = self._measured(rollout, state, read_stamp(began))
        look = Look(looked / _WHOLE, before.looked / _WHOLE)
        judgement = judge(evidence_of(probes, measured, rules.warm_up_s), rules, look)
        self._recording.keep(rollout, step, probes.model_copy(update={"looked": looked}))
        if judgement.verdict is not Verdict.FAILED and looked < _WHOLE:
            return f"; bake so far {judgement.verdict}, the verdict is due after {due_s(plan):.0f} s"
        gate = self._decided(rollout, step, judgement)
        if gate.verdict in _NOT_PASSED:
            self.metrics.request_abort(rollout.rollout_id)
        return f"; bake {gate.verdict}: {gate.reason}"

    def _decided(self, rollout: RolloutItem, step: LeasedStep, judgement: BakeJudgement) -> GateItem:
        evidence = {finding.name: finding.sentence for finding in judgement.findings}
        verdict, reason = judgement.verdict, judgement.reason
        if verdict is Verdict.INCONCLUSIVE and self._inconclusive_passes(rollout):
            return self._note(rollout, step, "passed", f"inconclusive, which passes here: {reason}", evidence)
        return self._note(rollout, step, verdict.value, reason, evidence)

    def _inconclusive_passes(self, rollout: RolloutItem) -> bool:
        """A rollback brings back what has served before: nothing short of proof sends people back to what they left."""
        return rollout.kind == "rollback" or bool(self.policies.policy(rollout.endpoint).inconclusive_passes)

    def _asked(self, rollout: RolloutItem, before: BakeProbes) -> BakeProbes:
        """The look's part of the probes that are still missing; whoever answered, it counts for that fleet."""
        plan = plan_of(rollout)
        rules, began = rules_for(plan), self.now()
        passed_s = seconds_since(_began(rollout), began)
        green, blue = before.green, before.blue
        part = min(1.0, (passed_s + _LOOK_S) / due_s(plan))
        while green.asked < part * rules.min_requests * _SPARE and self._in_time(began, _LOOK_S):
            if not may_ask(plan, seconds_since(_began(rollout), self.now())):
                break
            answer = self._recording.ask(rollout)
            if answer is None:
                break
            warm = seconds_since(_began(rollout), self.now()) >= rules.warm_up_s
            if answer.release_id in {"", rollout.release_id}:
                green = counted(green, answer, warm=warm)
            else:
                blue = counted(blue, answer, warm=warm)
        return before.model_copy(update={"green": green, "blue": blue})

    def _measured(self, rollout: RolloutItem, state: EndpointState, began: datetime) -> Measured:
        names = Names(self.stack, rollout.endpoint)
        green, blue, endpoint = names.of_rollout(rollout.rollout_id), state.config_name, names.sagemaker_endpoint
        fine = FINE_S if release_of(self.table, rollout).config.enhanced_metrics else COARSE_S
        baked = Window(began, self.now(), fine)
        before = Window(began - timedelta(seconds=_HOUR_S), began, COARSE_S)
        return Measured(
            green=self.metrics.measured(endpoint, green, baked),
            blue=self.metrics.measured(endpoint, blue, baked),
            recorded=self.metrics.measured(endpoint, blue, before),
        )

    def _in_time(self, began: datetime, limit_s: float) -> bool:
        return (self.now() - began).total_seconds() < limit_s

    def _note(
        self, rollout: RolloutItem, step: LeasedStep, verdict: GateVerdict, reason: str, evidence: dict[str, str]
    ) -> GateItem:
        gate = gate_item(_GATE, verdict, reason, evidence, self.now())
        self.table.judge_gate(rollout, gate, fence_of(step, self.now()))
        return gate


def _began(rollout: RolloutItem) -> str:
    return next((line.at for line in rollout.history if line.phase is Phase.BAKING), rollout.updated_at)
