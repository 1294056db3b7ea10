"""What goes wrong on purpose: faults that a test or `slipway local fault` puts on a board, and the parts that obey it.

The parts ask the board at the place where the real thing would break; the board only keeps and counts.
"""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, TypeVar

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel


class ApiFailure(StrEnum):
    """How a call of an AWS API fails."""

    THROTTLED = "throttled"
    DENIED = "denied"
    INTERNAL_ERROR = "internal-error"
    LOST_BEFORE = "lost-before"
    """The connection ends before the call had its effect."""
    LOST_AFTER = "lost-after"
    """The call has its effect; its answer never arrives."""
    LATE = "late"
    """The call has its effect and its answer arrives `delay_s` late."""


class FleetFailure(StrEnum):
    """How the instances of an endpoint fail."""

    NO_CAPACITY = "no-capacity"
    """AWS has no instance of this type to give."""
    FAILS_TO_START = "fails-to-start"
    """The container exits before it was ever healthy."""
    NEVER_HEALTHY = "never-healthy"
    """The container runs and never answers a ping."""
    HANGS = "hangs"
    """Requests and pings are never answered."""
    SLOW = "slow"
    """Every answer begins `delay_s` late."""
    NONSENSE = "nonsense"
    """Every answer is a 200 with bytes that mean nothing."""
    ERRORS = "errors"
    """Every answer is a 500."""
    CRASHES = "crashes"
    """The container dies while it serves the request."""


class EndpointFailure(StrEnum):
    """What SageMaker itself does to an endpoint, or fails to do for it."""

    MAINTENANCE = "maintenance"
    """An endpoint in service is SystemUpdating for `delay_s`."""
    OUT_OF_SERVICE = "out-of-service"
    """An endpoint in service is OutOfService, and answers nothing, for `delay_s`."""
    ROLLBACK_FAILS = "rollback-fails"
    """A deployment that goes back cannot: UpdateRollbackFailed, a mix of both configs serves."""
    UPDATE_FAILS = "update-fails"
    """A deployment that went back ends as Failed."""


class EventFailure(StrEnum):
    """What happens to an event on its way."""

    DROPPED = "dropped"
    DUPLICATED = "duplicated"
    """It arrives once more, with the same id, `delay_s` later."""
    DELAYED = "delayed"
    """It arrives `delay_s` late, so behind younger ones."""


