"""The report of an examination: the gate's evidence, kept beside the drops as `reports/<endpoint>/<rollout id>/…`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from release.contracts.base import ArtifactId, Contract, EndpointName, Image, ReleaseId, RolloutId, Timestamp
from release.domain.examination.report import MAX_PROBLEMS, Check, Outcome

Count = Annotated[int, Field(ge=0)]
Sentence = Annotated[str, StringConstraints(min_length=1)]


class CheckEntry(Contract):
    """One check; `note` says what was seen, or why nothing was looked at."""

    check: Check
    outcome: Outcome
    problems: Annotated[tuple[Sentence, ...], Field(max_length=MAX_PROBLEMS)]
    note: str


class ModelEntry(Contract):
    """What config.json and the weights' headers say of the model."""

    architecture: Sentence
    parameters: Count
    tensors: Count
    weight_files: Count
    weight_bytes: Count
    bytes_by_dtype: dict[Sentence, Count]
    four_bit: Annotated[str, StringConstraints(pattern="^(nf4|fp4)$")] | None = None
    layers: Count
    hidden_size: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    vocabulary: Count
    context_tokens: Count


class MemoryEntry(Contract):
    """The memory plan of one instance type, an estimate; `full_requests` of the promised ones can be as long as the
    context at the same time."""

    instance_type: Sentence
    accelerator: str
    usable_bytes: Count
    weight_bytes: Count
    step_bytes: Count
    kv_bytes_per_token: Count
    cache_tokens: Count
    concurrency: Count
    context_tokens: Count
    full_requests: Count
    fits: bool


class ExaminationReport(Contract):
    """`problem_count` of all problems; a check lists the first 200 of its own."""

    endpoint: EndpointName
    rollout_id: RolloutId
    release_id: ReleaseId
    artifact_id: ArtifactId
    source: Sentence
    image: Image
    examined_at: Timestamp
    verdict: Literal["passed", "failed"]
    reason: Sentence
    problem_count: Count
    files: Count
    artifact_bytes: Count
    bytes_read: Count
    checks: Annotated[tuple[CheckEntry, ...], Field(min_length=1)]
    model: ModelEntry | None = None
    memory: tuple[MemoryEntry, ...]
