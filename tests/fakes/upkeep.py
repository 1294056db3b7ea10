"""What the sweep looks at, in memory, beside the other fakes and over the same state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from release.contracts.settings import Retention
from release.contracts.sweep import DriftFound
from release.domain.keys import SEALS
from release.ports import Life, Listing, Made, Push, SealedObject, Written
from tests.fakes.artifacts import FakeArtifacts
from tests.fakes.aws import FakeAlarms, FakeServing

LONG_AGO = datetime(2026, 11, 23, 11, tzinfo=UTC)


@dataclass
class FakeUploads:
    """Every object has the version `7`, as the drops of the tests say; `written_at` dates them."""

    artifacts: FakeArtifacts
    written_at: dict[str, datetime] = field(default_factory=dict)
    more: list[Written] = field(default_factory=list)
    complete: bool = True

    def endpoints(self) -> list[str]:
        return sorted({key.split("/")[1] for key in self.artifacts.objects if key.startswith("models/")})

    def seals(self, endpoint: str) -> Listing:
        found = [
            SealedObject(key, "7", self.written_at.get(key, LONG_AGO))
            for key in self.artifacts.objects
            if key.startswith(f"models/{endpoint}/") and key.rpartition("/")[2] in SEALS
        ]
        return Listing(tuple(found), self.complete)

    def written(self, prefix: str) -> list[Written]:
        sizes = self.artifacts.sizes(prefix)
        return [Written(path, "7", size, path, latest=True, deleted=False) for path, size in sizes.items()] + self.more


@dataclass
class FakePushes:
    pushed: list[Push] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def newest(self) -> Push | None:
        return max(self.pushed, key=lambda push: push.at, default=None)

    def digest_of(self, tag: str) -> str | None:
        return self.tags.get(tag)


@dataclass
class FakeExecutions:
    """Unknown until the test says otherwise."""

    lives: dict[str, Life] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)

    def named(self, rollout_id: str) -> str:
        return f"arn:execution:{rollout_id}"

    def life(self, execution_arn: str) -> Life:
        return self.lives.get(execution_arn, Life.UNKNOWN)

    def input_of(self, execution_arn: str) -> Any:
        return self.inputs.get(execution_arn)


@dataclass
class FakeInventory:
    """Models and configs of FakeServing, all made long ago."""

    serving: FakeServing
    watch: FakeAlarms

    def models(self, name_part: str) -> list[Made]:
        return [Made(name, LONG_AGO) for name in self.serving.models if name_part in name]

    def configs(self, name_part: str) -> list[Made]:
        return [Made(name, LONG_AGO) for name in self.serving.configs if name_part in name]

    def has_model(self, name: str) -> bool:
        return name in self.serving.models

    def has_config(self, name: str) -> bool:
        return name in self.serving.configs

    def delete_model(self, name: str) -> None:
        self.serving.models.pop(name, None)

    def delete_config(self, name: str) -> None:
        self.serving.configs.pop(name, None)

    def alarms(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in {**self.watch.guards, **self.watch.own} if name.startswith(prefix))


@dataclass
class FakeDashboards:
    drawn: dict[str, str] = field(default_factory=dict)

    def body(self, name: str) -> str:
        return self.drawn.get(name, "")

    def put(self, name: str, body: str) -> None:
        self.drawn[name] = body

    def delete(self, name: str) -> None:
        self.drawn.pop(name, None)


@dataclass
class FakeRetentions:
    kept: dict[str, Retention] = field(default_factory=dict)

    def retention(self, endpoint: str) -> Retention:
        return self.kept.get(endpoint, Retention())


@dataclass
class FakeDriftNews:
    told: list[DriftFound] = field(default_factory=list)

    def drift_found(self, drift: DriftFound) -> None:
        self.told.append(drift)
