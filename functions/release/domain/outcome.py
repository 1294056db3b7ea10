"""How a rollout that did not succeed has ended, judged by where the endpoint stands and not by the error alone."""

from dataclasses import dataclass

from release.domain.phases import Phase, may_follow
from release.domain.truth import FAILED, IN_SERVICE, EndpointState

_ARTIFACTS_FAULT = frozenset({"ArtifactRejectedError", "ArtifactIncompleteError"})
_OVERTAKEN = "OvertakenError"
_ABORTED = "AbortedError"
_ERRORS = {
    Phase.REJECTED: "ReleaseRejected",
    Phase.ROLLED_BACK: "ReleaseRolledBack",
    Phase.ABORTED: "ReleaseAborted",
    Phase.FAILED: "RolloutFailed",
    Phase.STUCK: "RolloutStuck",
}


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The endpoint after the failure, at rest, seen under the rollout's lease.

    Args:
        state: None if there is no endpoint, or none any more.
        first_release: nothing served before this rollout.
        aborted: somebody asked for the rollout's end.
    """

    config_name: str
    first_release: bool
    state: EndpointState | None
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """`remark` completes the error's sentence: what serves now and, if a person is needed, what to do."""

    phase: Phase
    remark: str


def error_of(phase: Phase) -> str:
    """The name of the error that an execution ends with; empty for an end that is no failure."""
    return _ERRORS.get(phase, "")


def has_begun(state: EndpointState | None, config_name: str) -> bool:
    """Whether SageMaker has taken the config up, so that traffic may have moved."""
    return state is not None and config_name in {state.config_name, state.pending_config}


def must_be_deleted(aftermath: Aftermath) -> bool:
    """A first release that failed leaves an endpoint that nobody may be sent to."""
    state = aftermath.state
    return aftermath.first_release and state is not None and state.config_name == aftermath.config_name


def ending_before_traffic(phase: Phase, error: str) -> Ending:
    """No traffic has moved. `error` is the name of the class that the machine caught."""
    if error == _OVERTAKEN and may_follow(phase, Phase.SKIPPED):
        return Ending(Phase.SKIPPED, "")
    if error == _ABORTED:
        return Ending(Phase.ABORTED, "")
    rejected = error in _ARTIFACTS_FAULT and may_follow(phase, Phase.REJECTED)
    return Ending(Phase.REJECTED if rejected else Phase.FAILED, "")


def ending_after_traffic(aftermath: Aftermath) -> Ending:
    """Traffic may have moved: only what the endpoint runs now says how it ended."""
    state = aftermath.state
    undone = Phase.ABORTED if aftermath.aborted else Phase.ROLLED_BACK
    if state is None:
        if aftermath.first_release:
            return Ending(Phase.ABORTED if aftermath.aborted else Phase.FAILED, "there is no endpoint, as before")
        return Ending(Phase.STUCK, "the endpoint is gone and nothing serves; start a rollout of a good release")
    if state.status == FAILED:
        return Ending(
            Phase.STUCK, "the endpoint is Failed and serves nobody; start a rollout or a rollback, which makes it anew"
        )
    if state.status != IN_SERVICE:
        return Ending(Phase.STUCK, f"the endpoint is {state.status}; look which instances serve before you change it")
    if state.config_name == aftermath.config_name:
        return Ending(Phase.STUCK, "the endpoint runs this release although it was not proved; roll it back")
    return Ending(undone, f"the endpoint serves {state.config_name}")