@dataclass(frozen=True)
class Fault:
    """What every kind of fault has. Patterns are shell patterns, compared with regard to case.

    Attributes:
        times: how many occasions it strikes; None strikes until it is cleared.
        after: how many occasions it lets pass first.
        delay_s: AWS seconds, for the failures that name it.
    """

    # How a fault is spelled in JSON, which is how it comes from outside.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, extra="forbid")

    times: Annotated[int, Field(ge=1)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    delay_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


@dataclass(frozen=True)
class ApiFault(Fault):
    """A call fails: `service` as its requests are signed (`sagemaker`, `states`, `dynamodb`), `operation` as the API
    names it, `caller` an ARN as GetCallerIdentity says it."""

    failure: ApiFailure = ApiFailure.THROTTLED
    service: str = "*"
    operation: str = "*"
    caller: str = "*"

    def __post_init__(self) -> None:
        _need_delay(self, self.failure, ApiFailure.LATE)


@dataclass(frozen=True)
class FleetFault(Fault):
    """Instances fail: of an endpoint, of one of its configs, of an instance type."""

    failure: FleetFailure = FleetFailure.FAILS_TO_START
    endpoint: str = "*"
    config: str = "*"
    variant: str = "*"
    instance_type: str = "*"

    def __post_init__(self) -> None:
        _need_delay(self, self.failure, FleetFailure.SLOW)


@dataclass(frozen=True)
class EndpointFault(Fault):
    """SageMaker takes an endpoint out of our hands. An occasion of the first two failures is one look at an endpoint in
    service, every few AWS seconds."""

    failure: EndpointFailure = EndpointFailure.MAINTENANCE
    endpoint: str = "*"

    def __post_init__(self) -> None:
        for late in (EndpointFailure.MAINTENANCE, EndpointFailure.OUT_OF_SERVICE):
            _need_delay(self, self.failure, late)


@dataclass(frozen=True)
class EventFault(Fault):
    """Events go astray on their way to one target or to all."""

    failure: EventFailure = EventFailure.DROPPED
    source: str = "*"
    detail_type: str = "*"
    target: str = "*"

    def __post_init__(self) -> None:
        _need_delay(self, self.failure, EventFailure.DELAYED)


@dataclass(frozen=True)
class ClockFault(Fault):
    """The clock of one part is wrong by `skew_s` AWS seconds, ahead if positive: `lambda` (the time that functions
    read), `events` (the time that events carry), `s3` (LastModified)."""

    part: str = "*"
    skew_s: Annotated[float, Field(allow_inf_nan=False)] = 0.0

    def __post_init__(self) -> None:
        if not self.skew_s:
            raise ValueError("a clock fault needs a skew_s other than 0; negative is behind")
        if self.part not in {"*", *CLOCKS}:
            raise ValueError(f"no clock is called {self.part!r}; there are {', '.join(CLOCKS)}, and * for all")


def _need_delay(fault: Fault, failure: StrEnum, late: StrEnum) -> None:
    if failure is late and not fault.delay_s:
        raise ValueError(f"the failure {late!s} needs a delay_s above 0")


AnyFault = TypeVar("AnyFault", bound=Fault)
CLOCKS = ("lambda", "events", "s3")
_OWN = frozenset({"times", "after", "delay_s", "failure", "skew_s"})


class UnknownFaultError(Exception):
    """No fault has this id."""


class FaultBoard:
    """The faults that are set, in the order in which they were; the first that fits strikes. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[str, Fault] = {}
        self._seen: dict[str, int] = {}

    def set(self, fault: Fault) -> str:
        """Keep a fault from now on; returns the id that `clear` takes."""
        with self._lock:
            fault_id = f"fault-{next(self._ids)}"
            self._faults[fault_id] = fault
            self._seen[fault_id] = 0
            return fault_id

    def clear(self, fault_id: str | None = None) -> None:
        """Forget one fault, or all.

        Raises:
            UnknownFaultError: no fault has this id.
        """
        with self._lock:
            if fault_id is not None and fault_id not in self._faults:
                known = ", ".join(self._faults) or "none is set"
                raise UnknownFaultError(f"there is no fault {fault_id!r}; set are: {known}")
            for known_id in [fault_id] if fault_id is not None else list(self._faults):
                del self._faults[known_id], self._seen[known_id]

    def all(self) -> dict[str, tuple[Fault, int]]:
        """Every fault with the number of times that it struck, by id."""
        with self._lock:
            return {fault_id: (fault, self._struck(fault_id)) for fault_id, fault in self._faults.items()}

    def strike(self, kind: type[AnyFault], *failures: StrEnum, **occasion: str) -> AnyFault | None:
        """The fault that strikes on this occasion, counted; None where all goes well.

        Args:
            failures: only faults with one of these; any if absent. Ask for what this place can carry out.
            occasion: a value for each of the kind's patterns; what a place does not know it leaves out, and only `*`
                fits what was left out.
        """
        with self._lock:
            for fault_id, fault in self._fitting(kind, failures, occasion):
                self._seen[fault_id] += 1
                if self._seen[fault_id] > fault.after and not self._spent(fault_id):
                    return fault
            return None

    def is_set(self, kind: type[Fault]) -> bool:
        """Whether any fault of this kind is set, for places that must stay fast where none is."""
        with self._lock:
            return any(isinstance(fault, kind) for fault in self._faults.values())

    def skew_s(self, part: str) -> float:
        """How many AWS seconds the clock of a part is ahead; asking is an occasion."""
        fault = self.strike(ClockFault, part=part)
        return fault.skew_s if fault else 0.0

    def _fitting(
        self, kind: type[AnyFault], failures: tuple[StrEnum, ...], occasion: dict[str, str]
    ) -> Iterator[tuple[str, AnyFault]]:
        for fault_id, fault in self._faults.items():
            if isinstance(fault, kind) and (not failures or getattr(fault, "failure", None) in failures):
                patterns = {name: value for name, value in vars(fault).items() if name not in _OWN}
                if all(fnmatchcase(occasion.get(name, ""), pattern) for name, pattern in patterns.items()):
                    yield fault_id, fault

    def _spent(self, fault_id: str) -> bool:
        fault = self._faults[fault_id]
        return fault.times is not None and self._seen[fault_id] > fault.after + fault.times

    def _struck(self, fault_id: str) -> int:
        fault = self._faults[fault_id]
        past = max(0, self._seen[fault_id] - fault.after)
        return past if fault.times is None else min(past, fault.times)
