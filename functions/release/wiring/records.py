"""The release table, and who is told of a rollout's new phase."""

import os
from functools import cache

from release.adapters.table import DynamoReleaseTable
from release.contracts.table import RolloutItem
from release.domain.phases import Phase
from release.wiring import clients


@cache
def table() -> DynamoReleaseTable:
    return DynamoReleaseTable(clients.client("dynamodb"), table=os.environ["RELEASE_TABLE"], tell=_tell)


def _tell(rollout: RolloutItem, phase: Phase, reason: str) -> None:
    from release.wiring import news  # noqa: PLC0415 - imported when the first phase changes

    news.measures().phase_changed(rollout, phase)
    news.events().phase_changed(rollout, phase, reason)
