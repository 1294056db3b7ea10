"""Config: template defaults ← the endpoint's settings ← the manifest's or the hand's own."""

from collections.abc import Mapping
from typing import Any

ENVIRONMENT = "environment"


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay partial configs (camelCase, as on the wire) over each other, the last one on top.

    Values replace; only `environment` merges name by name, so that one more variable does not drop the defaults.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        environment = {**merged.get(ENVIRONMENT, {}), **layer.get(ENVIRONMENT, {})}
        merged.update(layer)
        if environment or ENVIRONMENT in merged:
            merged[ENVIRONMENT] = environment
    return merged
