"""What AWS has to give: how many instances of a type are free, so that a shortage can be played through.

Nobody's quota: a quota is the account's and refuses a request at once; capacity is AWS's and fails later, while
instances are provisioned.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from local.clock import Clock
from local.faults import FaultBoard, FleetFailure, FleetFault

RETRY_AWS_S = 15.0
"""How often a variant that found no instance looks again until its provisioning time is over."""
FAILURE_REASON = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using "
    "a different ML instance type or after some time."
)
"""FailureReason of an endpoint that got no instance. Source: aws/deep-learning-containers#6673 (first sentence)."""

ANYWHERE: Mapping[str, str] = MappingProxyType({})


class InsufficientCapacityError(Exception):
    """AWS has not so many instances of any type that was asked for; the message is what FailureReason says."""


class Capacity:
    """The instances that are free, by type. Safe in any thread.

    Args:
        faults: a `FleetFault` with NO_CAPACITY that fits makes an instance type look empty.
        free: how many instances of a type there are at all; a type that is not named has no end.
    """

    def __init__(self, faults: FaultBoard, free: Mapping[str, int] | None = None) -> None:
        self._faults = faults
        self._limits = dict(free or {})
        self._taken: dict[str, int] = {}
        self._lock = threading.Lock()

    def limit(self, instance_type: str, instances: int | None) -> None:
        """From now on there are so many instances of the type at all, taken ones included; None for no end."""
        with self._lock:
            if instances is None:
                self._limits.pop(instance_type, None)
            else:
                self._limits[instance_type] = instances

    def take(self, instance_type: str, count: int = 1, place: Mapping[str, str] = ANYWHERE) -> None:
        """Take so many instances of one type, all or none.

        Args:
            count: at least 1.
            place: `endpoint`, `config` and `variant` for which they are, as `FleetFault` names them.

        Raises:
            InsufficientCapacityError: there are fewer, or a fault says that there are none.
        """
        if self._faults.strike(FleetFault, FleetFailure.NO_CAPACITY, instance_type=instance_type, **place):
            raise InsufficientCapacityError(FAILURE_REASON)
        with self._lock:
            taken = self._taken.get(instance_type, 0) + count
            if instance_type in self._limits and taken > self._limits[instance_type]:
                raise InsufficientCapacityError(FAILURE_REASON)
            self._taken[instance_type] = taken

    def take_first(
        self,
        instance_types: Sequence[str],
        *,
        clock: Clock,
        within_s: float,
        interrupt: Callable[[], None],
        place: Mapping[str, str] = ANYWHERE,
    ) -> int:
        """Take one instance of the first type that has one, looking again until the time for provisioning is over.

        Args:
            instance_types: by priority, the best first; one for a variant without instance pools.
            within_s: AWS seconds, VariantInstanceProvisionTimeoutInSeconds; 0 looks once.
            interrupt: called before every look; it raises to give up.

        Returns:
            The position of the type that was taken; its user gives it back.

        Raises:
            InsufficientCapacityError: none has one, and the time is over.

        Source: ProductionVariant.VariantInstanceProvisionTimeoutInSeconds of SageMaker's API reference: on
            insufficient capacity SageMaker tries the next pool, and waits until the time is over.
        """
        until = clock.time() + within_s
        while True:
            interrupt()
            for position, instance_type in enumerate(instance_types):
                try:
                    self.take(instance_type, place=place)
                except InsufficientCapacityError:
                    continue
                return position
            if (left := until - clock.time()) <= 0:
                raise InsufficientCapacityError(FAILURE_REASON)
            clock.sleep(min(left, RETRY_AWS_S))

    def give_back(self, instance_type: str, count: int = 1) -> None:
        """Raises ValueError if fewer were taken: then somebody gave back twice."""
        with self._lock:
            taken = self._taken.get(instance_type, 0)
            if count > taken:
                raise ValueError(f"{count} instances of {instance_type} cannot come back: {taken} are taken")
            self._taken[instance_type] = taken - count

    def taken(self, instance_type: str) -> int:
        with self._lock:
            return self._taken.get(instance_type, 0)
