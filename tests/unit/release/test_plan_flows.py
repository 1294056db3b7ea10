"""The step "Plan rollout" with quotas, prices and policies, over fakes."""

from dataclasses import replace
from typing import Any

import pytest

from release.contracts.config import PartialConfig
from release.contracts.settings import PolicySettings
from release.contracts.steps import RolloutStep
from release.contracts.table import RolloutItem
from release.domain.phases import Phase
from release.domain.plan import Strategy
from release.domain.plan_capacity import ALL_INSTANCES, quota_of_type
from release.errors import InvalidInputError, PlanRefusedError, RolloutFailedError
from tests.builders.house import ENDPOINT, House

QUOTA = quota_of_type("ml.g5.4xlarge")
# The clock of the fakes says 2026-11-23, noon.
TODAY: dict[str, Any] = {"since": "2026-11-23T00:00:00Z", "until": "2026-11-24T00:00:00Z", "reason": "a holiday"}


@pytest.fixture
def house() -> House:
    return House()


def allow(house: House, **policy: Any) -> None:
    house.policies.policies["chat"] = PolicySettings.parse(policy)


def record(house: House, rollout_id: str) -> RolloutItem:
    return house.rollout(RolloutStep(endpoint="chat", rollout_id=rollout_id))


def test_the_plan_and_its_price_are_on_record_before_anything_is_created(house: House) -> None:
    """One ml.g5.4xlarge at $2.03 for ten minutes, rounded up; 730 hours a month."""
    rollout = record(house, house.planned())

    assert house.serving.models == {}
    assert rollout.plan is not None
    estimate = rollout.plan.estimate
    assert estimate is not None
    assert (estimate.shifts, estimate.gates, estimate.expected_seconds) == (1, ("examine",), 600)
    assert estimate.price is not None
    assert (estimate.price.rollout_dollars, estimate.price.month_dollars) == ("0.34", "1481.90")
    assert "about 10 min" in rollout.reason
    assert "$0.34 for the rollout" in rollout.reason


def test_the_answer_of_a_plan_tells_it_all(house: House) -> None:
    rollout = house.planned()
    house.plan(rollout)

    answer = house.plan(rollout).wire()

    assert answer["reason"].startswith("firstRelease: nothing serves yet; 1 shift, gates examine; about 10 min")
    assert answer["estimate"]["price"]["hourDollars"] == "2.03"


def test_planned_only_ends_with_its_sentence_as_the_result(house: House) -> None:
    rollout = drop(house)

    house.plan(rollout, plan_only=True)

    found = record(house, rollout)
    assert found.phase is Phase.SKIPPED
    assert found.reason.startswith("planned only, as asked; firstRelease")
    assert "a month" in found.reason


def drop(house: House, version: str = "v1", **config: Any) -> str:
    """A rollout up to its plan, which is not made."""
    if config:
        house.settings.settings["chat"] = PartialConfig.parse(config)
    if house.table.newest_image() is None:
        house.push()
    rollout = house.drop(version)
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    house.examining.examine(step)
    house.publishing.publish(step)
    return rollout


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        pytest.param(
            {"budget": {"rolloutDollars": "1.00"}}, r"may cost \$1\.70 and the budget rolloutDollars", id="rollout"
        ),
        pytest.param({"budget": {"monthDollars": "1000"}}, r"costs \$1,481.90 a month and the budget", id="month"),
        pytest.param({"freezes": [TODAY]}, "frozen until 2026-11-24T00:00:00Z: a holiday", id="frozen"),
    ],
)
def test_the_owner_s_policy_refuses_with_the_number_and_the_limit(
    house: House, policy: dict[str, Any], sentence: str
) -> None:
    """At most: 1800 s and twice 600 s at $2.03, which is $1.6917."""
    rollout = drop(house)
    allow(house, **policy)

    with pytest.raises(PlanRefusedError, match=sentence):
        house.plan(rollout)

    assert record(house, rollout).plan is None


def test_a_plan_that_is_only_asked_for_is_refused_as_well(house: House) -> None:
    rollout = drop(house)
    allow(house, freezes=[TODAY])

    with pytest.raises(PlanRefusedError, match="frozen"):
        house.plan(rollout, plan_only=True)


def test_a_budget_without_a_price_refuses(house: House) -> None:
    rollout = drop(house, instanceTypes=["ml.z9.large"])
    assert "no price for ml.z9.large" in house.plan(rollout).reason

    allow(house, budget={"monthDollars": "1000000"})

    with pytest.raises(PlanRefusedError, match=r"whether it is kept: there is no price for ml\.z9\.large"):
        house.plan(rollout)


