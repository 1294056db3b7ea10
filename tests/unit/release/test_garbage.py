"""Nothing that serves, comes or may have to come back is ever collected, whatever happens meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.contracts.settings import Retention
from release.contracts.steps import ExecutionInput, LeasedStep
from release.domain.garbage import Past, Roots, garbage
from release.domain.phases import Phase, has_ended
from release.flows.collecting import Collecting
from tests.builders.house import ENDPOINT, House
from tests.builders.sweeps import Sweeper

LATE = "2027-01-01T00:00:00.000Z"


def past(number: int, phase: Phase, live_at: str = "", updated_at: str = "2026-11-23T12:00:00.000Z") -> Past:
    release = f"{number:012x}"
    return Past(f"{release}-1", release, phase, live_at, updated_at)


SERVED = [past(number, Phase.SUPERSEDED, f"2026-11-{number:02}T12:00:00.000Z") for number in range(1, 8)]
LIVE = past(8, Phase.LIVE, "2026-11-08T12:00:00.000Z")


def roots(**changes: Any) -> Roots:
    return replace(Roots(LIVE.rollout_id, (), window=0, hold=()), **changes)


def numbers(found: set[str]) -> list[int]:
    return sorted(int(one.partition("-")[0], 16) for one in found)


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        pytest.param({}, [1, 2, 3, 4, 5, 6, 7], id="nothing but what serves"),
        pytest.param({"window": 3}, [1, 2, 3, 4, 5], id="the live one is the window's first"),
        pytest.param({"hold": ("000000000002",)}, [1, 3, 4, 5, 6, 7], id="a release on hold"),
        pytest.param({"in_use": ("000000000004-1",)}, [1, 2, 3, 5, 6, 7], id="what SageMaker's endpoint names"),
        pytest.param({"live": None}, [1, 2, 3, 4, 5, 6, 7, 8], id="an endpoint that is gone"),
    ],
)
def test_what_no_root_reaches_is_garbage(changes: dict[str, Any], gone: list[int]) -> None:
    assert numbers(garbage([*SERVED, LIVE], roots(**changes), ended_before=LATE)) == gone


@pytest.mark.parametrize("phase", [phase for phase in Phase if not has_ended(phase)])
def test_a_rollout_under_way_is_a_root(phase: Phase) -> None:
    assert garbage([past(9, phase)], roots(), ended_before=LATE) == set()


def test_what_ended_just_now_is_left_alone() -> None:
    assert garbage([past(9, Phase.FAILED)], roots(), ended_before="2026-11-23T12:00:00.000Z") == set()
    assert numbers(garbage([past(9, Phase.FAILED)], roots(), ended_before="2026-11-23T12:00:00.001Z")) == [9]


def test_a_release_counts_once_in_the_window_with_its_newest_rollout() -> None:
    again = Past("000000000001-2", "000000000001", Phase.SUPERSEDED, "2026-11-07T13:00:00.000Z", "2026-11-23")
    kept = {one.rollout_id for one in [*SERVED, again, LIVE]} - garbage(
        [*SERVED, again, LIVE], roots(window=3), ended_before=LATE
    )

    assert kept == {LIVE.rollout_id, "000000000001-2", "000000000007-1"}


# Beside rollouts that come and go ------------------------------------------------------------------------------------


@dataclass
class Life:
    """One endpoint's life: each deed takes whatever is under way one step on, or begins something."""

    house: House
    deeds: list[int]
    under_way: LeasedStep | None = None
    versions: "count[int]" = field(default_factory=count)
    steps: list[Callable[[], object]] = field(default_factory=list)

    def go_on(self) -> None:
        if not self.deeds:
            return
        deed = self.deeds.pop()
        if self.steps:
            self.steps.pop(0)() if deed % 4 else self._fail()
        elif deed % 2:
            self._begin(self.house.planned(f"v{next(self.versions)}"))
        else:
            self._begin_rollback(deed)
        self.house.now.forward(60)

    def _begin(self, rollout_id: str) -> None:
        step = self.under_way = self.house.leased(rollout_id)
        self.steps = [
            lambda: self.house.creating.create(step),
            lambda: self.house.shifting.shift(step),
            lambda: self.house.baked(step),
            lambda: self.house.serving.arrive(ENDPOINT),
            lambda: self._settle(step),
        ]

    def _begin_rollback(self, deed: int) -> None:
        record = self.house.table.endpoint("chat")
        live = record.live_release_id if record else None
        ended = [one for one in self.house.table.rollouts("chat") if one.phase is Phase.SUPERSEDED]
        served = [one for one in ended if one.release_id != live]
        if served:
            asked = {"endpoint": "chat", "to": served[deed % len(served)].release_id}
            arn = f"arn:rollback:{next(self.versions)}"
            chosen = self.house.choosing.choose(ExecutionInput(input=asked, execution_arn=arn))
            given = {"endpoint": "chat", "rolloutId": chosen.rollout_id}
            self.house.registering.register(ExecutionInput(input=given, execution_arn=f"{arn}:release"))
            planned = self.house.plan(chosen.rollout_id)
            assert not planned.already_live
            self._begin(chosen.rollout_id)

    def _settle(self, step: LeasedStep) -> None:
        self.house.watching.watch(step)
        self.house.verifying.verify(step)
        self.house.settle(step, "live")

    def _fail(self) -> None:
        if self.under_way and self.house.rollout(self.under_way).phase in {Phase.PLANNED, Phase.CREATING}:
            self.house.settle(self.under_way, "failed", "RolloutFailedError", "refused")
            self.steps = []


