"""Blue, asked while it alone serves: what green is compared with once blue has no traffic of its own."""

from dataclasses import dataclass

from release.contracts.steps import LeasedStep
from release.contracts.table import ArmProbes, BakeProbes, ProbesItem, RolloutItem
from release.domain.gates import rules_for, why_unjudged
from release.domain.golden import Expectation
from release.domain.names import Names
from release.domain.probes import ChatAnswer, Prompt
from release.errors import ServiceUnavailableError
from release.flows.evidence import NOTHING, counted
from release.flows.gate_records import gate_of, skipped_by
from release.flows.records import fence_of, plan_of
from release.ports import Clock, Probes, ReleaseTable

RECORD_S = 45
"""A look asks blue nothing more after so many seconds: the last answer may take 60 s, and the function has 120 s."""
_PROMPT = Prompt("bake", ({"role": "user", "content": "Tell me a long story about the sea."},), 8, Expectation())
"""Always cut off after as many tokens, so that the times of both fleets can be compared."""
_NOTHING = BakeProbes.model_construct(green=NOTHING, blue=NOTHING, recorded=NOTHING, looked=0)


@dataclass(frozen=True, slots=True)
class Recording:
    """How many answers the judge of the bake has, and blue's share of them before the bake."""

    table: ReleaseTable
    probes: Probes
    stack: str
    now: Clock

    def ask(self, rollout: RolloutItem) -> ChatAnswer | None:
        """None: SageMaker let nobody answer, which says nothing of either fleet."""
        try:
            return self.probes.chat(Names(self.stack, rollout.endpoint).sagemaker_endpoint, _PROMPT)
        except ServiceUnavailableError:
            return None

    def record_times(self, rollout: RolloutItem, step: LeasedStep) -> None:
        """Before traffic moves: as many of blue's answers as a comparison of times needs, at least some of them.

        How long green takes to come up is not ours to say. What `record` finds no time for later is known from here.

        Raises:
            LeaseLostError: another rollout changes the endpoint now.
        """
        plan = plan_of(rollout)
        judged = not (why_unjudged(plan) or gate_of(rollout, "bake") or skipped_by(rollout, "bake"))
        if judged and so_far(rollout).recorded.asked < rules_for(plan).min_points:
            self._record(rollout, step, rules_for(plan).min_points)

    def record(self, rollout: RolloutItem, step: LeasedStep) -> str:
        """While green is brought up: as many of blue's answers as a verdict needs; says how many there are.

        Raises:
            LeaseLostError: another rollout changes the endpoint now.
        """
        enough = rules_for(plan_of(rollout)).min_requests
        return f"; blue answered {self._record(rollout, step, enough).asked} of {enough} probes"

    def keep(self, rollout: RolloutItem, step: LeasedStep, bake: BakeProbes) -> None:
        kept = rollout.probes.preflight if rollout.probes else None
        self.table.note_probes(rollout, ProbesItem(preflight=kept, bake=bake), fence_of(step, self.now()))

    def _record(self, rollout: RolloutItem, step: LeasedStep, enough: int) -> ArmProbes:
        before, began = so_far(rollout), self.now()
        recorded = before.recorded
        while recorded.asked < enough and (self.now() - began).total_seconds() < RECORD_S:
            answer = self.ask(rollout)
            if answer is None or answer.release_id == rollout.release_id:
                break
            recorded = counted(recorded, answer, warm=True)
        self.keep(rollout, step, before.model_copy(update={"recorded": recorded}))
        return recorded


def so_far(rollout: RolloutItem) -> BakeProbes:
    """What the record holds of the bake's probes."""
    return (rollout.probes.bake if rollout.probes else None) or _NOTHING
