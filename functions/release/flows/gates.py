"""Gates as the machine sees them: what did not pass is an error by name, so that no Choice has to read a verdict."""

from dataclasses import dataclass

from release.contracts.steps import Judged, RolloutStep
from release.domain.truth import Verdict
from release.errors import ArtifactRejectedError
from release.flows.examining import Examining


@dataclass(frozen=True, slots=True)
class ExamineGate:
    examining: Examining

    def examine(self, step: RolloutStep) -> Judged:
        """
        Raises:
            AbortedError: somebody asked for the rollout's end.
            ArtifactIncompleteError: files that the manifest lists have not arrived; the sentence names one.
            ArtifactRejectedError: anything but a passed examination, with its sentences.
        """
        judged = self.examining.examine(step)
        if judged.verdict is not Verdict.PASSED:
            raise ArtifactRejectedError(judged.reason)
        return judged
