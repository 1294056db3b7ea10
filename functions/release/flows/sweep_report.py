"""The sweep's last step: the sum over all endpoints."""

from collections.abc import Mapping
from typing import Any

from release.contracts.sweep import NotSwept, ReportStep, SweepReport, Swept
from release.errors import SweepIncompleteError


def report(step: ReportStep) -> SweepReport:
    """The sum over all endpoints.

    Raises:
        SweepIncompleteError: an endpoint could not be swept; the sentence names each and why.
    """
    failed = [NotSwept.parse(each) for each in step.results if _has_failed(each)]
    swept = [Swept.parse(each) for each in step.results if not _has_failed(each)]
    if failed:
        whys = "; ".join(f"{each.endpoint}: {each.failed}" for each in failed)
        raise SweepIncompleteError(f"{len(failed)} of {len(step.results)} endpoints were not swept: {whys}")
    drift = [each for one in swept for each in one.drift]
    sums = {
        "endpoints": len(swept),
        "settled": sum(len(one.settled) for one in swept),
        "started": sum(len(one.started) for one in swept),
        "passed_over": sum(len(one.passed_over) for one in swept),
        "drift": len(drift),
        "mended": sum(each.mended for each in drift),
        "collected": sum(one.collected_count for one in swept),
    }
    problems = tuple(problem for one in swept for problem in one.problems)
    return SweepReport(sentence=_sentence(sums, swept, dry_run=step.dry_run), problems=problems, **sums)


def _sentence(sums: Mapping[str, int], swept: list[Swept], *, dry_run: bool) -> str:
    found = f"{sums['endpoints']} endpoints, {sums['drift']} differences"
    if dry_run:
        would = sum(len(one.would) for one in swept)
        return f"would have swept {found}, {would} deeds and {sums['collected']} things to collect; nothing was changed"
    return (
        f"swept {found} ({sums['mended']} mended), {sums['settled']} dead rollouts settled, {sums['started']} started, "
        f"{sums['passed_over']} passed over, {sums['collected']} things collected"
    )


def _has_failed(result: Any) -> bool:
    return isinstance(result, dict) and "failed" in result
