"""Items of the release table, key attributes included."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from release.contracts.base import (
    Actor,
    ArtifactId,
    Contract,
    EndpointName,
    Image,
    Reason,
    ReleaseId,
    RolloutId,
    Timestamp,
)
from release.contracts.config import Config
from release.domain.ledger import Happened
from release.domain.phases import Phase
from release.domain.plan import Strategy

EndpointKey = Annotated[str, StringConstraints(pattern=r"^endpoint#")]


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Gate = Literal["preflight", "bake"]
"""A gate that a person may skip; bytes that were not examined are never published, so `examine` is none."""


class Mark(Contract):
    """What a person decided about a rollout or an endpoint."""

    by: Actor
    reason: Reason
    at: Timestamp


class Freeze(Mark):
    """`until`: when it ends by itself; without it a person ends it."""

    until: Timestamp | None = None


class SkippedGate(Mark):
    gate: Gate


class EndpointItem(Contract):
    """What an endpoint serves."""

    pk: EndpointKey
    sk: Literal["endpoint"]
    endpoint: EndpointName
    live_rollout_id: RolloutId | None = None
    live_release_id: ReleaseId | None = None
    last_good_release_id: ReleaseId | None = None
    """The release that was live before this one: where a rollback without arguments goes."""
    newest_artifact_id: ArtifactId | None = None
    image: Image | None = None
    frozen: Freeze | None = None
    ledger_seq: int | None = Field(default=None, ge=1)
    ledger_hash: Digest | None = None
    """Of the ledger's last line: a ledger that was cut off at its end does not lead there."""
    updated_at: Timestamp


class ReleaseItem(Contract):
    """Immutable, but for the number of its rollouts."""

    pk: EndpointKey
    sk: Annotated[str, StringConstraints(pattern=r"^release#")]
    endpoint: EndpointName
    release_id: ReleaseId
    artifact_id: ArtifactId
    image: Image
    config: Config
    rollouts: int = Field(ge=0)
    created_at: Timestamp


class HistoryEntry(Contract):
    phase: Phase
    at: Timestamp
    reason: str


CentDollars = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})\.[0-9]{2}$")]
"""US dollars to the cent, as text: DynamoDB and JSON readers must not make a binary fraction of it."""


class PriceItem(Contract):
    """`hour` and `month` are of the fleet that stays."""

    rollout_dollars: CentDollars
    rollout_at_most_dollars: CentDollars
    hour_dollars: CentDollars
    month_dollars: CentDollars
    prices_as_of: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class EstimateItem(Contract):
    """No price: an instance type has none, and no budget asks for it."""

    shifts: int = Field(ge=1)
    gates: tuple[Literal["examine", "preflight", "bake"], ...]
    expected_seconds: int = Field(ge=0)
    at_most_seconds: int = Field(ge=0)
    price: PriceItem | None = None


class PlanItem(Contract):
    strategy: Strategy
    fleet_size: int = Field(ge=0)
    step_percent: int | None = None
    step_wait_seconds: int | None = None
    bake_seconds: int
    room: int | None = Field(default=None, ge=0)
    """Instances that the account's quotas left beside the fleet when it was planned."""
    estimate: EstimateItem | None = None


GateVerdict = Literal["passed", "failed", "inconclusive", "skipped"]
"""`skipped`: nobody asked, for the reason that is told."""


class GateItem(Contract):
    """What became of one gate. No word of a prompt or of an answer stands here."""

    gate: Gate
    verdict: GateVerdict
    reason: str
    evidence: dict[str, str]
    at: Timestamp


class PreflightProbes(Contract):
    """`asked` of the built-in prompts and then of golden.jsonl, in order; `unmet` says what was wrong, by prompt;
    `stalled`: looks in a row at which SageMaker answered none."""

    asked: int = Field(ge=0)
    unmet: tuple[str, ...]
    stalled: int = Field(ge=0)


class ArmProbes(Contract):
    """One fleet's answers to the judge: how many, how many of them errors, and the times of the others in ms."""

    asked: int = Field(ge=0)
    errors: int = Field(ge=0)
    latencies_ms: tuple[Annotated[int, Field(ge=0)], ...]


class BakeProbes(Contract):
    """`blue` beside green, `recorded` before it; `looked`: thousandths of the time to the verdict at the last look."""

    green: ArmProbes
    blue: ArmProbes
    recorded: ArmProbes
    looked: int = Field(ge=0, le=1000)


class ProbesItem(Contract):
    """How far the judge's own questions have come."""

    preflight: PreflightProbes | None = None
    bake: BakeProbes | None = None


class RolloutItem(Contract):
    pk: EndpointKey
    sk: Annotated[str, StringConstraints(pattern=r"^rollout#")]
    endpoint: EndpointName
    rollout_id: RolloutId
    release_id: ReleaseId
    kind: Literal["drop", "push", "manual", "rollback"]
    source: str
    """What the files are copied from: s3://<bucket>/ and the drop's prefix, its model.tar.gz, or a published prefix."""
    phase: Phase
    reason: str
    history: tuple[HistoryEntry, ...]
    plan: PlanItem | None = None
    lease_token: int | None = Field(default=None, ge=1)
    execution_arn: str | None = None
    awaiting: Literal["turn", "approval"] | None = None
    task_token: str | None = Field(default=None, min_length=1, max_length=2048)
    """Wakes the execution that awaits; Step Functions allows a token 2,048 characters."""
    paused: Mark | None = None
    approval: Mark | None = None
    abort: Mark | None = None
    skipped_gates: tuple[SkippedGate, ...] | None = None
    previous_release_id: ReleaseId | None = None
    """What served when traffic began to move; none before a first release."""
    gates: tuple[GateItem, ...] | None = None
    probes: ProbesItem | None = None
    finish_line_at: Timestamp | None = None
    """When blue was seen gone; from here on nothing is rolled back."""
    created_at: Timestamp
    updated_at: Timestamp


class LedgerItem(Contract):
    """One line of an endpoint's ledger; `release.domain.ledger` says how it is sealed."""

    pk: EndpointKey
    sk: Annotated[str, StringConstraints(pattern=r"^ledger#[0-9]{12}$")]
    endpoint: EndpointName
    seq: int = Field(ge=1)
    at: Timestamp
    actor: Actor
    event: Happened
    rollout_id: RolloutId | None = None
    release_id: ReleaseId | None = None
    phase: Phase | None = None
    reason: str
    evidence: dict[str, str] | None = None
    prev_hash: Digest
    hash: Digest


class SealItem(Contract):
    """One drop or push, seen. An empty rollout id: the artifact waits for a first image."""

    pk: Annotated[str, StringConstraints(pattern=r"^seal#[0-9a-f]{64}$")]
    sk: Literal["seal"]
    seal: str
    endpoint: EndpointName
    rollout_id: str
    created_at: Timestamp


class LeaseItem(Contract):
    """The fenced right to change an endpoint. A holder that is past `expires_at` counts as dead."""

    pk: EndpointKey
    sk: Literal["lease"]
    holder: str
    token: int = Field(ge=0)
    expires_at: Timestamp


class WaitingItem(Contract):
    """A drop that waits for the first image."""

    pk: Literal["waiting"]
    sk: EndpointKey
    endpoint: EndpointName
    prefix: str
    seal: str
    created_at: Timestamp


class ImageItem(Contract):
    """The newest pushed inference image."""

    pk: Literal["image"]
    sk: Literal["newest"]
    image: Image
    tag: str
    pushed_at: Timestamp
