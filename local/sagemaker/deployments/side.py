"""What serves, seen as one: a fleet, or several after rollbacks that failed."""

from collections.abc import Callable, Sequence

from local.sagemaker.fleets.fleet import Fleet


class Side:
    """The fleet whose config counts as current comes first: the others shrink before it, and only it grows."""

    def __init__(self, fleets: Sequence[Fleet]) -> None:
        self._fleets = fleets

    def count(self, name: str) -> int:
        """How many instances the variant shall have now, of all configs."""
        return sum(fleet.variants[name].desired for fleet in self._fleets if name in fleet.variants)

    def resize(self, name: str, to: int, interrupt: Callable[[], None]) -> None:
        """Scale one variant out or in.

        Raises:
            LaunchError: an instance cannot come into service.
            Exception: whatever `interrupt` raised.
        """
        for fleet in reversed(self._fleets):
            surplus = self.count(name) - to
            if surplus > 0 and name in fleet.variants:
                desired = fleet.variants[name].desired
                fleet.resize(name, desired - min(desired, surplus), interrupt)
        if (missing := to - self.count(name)) > 0:
            current = self._fleets[0]
            current.resize(name, current.variants[name].desired + missing, interrupt)

    def reweigh(self, name: str, weight: float) -> None:
        for fleet in self._fleets:
            if name in fleet.variants:
                fleet.variants[name].weight = weight
