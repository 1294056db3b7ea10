"""What goes wrong, and when: calls that fail before or after their effect, processes that die, functions that hang."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from release.errors import AccessDeniedError, ServiceUnavailableError
from simulation.timeline import CrashError, Invocation, Timeline

Watch = Callable[[str, str, Any, Any, Invocation], None]
"""Sees a call just before it takes effect: port, method, arguments, keywords, and who makes it."""


class Fault(StrEnum):
    THROTTLED = "refused before its effect"
    ANSWER_LOST = "done, but its answer was lost"
    DENIED = "denied"
    CRASH_BEFORE = "not made: the process died before it"
    CRASH_AFTER = "done, and the process died after it"
    HANGS = "never answered, until the function timed out"


class Latency:
    """How long calls take: a few milliseconds as a rule, seconds now and then, so that others come in between."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._slow = rng.choice((0.0, 0.02, 0.1))

    def draw_s(self) -> float:
        if self._slow and self._rng.random() < self._slow:
            return self._rng.uniform(0.2, 6.0)
        return self._rng.uniform(0.002, 0.02)


@dataclass
class Calls:
    """Every call of every port goes through here.

    Args:
        planned: number of the call, counted from 1 over the whole run → what befalls it.
        outages: port → (from, to) in seconds, when all its calls are refused.
    """

    timeline: Timeline
    latency: Latency
    tell: Callable[[str], None]
    watch: Watch
    planned: dict[int, Fault] = field(default_factory=dict)
    outages: dict[str, tuple[float, float]] = field(default_factory=dict)
    made: int = 0
    struck: list[str] = field(default_factory=list)

    def make(self, port: str, method: str, real: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        invocation = self.timeline.current
        if invocation is None:
            return real(*args, **kwargs)  # the simulation itself looks
        self.made += 1
        fault = self.planned.pop(self.made, None)
        self.timeline.spend(self.latency.draw_s())
        if fault is None and self._is_out(port):
            raise ServiceUnavailableError(f"{port} is out; try again")
        if fault:
            self.struck.append(f"call {self.made}, {port}.{method}: {fault}")
            self.tell(f"FAULT {self.struck[-1]}")
            _before(fault, invocation, f"{port}.{method}")
        self.watch(port, method, args, kwargs, invocation)
        answer = real(*args, **kwargs)
        if fault:
            _after(fault, f"{port}.{method}")
        return answer

    def _is_out(self, port: str) -> bool:
        begins, ends = self.outages.get(port, (0.0, 0.0))
        return begins < self.timeline.now_s < ends


def _before(fault: Fault, invocation: Invocation, call: str) -> None:
    match fault:
        case Fault.THROTTLED:
            raise ServiceUnavailableError(f"{call} was throttled; try again")
        case Fault.DENIED:
            raise AccessDeniedError(f"{call}: AccessDenied; mend the rights")
        case Fault.CRASH_BEFORE:
            raise CrashError
        case Fault.HANGS:
            invocation.hang()


def _after(fault: Fault, call: str) -> None:
    match fault:
        case Fault.ANSWER_LOST:
            raise ServiceUnavailableError(f"{call} did not answer in time; try again")
        case Fault.CRASH_AFTER:
            raise CrashError


class Port:
    """A port behind which calls take time and can fail; what is no method is passed through."""

    def __init__(self, name: str, real: Any, calls: Calls) -> None:
        self._name, self._real, self._calls = name, real, calls

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._real, method)
        if not callable(found):
            return found
        name, calls = self._name, self._calls

        def call(*args: Any, **kwargs: Any) -> Any:
            return calls.make(name, method, found, args, kwargs)

        setattr(self, method, call)
        return call
