"""The preflight gate: green is asked on a short-lived endpoint of its own before any traffic moves.

Every look does what the state of that endpoint asks for, so that a look that was lost is made up for by the next.
"""

from dataclasses import dataclass

from release.contracts.steps import LeasedStep, Watched
from release.contracts.table import Gate, GateItem, GateVerdict, PreflightProbes, ProbesItem, ReleaseItem, RolloutItem
from release.domain.gates import why_no_preflight
from release.domain.names import Names
from release.domain.phases import Phase
from release.domain.probes import BUILT_IN, Prompt, problems
from release.domain.truth import DELETING, IN_SERVICE, EndpointState, Progress, is_moving
from release.domain.turns import ROLLBACK
from release.errors import EndpointBusyError, RolloutFailedError, ServiceUnavailableError
from release.flows.building import hosting_of
from release.flows.gate_records import gate_item, gate_of, skipped_by
from release.flows.golden import published_golden
from release.flows.recording import Recording
from release.flows.records import check_wanted, enter, entry, fence_of, plan_of, release_of, rollout_of
from release.flows.stamps import seconds_since
from release.ports import ArtifactStore, Clock, Probes, ReleaseTable, Schemas, Serving

LOOK_S = 45
"""One look asks no further prompt after so many seconds: the last may take 60 s, and the function has 120 s."""
_MOST_STALLED = 5
_MOST_TOLD = 3
_MOST_POLL_S = 60
_GATE: Gate = "preflight"


