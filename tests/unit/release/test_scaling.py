"""Scaling waits while traffic moves and goes on in every ending, as the release that serves wishes."""

from typing import Any

import pytest

from release.contracts.config import Config, PartialConfig
from release.contracts.steps import RolloutStep
from release.domain.scaling import Bounds
from release.errors import PlanRefusedError, RolloutFailedError
from tests.builders.house import ENDPOINT, House
from tests.builders.records import CONFIG

MISSION = Bounds(1, 5, 12)  # the headline fleet, 1 to 5; three quarters of the image's 16 requests at once


@pytest.fixture
def house() -> House:
    return House()


def wish(house: House, **config: Any) -> None:
    house.settings.settings["chat"] = PartialConfig.parse(config)


@pytest.mark.parametrize(
    ("config", "bounds"),
    [
        pytest.param({}, MISSION, id="the defaults"),
        pytest.param({"environment": {"SLIPWAY_MAX_CONCURRENCY": "32"}}, Bounds(1, 5, 24), id="a wider instance"),
        pytest.param({"environment": {"SLIPWAY_MAX_CONCURRENCY": "1"}}, Bounds(1, 5, 1), id="never below one"),
        pytest.param({"instanceCount": 2}, Bounds(2, 5, 12), id="no lower than the first fleet"),
        pytest.param({"instanceCount": 2, "minInstanceCount": 1}, MISSION, id="lower, as was said"),
        pytest.param({"targetConcurrency": 4}, Bounds(1, 5, 4), id="a target of one's own"),
        pytest.param({"maxInstanceCount": 1}, None, id="one size"),
    ],
)
def test_a_config_says_how_far_a_fleet_may_go(config: dict[str, Any], bounds: Bounds | None) -> None:
    assert Config.parse(CONFIG | config).scaling == bounds


def test_a_least_fleet_above_the_largest_is_refused(house: House) -> None:
    wish(house, minInstanceCount=6)

    with pytest.raises(PlanRefusedError, match="minInstanceCount is 6 and maxInstanceCount 5"):
        house.planned()


def test_a_first_release_is_scaled_when_it_is_live(house: House) -> None:
    house.shifted()
    assert house.scaling.bounds == {}

    live = House()
    step = live.live()

    assert live.scaling.bounds == {ENDPOINT: MISSION}
    assert live.table.ledger("chat")[-1].evidence == {"scaling": "1 to 5 instances, 12 concurrent requests each"}
    assert live.rollout(step).reason.endswith(step.rollout_id.partition("-")[0])


def test_scaling_waits_while_traffic_moves_and_then_keeps_to_the_new_release(house: House) -> None:
    house.live()
    wish(house, maxInstanceCount=3)
    step = house.shifted("v2")
    assert (house.scaling.suspended, house.scaling.bounds) == ({ENDPOINT}, {ENDPOINT: MISSION})

    house.serving.arrive(ENDPOINT)
    house.settle(step, "live")

    assert (house.scaling.suspended, house.scaling.bounds) == (set(), {ENDPOINT: Bounds(1, 3, 12)})


@pytest.mark.parametrize("error", ["RolloutFailedError", "AbortedError", "States.Timeout"])
def test_scaling_goes_on_as_before_after_a_bad_ending(house: House, error: str) -> None:
    house.live()
    wish(house, maxInstanceCount=3)
    step = house.shifted("v2")
    house.serving.roll_back(ENDPOINT)

    house.settle(step, "failed", error, "green was lost")

    assert (house.scaling.suspended, house.scaling.bounds) == (set(), {ENDPOINT: MISSION})


def test_other_instances_are_never_changed_under_a_scaled_variant(house: House) -> None:
    house.live()
    wish(house, instanceTypes=["ml.g6.4xlarge"])

    house.shifted("v2")

    assert house.scaling.bounds == {}


def test_what_scaling_refuses_holds_nobody_s_lease_and_is_told(house: House) -> None:
    step = house.shifted()
    house.serving.arrive(ENDPOINT)
    house.scaling.refused = "not today"

    settled = house.settle(step, "live")

    assert (settled.phase, settled.reason.endswith("; not scaled: not today")) == ("live", True)
    assert house.table.lease_holder("chat", "2026-11-23T12:00:00.000Z") is None


def test_traffic_does_not_move_while_somebody_else_may_change_the_fleet(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.scaling.refused = "not today"

    with pytest.raises(RolloutFailedError, match="not today"):
        house.shifting.shift(step)

    assert house.serving.updates == []


def test_a_rollout_that_never_had_a_turn_leaves_scaling_alone(house: House) -> None:
    house.live()
    house.scaling.suspended.add(ENDPOINT)  # by whoever shifts now
    rollout = house.planned("v2")

    house.settle(
        RolloutStep(endpoint="chat", rollout_id=rollout), "failed", "AbortedError", "a person changed their mind"
    )

    assert house.scaling.suspended == {ENDPOINT}
