"""The sweep over a house of fakes."""

from dataclasses import dataclass, field

from release.contracts.steps import ExecutionInput
from release.contracts.sweep import SweepStep, SweepWork, Swept
from release.flows.building import Where
from release.flows.collecting import Collecting
from release.flows.drawing import Drawing
from release.flows.drifting import Drifting, Ground
from release.flows.finding_work import FindingWork
from release.flows.orphans import Orphans
from release.flows.recovering import Recovering
from release.flows.sweeping import Sweeping
from release.ports import Life
from tests.builders.house import ROLE, House
from tests.fakes.upkeep import (
    FakeDriftNews,
    FakeExecutions,
    FakeInventory,
    FakePushes,
    FakeRetentions,
    FakeUploads,
)


@dataclass
class Sweeper:
    house: House = field(default_factory=House)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    pushes: FakePushes = field(default_factory=FakePushes)
    news: FakeDriftNews = field(default_factory=FakeDriftNews)
    retentions: FakeRetentions = field(default_factory=FakeRetentions)

    def __post_init__(self) -> None:
        house = self.house
        self.uploads = FakeUploads(house.artifacts)
        self.inventory = FakeInventory(house.serving, house.alarms)
        orphans = Orphans(
            house.table, self.executions, house.machine, house.settling, house.verifying, house.queue, house.now
        )
        recovering = Recovering(house.table, self.uploads, self.pushes, house.intake, house.now)
        ground = Ground(
            house.serving,
            self.inventory,
            house.alarms,
            house.metrics,
            house.artifacts,
            self.uploads,
            house.images,
            self.pushes,
            house.scaling,
        )
        where = Where(house.artifacts.bucket, ROLE)
        drifting = Drifting(house.table, ground, self.news, "slipway", where, house.now)
        self.collecting = Collecting(
            house.table, house.serving, self.inventory, house.alarms, self.retentions, "slipway", house.now
        )
        drawing = Drawing(house.serving, house.dashboards, "slipway", "us-east-1")
        self.sweeping = Sweeping(orphans, recovering, drifting, self.collecting, drawing)
        self.finding = FindingWork(house.table, self.uploads, self.executions, self.pushes, house.now)

    def sweep(self, endpoint: str = "chat", *, dry_run: bool = False, grace_s: int = 604_800) -> Swept:
        return self.sweeping.sweep(SweepStep(endpoint=endpoint, dry_run=dry_run, grace_seconds=grace_s))

    def find(self, **asked: object) -> SweepWork:
        return self.finding.find(ExecutionInput(input=asked, execution_arn="arn:sweep"))

    def dies(self, rollout_id: str) -> None:
        """Its execution, that is; the rollout is as it was."""
        self.executions.lives[f"arn:execution:{rollout_id}"] = Life.ENDED

    def runs(self, rollout_id: str) -> None:
        self.executions.lives[f"arn:execution:{rollout_id}"] = Life.RUNNING