@dataclass(frozen=True, slots=True)
class Preflighting:
    table: ReleaseTable
    serving: Serving
    artifacts: ArtifactStore
    probes: Probes
    schemas: Schemas
    stack: str
    now: Clock

    @property
    def _recording(self) -> Recording:
        return Recording(self.table, self.probes, self.stack, self.now)

    def start(self, step: LeasedStep) -> Watched:
        """Begin the preflight, or record why there is none.

        Raises:
            AbortedError: somebody asked for the rollout's end.
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: SageMaker refused the preflight's endpoint.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        check_wanted(rollout)
        gate = gate_of(rollout, _GATE)
        if gate is None and (why_not := _left_out(rollout, release_of(self.table, rollout))):
            gate = self._note(rollout, step, "skipped", why_not, {})
        if gate and rollout.phase is Phase.CREATING:
            if rollout.kind != "rollback":  # somebody waits for it
                self._recording.record_times(rollout_of(self.table, step.endpoint, step.rollout_id), step)
            return Watched(progress=Progress.PREFLIGHT_PASSED, reason=f"no preflight: {gate.reason}", poll_seconds=1)
        names = Names(self.stack, step.endpoint)
        reason = f"asking green on {names.preflight_endpoint} before any traffic moves"
        enter(self.table, rollout, entry(Phase.PREFLIGHT, reason, self.now()), fence_of(step, self.now()))
        return self.watch(rollout_of(self.table, step.endpoint, step.rollout_id), step)

    def watch(self, rollout: RolloutItem, step: LeasedStep) -> Watched:
        """One look: make the endpoint, wait for it, ask it, or see it gone.

        Raises:
            AbortedError, LeaseLostError: as `start`.
            RolloutFailedError: anything but a passed preflight, with the prompts that were not met.
        """
        check_wanted(rollout)
        names = Names(self.stack, step.endpoint)
        state = self.serving.describe(names.preflight_endpoint)
        ours = state is not None and state.config_name == names.preflight_config(step.rollout_id)
        gate = gate_of(rollout, _GATE)
        if gate is None and (mark := skipped_by(rollout, _GATE)):
            gate = self._note(rollout, step, "skipped", f"{mark.by} skipped it: {mark.reason}", {})
        if gate:
            return self._gone(rollout, gate, state if ours else None)
        if state is None:
            self._make(rollout, names)
            return self._moving(rollout, f"endpoint {names.preflight_endpoint} is asked for")
        if not ours:
            return self._other(rollout, names, state)
        if is_moving(state):
            self._recording.record_times(rollout, step)
            return self._moving(rollout, f"endpoint {names.preflight_endpoint} is {state.status}")
        if state.status != IN_SERVICE:
            reason = f"the preflight's endpoint is {state.status}: {state.failure or 'SageMaker gave no reason'}"
            raise RolloutFailedError(self._note(rollout, step, "failed", reason, {}).reason)
        return self._ask(rollout, step, names)

    def _make(self, rollout: RolloutItem, names: Names) -> None:
        release, name = release_of(self.table, rollout), names.preflight_config(rollout.rollout_id)
        model = names.of_rollout(rollout.rollout_id)
        self.serving.ensure_config(name, hosting_of(release.config, 1), model=model)
        self.serving.create_endpoint(names.preflight_endpoint, name)

    def _other(self, rollout: RolloutItem, names: Names, state: EndpointState) -> Watched:
        """What an earlier rollout left behind is deleted; what serves people is not."""
        name = names.preflight_endpoint
        if not names.is_preflight_config(state.config_name):
            raise RolloutFailedError(
                f"endpoint {name} serves {state.config_name}, so that the preflight cannot have its name; rename one "
                "endpoint, or set 'preflight' to false"
            )
        self._delete(name, state)
        return self._moving(rollout, f"endpoint {name} of an earlier rollout is being deleted")

    def _delete(self, name: str, state: EndpointState) -> None:
        if state.status == DELETING:
            return
        try:
            self.serving.delete_endpoint(name)
        except EndpointBusyError:
            return  # SageMaker lets go of it when it is up; the next look deletes it

    def _gone(self, rollout: RolloutItem, gate: GateItem, state: EndpointState | None) -> Watched:
        """No traffic moves, and nothing of the preflight is paid for, before its endpoint is gone."""
        if gate.verdict not in {"passed", "skipped"}:
            raise RolloutFailedError(gate.reason)
        if state is None:
            return Watched(progress=Progress.PREFLIGHT_PASSED, reason=gate.reason, poll_seconds=1)
        name = Names(self.stack, rollout.endpoint).preflight_endpoint
        self._delete(name, state)
        poll_s = _poll_seconds(seconds_since(gate.at, self.now()))
        return Watched(
            progress=Progress.MOVING, reason=f"{gate.reason}; endpoint {name} is being deleted", poll_seconds=poll_s
        )

    def _moving(self, rollout: RolloutItem, reason: str) -> Watched:
        poll_s = _poll_seconds(seconds_since(rollout.updated_at, self.now()))
        return Watched(progress=Progress.MOVING, reason=reason, poll_seconds=poll_s)

    def _ask(self, rollout: RolloutItem, step: LeasedStep, names: Names) -> Watched:
        golden = published_golden(self.artifacts, release_of(self.table, rollout).artifact_id, self.schemas)
        if golden.problems:
            reason = f"the published golden.jsonl cannot be used: {golden.problems[0]}"
            raise RolloutFailedError(self._note(rollout, step, "failed", reason, {}).reason)
        prompts = (*BUILT_IN, *golden.prompts)
        so_far = self._asked(rollout, names, prompts)
        bake = rollout.probes.bake if rollout.probes else None
        self.table.note_probes(rollout, ProbesItem(preflight=so_far, bake=bake), fence_of(step, self.now()))
        if so_far.asked < len(prompts) and so_far.stalled < _MOST_STALLED:
            return Watched(
                progress=Progress.MOVING, reason=f"{so_far.asked} of {len(prompts)} prompts asked", poll_seconds=1
            )
        verdict, reason = _verdict(so_far, prompts)
        evidence = {"asked": str(so_far.asked), "prompts": str(len(prompts)), "unmet": str(len(so_far.unmet))}
        gate = self._note(rollout, step, verdict, reason, evidence)
        now = rollout_of(self.table, step.endpoint, step.rollout_id)
        return self._gone(now, gate, self.serving.describe(names.preflight_endpoint))

    def _asked(self, rollout: RolloutItem, names: Names, prompts: tuple[Prompt, ...]) -> PreflightProbes:
        """As many further prompts as one look has time for."""
        before = rollout.probes.preflight if rollout.probes else None
        asked, unmet = (before.asked, list(before.unmet)) if before else (0, [])
        began = self.now()
        for prompt in prompts[asked:]:
            try:
                answer = self.probes.chat(names.preflight_endpoint, prompt)
            except ServiceUnavailableError:
                return PreflightProbes(asked=asked, unmet=tuple(unmet), stalled=(before.stalled if before else 0) + 1)
            ids = {"release_id": rollout.release_id, "rollout_id": rollout.rollout_id}
            unmet += problems(prompt, answer, **ids, schema_check=self.schemas.broken_at)
            asked += 1
            if (self.now() - began).total_seconds() > LOOK_S:
                break
        return PreflightProbes(asked=asked, unmet=tuple(unmet), stalled=0)

    def _note(
        self, rollout: RolloutItem, step: LeasedStep, verdict: GateVerdict, reason: str, evidence: dict[str, str]
    ) -> GateItem:
        gate = gate_item(_GATE, verdict, reason, evidence, self.now())
        self.table.judge_gate(rollout, gate, fence_of(step, self.now()))
        return gate


def _left_out(rollout: RolloutItem, release: ReleaseItem) -> str:
    """Why this rollout needs no preflight; empty if it needs one."""
    if mark := skipped_by(rollout, _GATE):
        return f"{mark.by} skipped it: {mark.reason}"
    room = rollout.plan.room if rollout.plan else None
    way_back = rollout.kind == ROLLBACK
    return why_no_preflight(plan_of(rollout), wanted=release.config.preflight, way_back=way_back, room=room)


def _verdict(asked: PreflightProbes, prompts: tuple[Prompt, ...]) -> tuple[GateVerdict, str]:
    if asked.unmet:
        more = len(asked.unmet) - _MOST_TOLD
        tail = f"; and {more} more in the rollout's record" if more > 0 else ""
        told = "; ".join(asked.unmet[:_MOST_TOLD])
        return (
            "failed",
            f"green did not meet its preflight ({asked.asked} of {len(prompts)} prompts asked): {told}{tail}",
        )
    if asked.asked < len(prompts):
        return "inconclusive", (
            f"SageMaker did not let green answer at {asked.stalled} looks in a row, after {asked.asked} of "
            f"{len(prompts)} prompts; start the rollout again"
        )
    return "passed", f"green met {len(prompts)} prompts, {len(prompts) - len(BUILT_IN)} of them golden"


def _poll_seconds(passed_s: float) -> int:
    """Endpoints come up in seconds or in ten minutes: the wait grows by a quarter of what has passed."""
    return max(1, min(_MOST_POLL_S, int(passed_s) // 4))
