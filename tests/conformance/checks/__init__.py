"""All checks, area by area."""

from tests.conformance import generated
from tests.conformance.checks import (
    configs,
    data_plane,
    deployments,
    lifecycle,
    models,
    rollbacks,
    scaling,
    tags_and_lists,
    telling,
)
from tests.conformance.suite import Check

AREAS = (
    generated.area(),
    models.AREA,
    configs.AREA,
    tags_and_lists.TAGS,
    tags_and_lists.LISTS,
    lifecycle.AREA,
    lifecycle.CONFLICTS,
    lifecycle.FAILURES,
    deployments.UPDATES,
    deployments.BOUNDS,
    deployments.KEPT,
    deployments.ROLLING,
    rollbacks.AREA,
    scaling.AREA,
    scaling.QUOTAS,
    data_plane.CALLS,
    data_plane.STREAMS,
    data_plane.SESSIONS,
    data_plane.FILES,
    telling.EVENTS,
    telling.METRICS,
)


def every_check() -> list[Check]:
    return [check for area in AREAS for check in area.checks]
