"""How requests are shared between an old and a new side while a deployment is under way."""

from collections.abc import Callable, Sequence

from local.sagemaker.endpoint import TrafficShare
from local.sagemaker.fleets.fleet import Fleet


def between(old: Sequence[Fleet], new: Fleet, part: Callable[[str], float]) -> tuple[TrafficShare, ...]:
    """The new fleet gets its part of each variant's requests; the old ones share the rest by their instances.

    Args:
        part: of a variant's name, 0 to 1.
    """
    rest = {name: 1 - part(name) for name in new.variants}
    return tuple(share for share in (*_of_old(old, rest), _share(new, part)) if share.share > 0)


def whole(fleets: Sequence[Fleet]) -> tuple[TrafficShare, ...]:
    """All requests go to these fleets, by their instances."""
    names = {name for fleet in fleets for name in fleet.variants}
    return tuple(share for share in _of_old(fleets, dict.fromkeys(names, 1.0)) if share.share > 0)


def _of_old(fleets: Sequence[Fleet], rest: dict[str, float]) -> list[TrafficShare]:
    def part_of(fleet: Fleet) -> Callable[[str], float]:
        def part(name: str) -> float:
            total = sum(other.variants[name].desired for other in fleets if name in other.variants)
            return rest.get(name, 0.0) * fleet.variants[name].desired / total if total else 0.0

        return part

    return [_share(fleet, part_of(fleet)) for fleet in fleets]


def _share(fleet: Fleet, part: Callable[[str], float]) -> TrafficShare:
    variants = {name: part(name) for name in fleet.variants}
    return TrafficShare(fleet, sum(variants.values()) / len(variants), variants)