class Interrupted:
    """A port before each of whose calls life goes on."""

    def __init__(self, target: Any, life: Life) -> None:
        self._target, self._life = target, life

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._life.go_on()
            return getattr(self._target, name)(*args, **kwargs)

        return call


def unreachable(house: House) -> list[str]:
    """Rollouts that serve or are under way, and whose model or config is gone."""
    state = house.serving.describe(ENDPOINT)
    names = {state.config_name, state.pending_config} - {""} if state else set()
    record = house.table.endpoint("chat")
    if record and record.live_rollout_id:
        names.add(f"{ENDPOINT}-{record.live_rollout_id}")
    made = {Phase.SHIFTING, Phase.BAKING}
    names |= {f"{ENDPOINT}-{one.rollout_id}" for one in house.table.rollouts("chat") if one.phase in made}
    return [name for name in names if name not in house.serving.models or name not in house.serving.configs]


@given(
    before=st.lists(st.integers(1, 20), max_size=16),
    meanwhile=st.lists(st.lists(st.integers(1, 20), max_size=12), min_size=1, max_size=4),
)
def test_no_sweep_takes_what_serves_or_comes_though_rollouts_go_on_between_its_calls(
    before: list[int], meanwhile: list[list[int]]
) -> None:
    sweeper = Sweeper()
    house, life = sweeper.house, Life(sweeper.house, before)
    while life.deeds:
        life.go_on()
    table, serving, inventory, alarms = (
        cast("Any", Interrupted(port, life)) for port in (house.table, house.serving, sweeper.inventory, house.alarms)
    )
    collecting = Collecting(table, serving, inventory, alarms, sweeper.retentions, "slipway", house.now)
    sweeper.retentions.kept["chat"] = Retention(rollback_window=0)
    for deeds in meanwhile:
        life.deeds = deeds

        collecting.collect("chat", grace_s=0, dry_run=False)

        assert unreachable(house) == []


