"""What the sweep is asked, finds and says."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from release.contracts.base import Contract, EndpointName, Reason, RolloutId
from release.domain.drift import DriftKind

GRACE_S = 604_800
"""Seven days: what nobody needs is kept so long before it is collected."""
MOST_NAMES = 20
"""Of collected things that an answer names; their number is told whole."""


class SweepInput(Contract):
    """Start of the sweep machine, by its schedule, by a failed execution, or by hand.

    Args:
        endpoint: sweep this one only; every one if neither it nor `execution` is named.
        execution: ARN of an execution of the release machine, whose endpoint is swept.
        dry_run: say what would be done and change nothing.
        grace_seconds: how long what nobody needs is kept before it is collected.
    """

    endpoint: EndpointName | None = None
    execution: Annotated[str, StringConstraints(pattern=r"^arn:[^\s]+$", max_length=2048)] | None = None
    dry_run: bool | None = None
    grace_seconds: int | None = Field(default=None, ge=0, le=31_536_000)
    reason: Reason | None = None


class SweepWork(Contract):
    """Answer of "Find work"."""

    endpoints: tuple[EndpointName, ...]
    dry_run: bool
    grace_seconds: int


class SweepStep(Contract):
    endpoint: EndpointName
    dry_run: bool
    grace_seconds: int = Field(ge=0)


class DriftItem(Contract):
    kind: DriftKind
    subject: str
    reason: str
    mended: bool


class Swept(Contract):
    """Answer of "Sweep endpoint".

    Args:
        settled: rollouts whose execution was dead.
        started: rollouts whose event, or whose start, was lost.
        passed_over: lost drops that a later one had overtaken.
        collected: models, endpoint configs and alarms that nobody needed, or in a dry run needs; the first
            `MOST_NAMES` of them.
        would: in a dry run, what would have been done beside that.
        problems: what could not be done, each a sentence.
    """

    endpoint: EndpointName
    settled: tuple[RolloutId, ...] = ()
    started: tuple[RolloutId, ...] = ()
    passed_over: tuple[RolloutId, ...] = ()
    drift: tuple[DriftItem, ...] = ()
    collected: tuple[str, ...] = ()
    collected_count: int = 0
    would: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class NotSwept(Contract):
    """Where "Sweep endpoint" failed."""

    endpoint: EndpointName
    failed: str


class ReportStep(Contract):
    """`results`: of each endpoint a `Swept` or a `NotSwept`."""

    results: list[Any]
    dry_run: bool


class SweepReport(Contract):
    """Answer of "Report sweep"; the sums over all endpoints, in a sentence and as numbers."""

    sentence: str
    endpoints: int
    settled: int
    started: int
    passed_over: int
    drift: int
    mended: int
    collected: int
    problems: tuple[str, ...]


class DriftFound(Contract):
    """Detail of the event "Drift Found", and the message about it on the notification topic.

    Args:
        undo: the command that brings back what the record says, or empty.
        look: the command that tells more.
    """

    stack: EndpointName
    endpoint: EndpointName
    kind: DriftKind
    subject: str
    reason: str
    mended: bool
    undo: str = ""
    look: str = ""
