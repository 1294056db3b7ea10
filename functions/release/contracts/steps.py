"""What each state sends its function and what it gets back, in the order of the machines."""

from typing import Any, Literal

from pydantic import Field

from release.contracts.base import ArtifactId, Contract, EndpointName, ReleaseId, RolloutId
from release.contracts.table import EstimateItem
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
    endpoint: EndpointName
    rollout_id: RolloutId
    release_id: ReleaseId
    published: bool
    plan_only: bool


class RolloutStep(Contract):
    endpoint: EndpointName
    rollout_id: RolloutId


class PlanStep(RolloutStep):
    plan_only: bool


class LeasedStep(RolloutStep):
    lease_token: int = Field(ge=1)


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


class LeaseTaken(Contract):
    lease_token: int = Field(ge=1)


class GreenCreated(Contract):
    endpoint_config_name: str


class ShiftStarted(Contract):
    poll_seconds: int = Field(ge=1)


class Watched(Contract):
    progress: Progress
    reason: str
    poll_seconds: int = Field(ge=1)


class Settlement(RolloutStep):
    """`error` and `cause` as Step Functions caught them; empty when the outcome is live."""

    outcome: Literal["live", "failed"]
    error: str = ""
    cause: str = ""


class Settled(Contract):
    phase: Phase
    reason: str


class Chosen(Contract):
    endpoint: EndpointName
    rollout_id: RolloutId
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