@pytest.mark.parametrize("releases", [10, pytest.param(200, marks=pytest.mark.prove)])
def test_a_release_that_was_collected_comes_back_the_same(releases: int) -> None:
    """All but the last are collected, and each is brought back from its record."""
    sweeper = Sweeper()
    house = sweeper.house
    steps = [house.live(f"v{number}") for number in range(releases)]
    before = {step.rollout_id: _made(house, step.rollout_id) for step in steps}
    sweeper.retentions.kept["chat"] = Retention(rollback_window=0)
    house.now.forward(10)
    assert len(sweeper.collecting.collect("chat", grace_s=0, dry_run=False)) == releases - 1

    for number, step in enumerate(steps[:-1]):
        release_id = step.rollout_id.partition("-")[0]
        life = Life(house, [])
        asked = ExecutionInput(input={"endpoint": "chat", "to": release_id}, execution_arn=f"arn:back:{number}")
        back = house.choosing.choose(asked).rollout_id
        given = {"endpoint": "chat", "rolloutId": back}
        registered = house.registering.register(ExecutionInput(input=given, execution_arn=f"arn:release:{number}"))
        assert registered.published
        house.plan(back)
        life._begin(back)
        for act in life.steps:
            act()

        assert _made(house, back) == before[step.rollout_id]
        sweeper.collecting.collect("chat", grace_s=0, dry_run=False)


def _made(house: House, rollout_id: str) -> tuple[Any, ...]:
    """Model and config, but for the rollout's own name."""
    image, data, environment = house.serving.models[f"{ENDPOINT}-{rollout_id}"]
    assert environment["SLIPWAY_ROLLOUT_ID"] == rollout_id
    own = {name: value for name, value in environment.items() if name != "SLIPWAY_ROLLOUT_ID"}
    return image, data, own, house.serving.configs[f"{ENDPOINT}-{rollout_id}"]


def test_a_dry_run_names_what_would_go_and_takes_nothing() -> None:
    sweeper = Sweeper()
    first, _ = sweeper.house.live("v1"), sweeper.house.live("v2")
    sweeper.retentions.kept["chat"] = Retention(rollback_window=0)
    sweeper.house.now.forward(8 * 86_400)

    swept = sweeper.sweep(dry_run=True)

    assert swept.collected == (f"{ENDPOINT}-{first.rollout_id}",)
    assert sweeper.inventory.has_model(f"{ENDPOINT}-{first.rollout_id}")
    assert sweeper.sweep().collected_count == 1
    assert not sweeper.inventory.has_model(f"{ENDPOINT}-{first.rollout_id}")


def test_alarms_that_an_ended_rollout_left_are_collected_and_others_stay() -> None:
    sweeper = Sweeper()
    house = sweeper.house
    ended = house.live("v1")
    house.alarms.ensure_abort(f"{house.config_name(ended)}-abort", rollout_id=ended.rollout_id)
    house.alarms.ensure_abort(f"{ENDPOINT}-not-ours", rollout_id="x")
    under_way = house.shifted("v2")
    sweeper.runs(under_way.rollout_id)

    swept = sweeper.sweep()

    assert swept.collected == (f"{house.config_name(ended)}-abort",)
    assert f"{ENDPOINT}-not-ours" in house.alarms.own
    assert f"{house.config_name(under_way)}-abort" in house.alarms.own


def test_what_a_preflight_left_behind_goes_when_its_rollout_has_ended_and_not_before() -> None:
    """A config that made one instance is of no use to a way back, which has no preflight."""
    sweeper = Sweeper()
    house, preflight = sweeper.house, f"{ENDPOINT}-preflight"
    live, under_way = house.live("v1"), house.created("v2")
    sweeper.runs(under_way.rollout_id)
    for step in (live, under_way):
        config, made = f"{house.config_name(step)}-pf", house.config_name(step)
        house.serving.ensure_config(config, house.serving.configs[made], model=made)
    house.serving.create_endpoint(preflight, f"{house.config_name(under_way)}-pf")
    house.serving.arrive(preflight)

    assert sweeper.sweep().collected == (f"{house.config_name(live)}-pf",)
    assert house.serving.describe(preflight)

    house.serving.delete_endpoint(preflight)
    house.serving.ensure_config(f"{house.config_name(live)}-pf", house.serving.configs[made], model=made)
    house.serving.create_endpoint(preflight, f"{house.config_name(live)}-pf")
    assert sweeper.sweep().collected == ()
    house.serving.arrive(preflight)

    assert sweeper.sweep().collected == (preflight,)
    assert house.serving.describe(preflight) is None
    assert sweeper.sweep().collected == (f"{house.config_name(live)}-pf",)
