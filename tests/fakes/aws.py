"""The other ports in memory. Each does what it is told by the test and remembers what it was asked."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from release.contracts.config import PartialConfig
from release.contracts.machines import Notification
from release.contracts.settings import PolicySettings
from release.domain.evidence import Arm
from release.domain.hosting import Hosting
from release.domain.plan import Plan
from release.domain.price import PriceList, built_in_prices
from release.domain.probes import ChatAnswer, Prompt
from release.domain.scaling import Bounds
from release.domain.truth import EndpointState, ProbeAnswer
from release.errors import EndpointBusyError, RolloutFailedError
from release.ports import Window


@dataclass
class FakeClock:
    at: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class FakeServing:
    """SageMaker that does nothing by itself: the test says when green has arrived."""

    endpoints: dict[str, EndpointState] = field(default_factory=dict)
    models: dict[str, tuple[str, str, dict[str, str]]] = field(default_factory=dict)
    configs: dict[str, Hosting] = field(default_factory=dict)
    updates: list[tuple[str, Plan, tuple[str, ...], int]] = field(default_factory=list)
    served: dict[str, str] = field(default_factory=dict)

    def describe(self, endpoint_name: str) -> EndpointState | None:
        return self.endpoints.get(endpoint_name)

    def ensure_model(
        self, name: str, *, image: str, data_uri: str, environment: Mapping[str, str], execution_role_arn: str
    ) -> None:
        assert execution_role_arn
        model = (image, data_uri, dict(environment))
        if self.models.setdefault(name, model) != model:
            raise RolloutFailedError(f"model {name} exists with another content")

    def ensure_config(self, name: str, hosting: Hosting, *, model: str = "") -> None:
        assert (model or name) in self.models
        self.served[name] = model or name
        if self.configs.setdefault(name, hosting) != hosting:
            raise RolloutFailedError(f"endpoint config {name} exists with another content")

    def create_endpoint(self, endpoint_name: str, config_name: str) -> None:
        image, count = self.models[self.served[config_name]][0], self.configs[config_name].instance_count
        self.endpoints[endpoint_name] = EndpointState(
            "Creating", config_name, "", baking=False, fleet_size=count, image=image, failure=""
        )

    def update_endpoint(
        self, endpoint_name: str, config_name: str, *, plan: Plan, alarms: Sequence[str], max_execution_s: int
    ) -> None:
        state = self.endpoints[endpoint_name]
        if state.status != "InService":
            raise EndpointBusyError(f"endpoint {endpoint_name} is {state.status}")
        self.updates.append((config_name, plan, tuple(alarms), max_execution_s))
        self.endpoints[endpoint_name] = replace(state, status="Updating", pending_config=config_name)

    def delete_endpoint(self, endpoint_name: str) -> None:
        self.endpoints.pop(endpoint_name, None)

    def bake(self, endpoint_name: str) -> None:
        self.endpoints[endpoint_name] = replace(self.endpoints[endpoint_name], baking=True)

    def arrive(self, endpoint_name: str) -> None:
        """The shift under way succeeds."""
        state = self.endpoints[endpoint_name]
        config = state.pending_config or state.config_name
        image = self.models[self.served[config]][0]
        self.endpoints[endpoint_name] = EndpointState("InService", config, "", False, state.fleet_size, image, "")

    def roll_back(self, endpoint_name: str, reason: str = "") -> None:
        """The shift under way fails, and SageMaker says so only if a reason is given."""
        state = replace(self.endpoints[endpoint_name], status="InService", pending_config="", failure=reason)
        self.endpoints[endpoint_name] = replace(state, baking=False)


@dataclass
class FakeAlarms:
    """OK from the beginning, unless the test says otherwise."""

    guards: dict[str, tuple[str, str]] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def ensure_guard(self, name: str, *, endpoint_name: str, config_name: str) -> None:
        self.guards[name] = (endpoint_name, config_name)

    def ensure_abort(self, name: str, *, rollout_id: str) -> None:
        self.own[name] = rollout_id

    def ensure_dead_man(self, name: str, *, rollout_id: str) -> None:
        self.own[name] = rollout_id

    def states(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.said.get(name, "OK") for name in names if name in {**self.guards, **self.own}}

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.guards.pop(name, None)
            self.own.pop(name, None)


@dataclass
class FakeScaling:
    """`refused`: what Application Auto Scaling says to every deed, if anything."""

    bounds: dict[str, Bounds] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    refused: str = ""

    def suspend(self, endpoint_name: str) -> None:
        self._check()
        if endpoint_name in self.bounds:
            self.suspended.add(endpoint_name)

    def ensure(self, endpoint_name: str, bounds: Bounds) -> None:
        self._check()
        self.bounds[endpoint_name] = bounds
        self.suspended.discard(endpoint_name)

    def remove(self, endpoint_name: str) -> None:
        self._check()
        self.bounds.pop(endpoint_name, None)
        self.suspended.discard(endpoint_name)

    def is_at_work(self, endpoint_name: str) -> bool:
        return endpoint_name in self.bounds and endpoint_name not in self.suspended

    def _check(self) -> None:
        if self.refused:
            raise RolloutFailedError(self.refused)


@dataclass
class FakeMetrics:
    beats: list[str] = field(default_factory=list)
    seeded: list[str] = field(default_factory=list)
    aborts: list[str] = field(default_factory=list)

    fleets: dict[str, Arm] = field(default_factory=dict)
    """What SageMaker says of the fleet of a config; nothing unless the test says so."""

    def measured(self, endpoint_name: str, config_name: str, window: Window) -> Arm:
        assert endpoint_name
        assert window.since <= window.until
        return self.fleets.get(config_name, Arm())

    def beat(self, rollout_id: str) -> None:
        self.beats.append(rollout_id)

    def seed(self, rollout_id: str) -> None:
        self.seeded.append(rollout_id)

    def request_abort(self, rollout_id: str) -> None:
        self.aborts.append(rollout_id)


@dataclass
class FakeWaiters:
    """Answers by token; a token in `gone` is one that nobody waits with any more."""

    answers: dict[str, Any] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def succeed(self, task_token: str, answer: Mapping[str, Any]) -> bool:
        return self._answer(task_token, dict(answer))

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        return self._answer(task_token, (error, cause))

    def _answer(self, task_token: str, answer: object) -> bool:
        if not task_token or task_token in self.gone or task_token in self.answers:
            return False
        self.answers[task_token] = answer
        return True


@dataclass
class FakeProbes:
    answers: dict[str, ProbeAnswer] = field(default_factory=dict)

    chats: dict[str, Callable[[Prompt], ChatAnswer]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, endpoint_name: str) -> ProbeAnswer:
        return self.answers[endpoint_name]

    def chat(self, endpoint_name: str, prompt: Prompt) -> ChatAnswer:
        """By `chats`, else by whoever gives the short answer too, soundly and in a tenth of a second."""
        self.asked.append((endpoint_name, prompt.name))
        if endpoint_name in self.chats:
            return self.chats[endpoint_name](prompt)
        who = self.ask(endpoint_name)
        return ChatAnswer(who.release_id, who.rollout_id, who.error, "Good day.", "stop", 0.1)


@dataclass
class FakeMachine:
    started: list[tuple[str, str]] = field(default_factory=list)

    def start(self, endpoint: str, rollout_id: str) -> str:
        if (endpoint, rollout_id) not in self.started:
            self.started.append((endpoint, rollout_id))
        return f"arn:execution:{rollout_id}"


@dataclass
class FakeWakeUps:
    asked: list[tuple[str, str]] = field(default_factory=list)

    def at(self, endpoint: str, instant: str) -> None:
        self.asked.append((endpoint, instant))


@dataclass
class FakeImages:
    gone: set[str] = field(default_factory=set)

    def exists(self, image: str) -> bool:
        return image not in self.gone


@dataclass
class FakeSettings:
    settings: dict[str, PartialConfig] = field(default_factory=dict)

    def of(self, endpoint: str) -> PartialConfig:
        return self.settings.get(endpoint, PartialConfig())


@dataclass
class FakePolicies:
    policies: dict[str, PolicySettings] = field(default_factory=dict)

    def policy(self, endpoint: str) -> PolicySettings:
        return self.policies.get(endpoint, PolicySettings())


@dataclass
class FakeQuotas:
    quotas: dict[str, int] = field(default_factory=dict)

    def applied(self, names: Collection[str]) -> dict[str, int]:
        return {name: value for name, value in self.quotas.items() if name in names}


@dataclass
class FakePrices:
    prices: PriceList = field(default_factory=built_in_prices)

    def current(self) -> PriceList:
        return self.prices


@dataclass
class FakeNotices:
    told: list[Notification] = field(default_factory=list)

    def tell(self, notification: Notification) -> None:
        self.told.append(notification)
