"""What the sweep looks at, in virtual time: executions that have ended, seals, images that were pushed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from release.domain.keys import SEALS
from release.flows.sweeping import Sweeping
from release.ports import Life, Listing, Push, SealedObject
from simulation.executions import Executions, execution_arn
from tests.builders.sweeps import Sweeper
from tests.fakes.upkeep import FakeDriftNews, FakePushes, FakeUploads


@dataclass
class SimulatedExecutions:
    """The sweep's view of Step Functions."""

    executions: Executions

    def named(self, rollout_id: str) -> str:
        return execution_arn("release", rollout_id)

    def life(self, arn: str) -> Life:
        execution = self.executions.all.get(arn)
        if execution is None:
            return Life.UNKNOWN
        return Life.RUNNING if execution.is_running else Life.ENDED

    def input_of(self, arn: str) -> Any:
        execution = self.executions.all.get(arn)
        return execution.given if execution else None


@dataclass
class SimulatedUploads(FakeUploads):
    """Seals with the version and the instant of their upload."""

    versions: dict[str, str] = field(default_factory=dict)

    def seals(self, endpoint: str) -> Listing:
        found = [
            SealedObject(key, self.versions[key], self.written_at[key])
            for key in self.artifacts.objects
            if key.startswith(f"models/{endpoint}/") and key.rpartition("/")[2] in SEALS
        ]
        return Listing(tuple(found), self.complete)


@dataclass
class SimulatedPushes(FakePushes):
    clock: Callable[[], datetime] = datetime.now

    def push(self, image: str, tag: str) -> None:
        self.pushed.append(Push(image=image, tag=tag, at=self.clock()))
        self.tags[tag] = image.partition("@")[2]


def sweeping_of(house: Any, executions: Any, uploads: Any, pushes: Any, news: Any) -> Sweeping:
    """The sweep over the house's flows, wired as the tests have it, with eyes of its own."""
    sweeping = Sweeper(house, executions, pushes, news).sweeping
    return replace(sweeping, recovering=replace(sweeping.recovering, uploads=uploads))


__all__ = ["FakeDriftNews", "SimulatedExecutions", "SimulatedPushes", "SimulatedUploads", "sweeping_of"]