@pytest.mark.parametrize(
    "freeze",
    [
        pytest.param(TODAY | {"until": TODAY["since"]}, id="it never holds"),
        pytest.param(TODAY | {"since": "2026-02-31T00:00:00Z"}, id="a day that is in no calendar"),
    ],
)
def test_a_policy_that_cannot_be_read_lets_nothing_pass(house: House, freeze: dict[str, Any]) -> None:
    rollout = drop(house)
    allow(house, freezes=[freeze])

    with pytest.raises(InvalidInputError, match=r"policy in the endpoint's settings cannot be read: .*; mend it"):
        house.plan(rollout)


def test_a_way_back_is_not_held_by_a_policy(house: House) -> None:
    rollout = drop(house)
    back = record(house, rollout).model_copy(update={"kind": "rollback"})
    house.table.items[back.pk, back.sk] = back
    allow(house, freezes=[TODAY], budget={"monthDollars": "1"})

    assert house.plan(rollout).strategy is Strategy.FIRST_RELEASE


@pytest.mark.parametrize(("kind", "expected"), [("drop", True), ("rollback", False)])
def test_a_way_back_is_not_priced_with_a_preflight_that_it_has_not(house: House, kind: str, *, expected: bool) -> None:
    """docs/gates.md: a rollback has no preflight, because somebody waits for it."""
    rollout = drop(house, preflight=True)
    found = record(house, rollout)
    house.table.items[found.pk, found.sk] = found.model_copy(update={"kind": kind})

    estimate = house.plan(rollout).estimate

    assert estimate is not None
    assert ("preflight" in estimate.gates) is expected


def test_more_instances_than_scaling_may_have_are_refused(house: House) -> None:
    rollout = drop(house, instanceCount=6)

    with pytest.raises(PlanRefusedError, match="instanceCount is 6 and maxInstanceCount 5"):
        house.plan(rollout)


def test_a_quota_of_one_is_refused_before_anything_is_created(house: House) -> None:
    house.live()
    house.quotas.quotas = {QUOTA: 1}

    with pytest.raises(PlanRefusedError, match="is 1 and this rollout needs 1 of green beside 1 of blue"):
        house.planned("v2")

    assert len(house.serving.models) == 1


def test_all_that_stands_against_a_plan_is_told_at_once(house: House) -> None:
    rollout = drop(house, instanceCount=6)
    house.quotas.quotas = {QUOTA: 5}
    allow(house, freezes=[TODAY], budget={"monthDollars": "1"})

    with pytest.raises(PlanRefusedError) as refused:
        house.plan(rollout)

    assert str(refused.value).count("; ") >= 4
    assert isinstance(refused.value, RolloutFailedError)


def test_a_scarce_quota_rolls_and_green_is_made_for_it(house: House) -> None:
    """Four serve, and two more are allowed: what was planned holds when green is made."""
    house.live()
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], fleet_size=4)
    house.quotas.quotas = {QUOTA: 6, ALL_INSTANCES: 40}

    step = house.created("v2")

    plan = house.rollout(step).plan
    assert plan is not None
    assert (plan.strategy, plan.room, plan.fleet_size) == (Strategy.ROLLING, 2, 4)
    assert plan.estimate is not None


def test_a_fleet_that_grew_meanwhile_leaves_less_room(house: House) -> None:
    house.live()
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], fleet_size=2)
    house.quotas.quotas = {QUOTA: 5}
    rollout = house.planned("v2")
    assert record(house, rollout).plan is not None
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], fleet_size=4)

    house.creating.create(house.leased(rollout))

    plan = record(house, rollout).plan
    assert plan is not None
    assert (plan.strategy, plan.room, plan.fleet_size) == (Strategy.ROLLING, 1, 4)


def test_what_serves_already_needs_nobody_s_leave(house: House) -> None:
    first = house.live()
    allow(house, freezes=[TODAY])

    again = house.seal("models/chat/v1/manifest.json", version_id="8")

    assert again is not None
    assert again != first.rollout_id
    assert house.plan(again).already_live


def test_green_may_be_of_the_next_type_where_the_first_has_no_capacity(house: House) -> None:
    house.settings.settings["chat"] = PartialConfig.parse({"instanceTypes": ["ml.g5.4xlarge", "ml.g6.4xlarge"]})
    house.quotas.quotas = {QUOTA: 0, quota_of_type("ml.g6.4xlarge"): 1}

    step = house.created()

    assert house.serving.configs[house.config_name(step)].instance_types == ("ml.g5.4xlarge", "ml.g6.4xlarge")
