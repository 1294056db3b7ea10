"""The report of an examination, from what was found to what is kept."""

from dataclasses import dataclass

from release.contracts.examination import CheckEntry, ExaminationReport, MemoryEntry, ModelEntry
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.examination.contents import Contents, Reading
from release.domain.examination.report import MAX_PROBLEMS, Finding
from release.domain.memory import MemoryPlan


def report_key(endpoint: str, rollout_id: str) -> str:
    """Where the report of a rollout's examination lies in the artifact bucket."""
    return f"reports/{endpoint}/{rollout_id}/examination.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one examination found. `contents` and `reading` are None if the drop could not be opened."""

    findings: tuple[Finding, ...]
    contents: Contents | None = None
    reading: Reading | None = None
    plans: tuple[MemoryPlan, ...] = ()

    @property
    def problems(self) -> list[str]:
        return [problem for found in self.findings for problem in found.problems]


def report_of(rollout: RolloutItem, release: ReleaseItem, seen: Seen, reason: str, at: str) -> ExaminationReport:
    files = seen.contents.files if seen.contents else {}
    return ExaminationReport(
        endpoint=rollout.endpoint,
        rollout_id=rollout.rollout_id,
        release_id=rollout.release_id,
        artifact_id=release.artifact_id,
        source=rollout.source,
        image=release.image,
        examined_at=at,
        verdict="failed" if seen.problems else "passed",
        reason=reason,
        problem_count=len(seen.problems),
        files=len(files),
        artifact_bytes=sum(files.values()),
        bytes_read=seen.contents.bytes_read if seen.contents else 0,
        checks=tuple(map(_check, seen.findings)),
        model=_model(seen.reading) if seen.reading else None,
        memory=tuple(map(_memory, seen.plans)),
    )


def _check(found: Finding) -> CheckEntry:
    return CheckEntry(check=found.check, outcome=found.outcome, problems=found.problems[:MAX_PROBLEMS], note=found.note)


def _model(reading: Reading) -> ModelEntry | None:
    model, census = reading.model, reading.census
    if model is None or census is None:
        return None
    return ModelEntry(
        architecture=model.name,
        parameters=census.parameters,
        tensors=census.tensors,
        weight_files=census.files,
        weight_bytes=census.bytes,
        bytes_by_dtype=dict(census.bytes_by_dtype),
        four_bit=model.four_bit or None,
        layers=model.layers,
        hidden_size=model.hidden,
        heads=model.heads,
        kv_heads=model.kv_heads,
        head_dim=model.head_dim,
        vocabulary=model.vocabulary,
        context_tokens=model.context,
    )


def _memory(plan: MemoryPlan) -> MemoryEntry:
    return MemoryEntry(
        instance_type=plan.instance.name,
        accelerator=plan.instance.accelerator,
        usable_bytes=plan.usable,
        weight_bytes=plan.weights,
        step_bytes=plan.step,
        kv_bytes_per_token=plan.kv_per_token,
        cache_tokens=plan.cache_tokens,
        concurrency=plan.promise.concurrency,
        context_tokens=plan.promise.context,
        full_requests=plan.full_requests,
        fits=not plan.problem,
    )
