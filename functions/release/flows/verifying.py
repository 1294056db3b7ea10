"""The truth check: does this release serve, and nothing else?"""

from dataclasses import dataclass

from release.contracts.steps import Judged, LeasedStep
from release.domain.names import Names
from release.domain.truth import Judgement, Verdict, judge_answer, judge_description
from release.errors import RolloutFailedError
from release.flows.records import check_wanted, fence_of, release_of, rollout_of
from release.ports import Clock, Probes, ReleaseTable, Serving


@dataclass(frozen=True, slots=True)
class Verifying:
    table: ReleaseTable
    serving: Serving
    probes: Probes
    stack: str
    now: Clock

    def verify(self, step: LeasedStep) -> Judged:
        """Judge the endpoint by its description and by an answer from the container itself.

        Raises:
            AbortedError: it is a first release, and somebody asked for its end.
            LeaseLostError: another rollout changes the endpoint now.
            RolloutFailedError: anything but proof.
        """
        rollout = rollout_of(self.table, step.endpoint, step.rollout_id)
        if rollout.finish_line_at is None:
            check_wanted(rollout)
        release, names = release_of(self.table, rollout), Names(self.stack, step.endpoint)
        self.table.renew_lease(fence_of(step, self.now()))
        state = self.serving.describe(names.sagemaker_endpoint)
        judgement = judge_description(state, config_name=names.of_rollout(step.rollout_id), image=release.image)
        if judgement.verdict is Verdict.PASSED:
            answer = self.probes.ask(names.sagemaker_endpoint)
            answered = judge_answer(answer, release_id=release.release_id, rollout_id=step.rollout_id)
            judgement = Judgement(answered.verdict, f"{judgement.reason}; {answered.reason}")
        if judgement.verdict is not Verdict.PASSED:
            raise RolloutFailedError(judgement.reason)
        return Judged(verdict=judgement.verdict, reason=judgement.reason)
