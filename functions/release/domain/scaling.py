"""How far a fleet may grow and shrink by itself, and what makes it."""

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_CONCURRENCY = 16
"""Requests that one instance answers at once, unless SLIPWAY_MAX_CONCURRENCY says otherwise (events/serving)."""
_SHARE_PERCENT = 75  # the rest is for what arrives while the next instance comes up


@dataclass(frozen=True, slots=True)
class Bounds:
    """Instances from `minimum` to `maximum`; `target` concurrent requests by instance, which scaling keeps to."""

    minimum: int
    maximum: int
    target: int

    def sentence(self) -> str:
        return f"{self.minimum} to {self.maximum} instances, {self.target} concurrent requests each"


def bounds_of(minimum: int, maximum: int, target: int | None, environment: Mapping[str, str]) -> Bounds | None:
    """What scaling may do; None where it has nothing to do, because the fleet may have one size only.

    Args:
        target: None for three quarters of what an instance answers at once.
    """
    if maximum <= minimum:
        return None
    concurrency = int(environment.get("SLIPWAY_MAX_CONCURRENCY") or DEFAULT_CONCURRENCY)
    return Bounds(minimum, maximum, target or max(1, concurrency * _SHARE_PERCENT // 100))
