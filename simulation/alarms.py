"""CloudWatch in virtual time: alarms that trip by what was published, and metrics that trip them.

The fakes of the tests know the ports; here they get time. What AWS leaves open (how late an alarm is) the seed decides.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from release.domain.plan import DEAD_MAN_S
from tests.fakes.aws import FakeAlarms, FakeMetrics

_LATEST_EVALUATION_S = 30.0
_GUARD_LATEST_S = 60.0
_NEVER = float("inf")


@dataclass
class Published:
    """Everything that was ever published; times in seconds."""

    beats: dict[str, list[float]] = field(default_factory=dict)
    aborts: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    """First 5xx of each endpoint config that serves."""


@dataclass
class SimulatedMetrics(FakeMetrics):
    published: Published = field(default_factory=Published)
    now: Callable[[], float] = lambda: 0.0

    def beat(self, rollout_id: str) -> None:
        self.published.beats.setdefault(rollout_id, []).append(self.now())

    def seed(self, rollout_id: str) -> None:
        self.beat(rollout_id)

    def request_abort(self, rollout_id: str) -> None:
        self.published.aborts.setdefault(rollout_id, self.now())


@dataclass
class SimulatedAlarms(FakeAlarms):
    published: Published = field(default_factory=Published)
    now: Callable[[], float] = lambda: 0.0
    rng: Random = field(default_factory=Random)
    stack: str = "slipway"
    _made: dict[str, float] = field(default_factory=dict)
    _late: dict[str, float] = field(default_factory=dict)

    def ensure_guard(self, name: str, *, endpoint_name: str, config_name: str) -> None:
        super().ensure_guard(name, endpoint_name=endpoint_name, config_name=config_name)
        self._note(name)

    def ensure_abort(self, name: str, *, rollout_id: str) -> None:
        super().ensure_abort(name, rollout_id=rollout_id)
        self._note(name)

    def ensure_dead_man(self, name: str, *, rollout_id: str) -> None:
        super().ensure_dead_man(name, rollout_id=rollout_id)
        self._note(name)

    def _note(self, name: str) -> None:
        self._made.setdefault(name, self.now())
        self._late.setdefault(name, self.rng.uniform(1, _LATEST_EVALUATION_S))

    def exist(self) -> set[str]:
        return {*self.guards, *self.own}

    def delete(self, names: Sequence[str]) -> None:
        super().delete(names)
        for name in names:
            self._made.pop(name, None)

    def states(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self._state(name) for name in names if name in self.guards or name in self.own}

    def _state(self, name: str) -> str:
        if name in self.said:
            return self.said[name]
        if self.now() < self._made.get(name, 0.0) + self._late.get(name, 0.0):
            return "INSUFFICIENT_DATA"
        return "ALARM" if self.trip_s(name, self.now()) <= self.now() else "OK"

    def first_trip_s(self, names: Iterable[str], until_s: float) -> float:
        return min((self.trip_s(name, until_s) for name in names), default=_NEVER)

    def trip_s(self, name: str, until_s: float) -> float:
        """When the alarm began to say ALARM, if it does by then and is still there."""
        late_s = self._late.get(name, 0.0)
        if name in self.guards:
            return self.published.errors.get(self.guards[name][1], _NEVER) + min(late_s * 2, _GUARD_LATEST_S)
        rollout_id = self.own.get(name)
        if rollout_id is None:
            return _NEVER
        if name.endswith("-abort"):
            return self.published.aborts.get(rollout_id, _NEVER) + late_s
        return self._silent_since(rollout_id, until_s)

    def _silent_since(self, rollout_id: str, until_s: float) -> float:
        beats = self.published.beats.get(rollout_id, [])
        last_s = beats[-1] if beats else 0.0
        return last_s + DEAD_MAN_S if last_s + DEAD_MAN_S <= until_s else _NEVER
