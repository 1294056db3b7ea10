"""What each state sends its function and what it gets back, in the order of the machines."""

from typing import Any, Literal

from pydantic import Field

from release.contracts.base import ArtifactId, Contract, EndpointName, ReleaseId, RolloutId
from release.contracts.table import EstimateItem, PlanItem
from release.domain.phases import Phase
from release.domain.plan import Strategy
from release.domain.truth import Progress, Verdict


class Receipt(Contract):
    """Answer of "Receive artifact"; no rollout id: this object starts nothing, for the reason."""

    rollout_id: RolloutId | None = None
    reason: str

    def wire(self) -> dict[str, Any]:
        """A null says that nothing was started; a field left out would say nothing."""
        return self.model_dump(mode="json", by_alias=True)


class ImageReceipt(Contract):
    rollout_ids: tuple[RolloutId, ...]
    reason: str


class ExecutionInput(Contract):
    """The whole input of an execution and its ARN, which makes a second attempt find the first one's rollout."""

    input: Any
    execution_arn: str = Field(min_length=1)


class Registered(Contract):
    """`examined`: nothing about it is new; `published`: its bytes lie where models load them from."""

    endpoint: EndpointName
    rollout_id: RolloutId
    release_id: ReleaseId
    examined: bool
    published: bool
    plan_only: bool


class RolloutStep(Contract):
    endpoint: EndpointName
    rollout_id: RolloutId


class PlanStep(RolloutStep):
    plan_only: bool


class TurnStep(RolloutStep):
    """`task_token`: what the execution waits for at "Await turn"."""

    task_token: str = Field(min_length=1, max_length=2048)


class LeasedStep(RolloutStep):
    lease_token: int = Field(ge=1)


class ApprovalStep(LeasedStep):
    """`task_token`: what the execution waits for at "Await approval"."""

    task_token: str = Field(min_length=1, max_length=2048)


class Judged(Contract):
    """Answer of "Examine artifact" and "Verify release"."""

    verdict: Verdict
    reason: str


class Published(Contract):
    artifact_id: ArtifactId
    files: int = Field(ge=1)


class Planned(Contract):
    strategy: Strategy
    fleet_size: int = Field(ge=0)
    bake_seconds: int = Field(ge=0)
    already_live: bool
    reason: str = ""
    """The plan in a sentence: strategy, shifts, gates, duration, price."""
    estimate: EstimateItem | None = None


class TurnGranted(Contract):
    """What the task token of "Await turn" is answered with."""

    lease_token: int = Field(ge=1)


class Awaited(Contract):
    """Answer of the functions that keep a task token; `waiting`: nobody has answered the token yet."""

    waiting: bool
    reason: str


class GreenCreated(Contract):
    endpoint_config_name: str


class Watched(Contract):
    """Answer of the steps that lead into the watch and of the watch itself."""

    progress: Progress
    reason: str
    poll_seconds: int = Field(ge=1)


class Settlement(Contract):
    """The end of an execution.

    Args:
        endpoint, rollout_id: empty where "Register rollout" failed before it could say them.
        outcome: live also for a rollout that had nothing to do.
        error, cause: as Step Functions caught them; empty when the outcome is live.
    """

    endpoint: str
    rollout_id: str
    execution_arn: str = Field(min_length=1)
    outcome: Literal["live", "failed"]
    error: str = ""
    cause: str = ""


class Settled(Contract):
    """`well` ends the execution as a success; otherwise `error` is the name that it fails with."""

    phase: Phase
    reason: str
    well: bool
    error: str
    plan: PlanItem | None = None

    def wire(self) -> dict[str, Any]:
        """An empty plan where there is none: the machine reads the field in every case."""
        return {"plan": {}, **super().wire()}


class Chosen(Contract):
    endpoint: EndpointName
    rollout_id: RolloutId
    release_id: ReleaseId


class FollowStep(RolloutStep):
    """`release_id`: the release that is to serve in the end."""

    release_id: ReleaseId


class RolloutStarted(Contract):
    execution_arn: str
    poll_seconds: int = Field(ge=1)


class Followed(Contract):
    """`ended`: its execution has nothing left to do. `live`: its release serves, or did until a later one."""

    phase: Phase
    ended: bool
    live: bool
    reason: str
    poll_seconds: int = Field(ge=1)
