"""What an endpoint's description proves, and what it only seems to say.

SageMaker answers `InService` after an update that it rolled back, often without a reason. Only the config's name, the
image's digest and an answer from the container tell which release serves.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Progress(StrEnum):
    MOVING = "moving"
    PREFLIGHT_PASSED = "preflightPassed"
    ARRIVED = "arrived"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One DescribeEndpoint, in our words.

    Args:
        status: SageMaker's EndpointStatus.
        config_name: the endpoint config that counts as current.
        pending_config: the endpoint config that a deployment under way leads to; empty if none is.
        baking: green serves and blue still stands, by the variant's status.
        fleet_size: instances that serve now.
        image: resolved image of the variant, repository URI and digest; empty if not told.
        failure: SageMaker's FailureReason; empty if not told.
    """

    status: str
    config_name: str
    pending_config: str
    baking: bool
    fleet_size: int
    image: str
    failure: str


@dataclass(frozen=True, slots=True)
class Look:
    progress: Progress
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """Whom the container says it is (empty if it does not say), or the error that it answered."""

    release_id: str
    rollout_id: str
    error: str


IN_SERVICE = "InService"
CREATING = "Creating"
DELETING = "Deleting"
FAILED = "Failed"
"""SageMaker lets such an endpoint be deleted and nothing else."""
_MOVING = frozenset({CREATING, DELETING, "Updating", "SystemUpdating", "RollingBack"})


def is_moving(state: EndpointState) -> bool:
    """SageMaker is at work on it and takes no other change."""
    return state.status in _MOVING or bool(state.pending_config)


def look(state: EndpointState | None, config_name: str) -> Look:
    """How far the shift to `config_name` has come. `None`: there is no such endpoint."""
    if state is None:
        return Look(Progress.LOST, "the endpoint is gone; somebody deleted it during the rollout")
    if is_moving(state):
        return Look(
            Progress.MOVING, f"the endpoint is {state.status}{', green serves and bakes' if state.baking else ''}"
        )
    if state.status != IN_SERVICE:
        return Look(Progress.LOST, f"the endpoint is {state.status}{_because(state.failure)}")
    if state.config_name != config_name:
        return Look(
            Progress.LOST,
            f"SageMaker rolled back: the endpoint is InService on {state.config_name}, not on {config_name}"
            + _because(state.failure),
        )
    return Look(Progress.ARRIVED, f"the endpoint is InService on {config_name}")


def _because(failure: str) -> str:
    return f": {failure}" if failure else "; SageMaker gave no reason"


def judge_description(state: EndpointState | None, *, config_name: str, image: str) -> Judgement:
    """Four of the five conditions of a live release; the fifth is `judge_answer`.

    Args:
        image: repository URI and digest that the release pins.
    """
    seen = look(state, config_name)
    if state is None or seen.progress is Progress.LOST:
        return Judgement(Verdict.FAILED, seen.reason)
    if seen.progress is Progress.MOVING:
        return Judgement(Verdict.INCONCLUSIVE, f"{seen.reason}; a release counts only when nothing moves")
    if not state.image:
        return Judgement(Verdict.INCONCLUSIVE, "SageMaker does not say which image it resolved")
    if state.image.partition("@")[2] != image.partition("@")[2]:
        return Judgement(Verdict.FAILED, f"the endpoint runs image {state.image}, the release pins {image}")
    return Judgement(Verdict.PASSED, seen.reason)


def judge_answer(answer: ProbeAnswer, *, release_id: str, rollout_id: str) -> Judgement:
    """Whether the container that answered is the one that this rollout made."""
    if answer.error:
        return Judgement(Verdict.FAILED, f"the live probe was answered with an error: {answer.error}")
    if not answer.release_id:
        return Judgement(Verdict.INCONCLUSIVE, "the live probe's answer does not say which release gave it")
    if (answer.release_id, answer.rollout_id) != (release_id, rollout_id):
        return Judgement(
            Verdict.FAILED,
            f"the live probe was answered by release {answer.release_id}, rollout {answer.rollout_id}, "
            f"not by release {release_id}, rollout {rollout_id}",
        )
    return Judgement(Verdict.PASSED, f"rollout {rollout_id} answers for release {release_id}")
