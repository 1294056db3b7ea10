"""SageMaker in virtual time: it can fail, be slow, be busy with itself, and roll back without a word.

Its promises are those of SageMaker's documentation: an update is accepted or refused at once and carried out later;
while one is under way every other change is refused; alarms bring blue back as long as it stands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

from release.domain.hosting import Hosting
from release.domain.plan import Plan
from release.domain.probes import ChatAnswer, Prompt
from release.domain.truth import EndpointState, ProbeAnswer
from release.errors import EndpointBusyError, RolloutFailedError
from simulation.alarms import SimulatedAlarms
from tests.fakes.aws import FakeProbes, FakeServing

_NEVER = float("inf")


class Fate(StrEnum):
    """What becomes of green, by the artifact that it serves."""

    GOOD = "good"
    SLOW = "slow: minutes to come up"
    BROKEN = "broken: it answers with errors"
    MUTE = "mute: its answers do not say who it is"
    NEVER_UP = "never up: SageMaker gives up and says why"
    SILENT = "silent: SageMaker goes back and says nothing"


@dataclass
class Change:
    """One change under way; times in seconds.

    Args:
        up_s: green serves; never, if it does not come up.
        fails_s: SageMaker gives up.
        ends_s: blue is gone.
        back_s: blue alone serves again; set when SageMaker has decided to go back.
    """

    config: str
    alarms: tuple[str, ...]
    up_s: float
    fails_s: float
    ends_s: float
    failure: str
    status: str
    back_s: float = _NEVER
    checked_s: float = 0.0


Story = Callable[[str], None]


@dataclass
class SimulatedServing(FakeServing):
    """The fake of the tests with time and trouble."""

    alarms: SimulatedAlarms = field(default_factory=SimulatedAlarms)
    fates: dict[str, Fate] = field(default_factory=dict)
    """By data prefix of the artifact."""
    rng: Random = field(default_factory=Random)
    now: Callable[[], float] = lambda: 0.0
    tell: Story = lambda _: None
    changes: dict[str, Change] = field(default_factory=dict)
    model_of: dict[str, str] = field(default_factory=dict)
    """Model, by endpoint config."""
    arrived: dict[str, float] = field(default_factory=dict)
    """When blue was gone, by green's endpoint config."""
    busy_until: dict[str, float] = field(default_factory=dict)
    """AWS's own maintenance, by endpoint."""

    # What SageMaker is asked ---------------------------------------------------------------------------------------

    def describe(self, endpoint_name: str) -> EndpointState | None:
        self.advance(endpoint_name)
        state = self.endpoints.get(endpoint_name)
        if state and state.status == "InService" and self.now() < self.busy_until.get(endpoint_name, 0.0):
            return replace(state, status="SystemUpdating")
        return state

    def ensure_config(self, name: str, hosting: Hosting, *, model: str = "") -> None:
        super().ensure_config(name, hosting, model=model)
        self.model_of[name] = model or name

    def create_endpoint(self, endpoint_name: str, config_name: str) -> None:
        if self.describe(endpoint_name):
            raise EndpointBusyError(f"endpoint {endpoint_name} was made by somebody else meanwhile; look again")
        self._check_config(config_name)
        image, count = self.models[self.model_of[config_name]][0], self.configs[config_name].instance_count
        self.endpoints[endpoint_name] = EndpointState("Creating", config_name, "", False, count, image, "")
        self._begin(endpoint_name, config_name, (), bake_s=0, status="Creating")

    def update_endpoint(
        self, endpoint_name: str, config_name: str, *, plan: Plan, alarms: Sequence[str], max_execution_s: int
    ) -> None:
        state = self.describe(endpoint_name)
        self._check_config(config_name)
        if state is None or state.status == "Failed":
            raise RolloutFailedError(f"endpoint {endpoint_name} cannot be updated; it is {state and state.status}")
        if state.status != "InService" or endpoint_name in self.changes:
            raise EndpointBusyError(f"endpoint {endpoint_name} is {state.status}")
        super().update_endpoint(endpoint_name, config_name, plan=plan, alarms=alarms, max_execution_s=max_execution_s)
        self._begin(endpoint_name, config_name, tuple(alarms), bake_s=plan.bake_s, status="Updating")

    def delete_endpoint(self, endpoint_name: str) -> None:
        state = self.describe(endpoint_name)
        if state is None:
            return
        if endpoint_name in self.changes or state.status == "SystemUpdating":
            raise EndpointBusyError(f"endpoint {endpoint_name} is {state.status}")
        self.endpoints[endpoint_name] = replace(state, status="Deleting")
        soon = self.now() + self.rng.uniform(1, 20)
        self.changes[endpoint_name] = Change("", (), _NEVER, soon, _NEVER, "", "Deleting")

    def _check_config(self, config_name: str) -> None:
        if self.model_of.get(config_name) not in self.models:
            raise RolloutFailedError(f'Could not find endpoint configuration "{config_name}"')

    # What becomes of it --------------------------------------------------------------------------------------------

    def _begin(
        self, endpoint_name: str, config_name: str, alarms: tuple[str, ...], *, bake_s: int, status: str
    ) -> None:
        fate, now = self.fate_of(config_name), self.now()
        up_s = now + (self.rng.uniform(120, 400) if fate is Fate.SLOW else self.rng.uniform(2, 40))
        fails_s, failure = _NEVER, ""
        if fate is Fate.NEVER_UP:
            up_s, fails_s = _NEVER, now + self.rng.uniform(5, 200)
            failure = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error"
        elif fate is Fate.SILENT:
            fails_s = up_s + self.rng.uniform(0, bake_s)
        ends_s = up_s + bake_s + self.rng.uniform(1, 30)
        self.changes[endpoint_name] = Change(config_name, alarms, up_s, fails_s, ends_s, failure, status, checked_s=now)

    def advance(self, endpoint_name: str) -> None:
        """Let happen what has happened by now."""
        change = self.changes.get(endpoint_name)
        if change is None:
            return
        if change.status == "Updating":
            self._go_back_if_tripped(change)
        if min(change.fails_s, change.ends_s, change.back_s) <= self.now():
            self._settle(endpoint_name, change)
        elif change.back_s < _NEVER:
            self._show(endpoint_name, "RollingBack", baking=False)
        elif change.status == "Updating":
            self._show(endpoint_name, "Updating", baking=change.up_s <= self.now())
        change.checked_s = self.now()

    def _go_back_if_tripped(self, change: Change) -> None:
        if change.back_s < _NEVER:
            return
        trip_s = self.alarms.first_trip_s(change.alarms, self.now())
        if trip_s <= min(self.now(), change.ends_s, change.fails_s):
            change.back_s = max(trip_s, change.up_s) + self.rng.uniform(5, 60)
            change.ends_s = _NEVER
            change.failure = self.rng.choice(("", "an alarm went off"))
            if change.up_s == _NEVER:
                change.back_s = change.fails_s
            self.tell(f"SageMaker sees an alarm of {change.config} at {trip_s:.0f} s and goes back to blue")

    def _settle(self, endpoint_name: str, change: Change) -> None:
        del self.changes[endpoint_name]
        if change.status == "Deleting":
            del self.endpoints[endpoint_name]
            self.tell(f"SageMaker has deleted {endpoint_name}")
            return
        state = self.endpoints[endpoint_name]
        arrived = change.ends_s <= min(change.fails_s, change.back_s)
        if arrived:
            self.arrived[change.config] = change.ends_s
            image, count = self.models[self.model_of[change.config]][0], self.configs[change.config].instance_count
            self.endpoints[endpoint_name] = EndpointState("InService", change.config, "", False, count, image, "")
            self.tell(f"SageMaker: {endpoint_name} is InService on {change.config}")
        elif change.status == "Creating":
            self.endpoints[endpoint_name] = replace(state, status="Failed", failure=change.failure)
            self.tell(f"SageMaker: {endpoint_name} is Failed: {change.failure or 'no reason'}")
        else:
            calm = replace(state, status="InService", pending_config="", baking=False, failure=change.failure)
            self.endpoints[endpoint_name] = calm
            self.tell(f"SageMaker: {endpoint_name} is InService on {state.config_name} again: {change.failure or '-'}")

    def _show(self, endpoint_name: str, status: str, *, baking: bool) -> None:
        state = self.endpoints[endpoint_name]
        if (state.status, state.baking) != (status, baking):
            self.endpoints[endpoint_name] = replace(state, status=status, baking=baking)

    def fate_of(self, config_name: str) -> Fate:
        return self.fates.get(self.models[self.model_of[config_name]][1], Fate.GOOD)

    # Who answers ---------------------------------------------------------------------------------------------------

    def serves(self, endpoint_name: str) -> str:
        """The endpoint config whose container answers now; empty if none does. Green, as soon as it is up."""
        state, change = self.describe(endpoint_name), self.changes.get(endpoint_name)
        if state is None or state.status in {"Creating", "Failed", "Deleting"}:
            return ""
        shifted = change is not None and change.up_s <= self.now() and change.back_s == _NEVER
        return change.config if change and shifted else state.config_name

    def ask(self, endpoint_name: str) -> ProbeAnswer:
        """The answer of whoever serves, as a probe hears it."""
        config = self.serves(endpoint_name)
        if not config:
            return ProbeAnswer("", "", f"Endpoint {endpoint_name} not found or not in service")
        fate, environment = self.fate_of(config), self.models[self.model_of[config]][2]
        if fate is Fate.BROKEN:
            self.alarms.published.errors.setdefault(config, self.now())
            return ProbeAnswer("", "", "500: the model cannot answer")
        if fate is Fate.MUTE:
            return ProbeAnswer("", "", "")
        return ProbeAnswer(environment["SLIPWAY_RELEASE_ID"], environment["SLIPWAY_ROLLOUT_ID"], "")


@dataclass
class SimulatedProbes(FakeProbes):
    """What a customer hears, and a golden prompt."""

    serving: SimulatedServing = field(default_factory=SimulatedServing)

    def ask(self, endpoint_name: str) -> ProbeAnswer:
        return self.serving.ask(endpoint_name)

    def chat(self, endpoint_name: str, prompt: Prompt) -> ChatAnswer:
        """A sound answer, where the one who answers is sound."""
        who = self.serving.ask(endpoint_name)
        text = "" if who.error else f"This answers {prompt.name}, in so many words, and says what it can do."
        return ChatAnswer(who.release_id, who.rollout_id, who.error, text, "stop", latency_s=0.4, certainty=-0.3)
