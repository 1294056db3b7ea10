"""How long, how much: by hand, by bounds, and by what the twin takes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from local.sagemaker.behaviour import Behaviour, PartialInstances
from local.sagemaker.deployments.policy import DeploymentPolicy, read_policy
from release.adapters.serving import deployment_config
from release.domain.plan import (
    Plan,
    Strategy,
    green_at_once,
    max_execution_s,
    plan_rollout,
    shifts,
    time_problem,
    waits_s,
)
from release.domain.plan_estimate import Estimate, Fleets, estimate_of
from release.domain.price import PriceList

PRICES = PriceList("2026-11-23", "us-east-1", "a test", {"ml.a.large": Decimal("3.60"), "ml.b.large": Decimal("7.20")})
"""A tenth and a fifth of a cent by second."""
WISHES = st.sampled_from(["auto", "allAtOnce", "canary", "linear", "rolling"])


@st.composite
def plans(draw: st.DrawFn, least: int = 1, most: int = 100) -> Plan:
    fleet = draw(st.integers(least, most))
    return plan_rollout(
        draw(WISHES),
        fleet_size=fleet,
        step_percent=draw(st.integers(5, 50)),
        step_wait_s=draw(st.integers(0, 3600)),
        bake_s=draw(st.integers(0, 3600)),
        room=draw(st.none() | st.integers(0, 120)),
    )


def estimate(plan: Plan, types: tuple[str, ...] = ("ml.a.large",), *, preflight: bool = False) -> Estimate:
    return estimate_of(plan, Fleets(types, "ml.a.large", 2), PRICES, preflight=preflight, bring_up_s=3_000)


def plan(wish: str, fleet: int, percent: int = 10, wait_s: int = 300, bake_s: int = 300) -> Plan:
    return plan_rollout(wish, fleet_size=fleet, step_percent=percent, step_wait_s=wait_s, bake_s=bake_s)


@pytest.mark.parametrize(
    ("given_plan", "preflight", "expected_s", "rollout", "month"),
    [
        # 600 s to come up, as a rule.
        pytest.param(plan("auto", 0), False, 600, "1.20", "5256.00", id="first: two instances come up"),
        pytest.param(plan("auto", 0), True, 1260, "1.86", "5256.00", id="first: 660 s of preflight with one before"),
        pytest.param(plan("auto", 1), False, 900, "1.80", "2628.00", id="one beside one, and a bake of 300 s"),
        pytest.param(plan("auto", 1, bake_s=0), False, 600, "0.60", "2628.00", id="without a bake one fleet is billed"),
        pytest.param(plan("auto", 4), False, 1200, "9.60", "10512.00", id="a canary waits twice; eight instances"),
        pytest.param(plan("auto", 1), True, 1560, "3.12", "2628.00", id="660 s of preflight with two instances before"),
        pytest.param(plan("rolling", 4, 50), False, 1800, "10.80", "10512.00", id="two batches of two beside four"),
    ],
)  # fmt: skip
def test_an_estimate_is_what_one_reckons_by_hand(
    given_plan: Plan, expected_s: int, rollout: str, month: str, *, preflight: bool
) -> None:
    found = estimate(given_plan, preflight=preflight)

    assert found.price is not None
    assert (found.timing.expected_s, str(found.price.rollout), str(found.price.month)) == (expected_s, rollout, month)


def test_at_most_is_what_sagemaker_may_take_with_the_dearest_type() -> None:
    """1800 s of provisioning, twice 600 s of start-up and 300 s of bake, for one instance of each type."""
    found = estimate(plan("auto", 1), ("ml.a.large", "ml.b.large"))

    assert found.timing.at_most_s == 3300
    assert found.price is not None
    assert found.price.rollout_at_most == Decimal("9.90")


def test_a_plan_reads_as_a_sentence() -> None:
    """660 s with five instances, then 1200 s with eight; at most 3060 s and 3600 s."""
    assert estimate(plan("auto", 4), preflight=True).sentence() == (
        "2 shifts, gates examine, preflight, bake; about 31 min, 111 min at most; $12.90 for the rollout, $44.10 at "
        "most; then $14.40 an hour, $10,512.00 a month, at the prices of 2026-11-23"
    )


def test_a_type_without_a_price_leaves_the_price_open_and_says_so() -> None:
    found = estimate(plan("auto", 1), ("ml.z9.large",))

    assert found.price is None
    assert "there is no price for ml.z9.large" in found.sentence()


@given(plans(), st.integers(0, 3600), st.booleans())
def test_a_longer_bake_never_costs_less(given_plan: Plan, longer_s: int, preflight: bool) -> None:  # noqa: FBT001 - hypothesis gives by position
    longer = replace(given_plan, bake_s=given_plan.bake_s + longer_s)
    less, more = estimate(given_plan, preflight=preflight), estimate(longer, preflight=preflight)

    assert less.price is not None
    assert more.price is not None
    assert less.price.rollout <= more.price.rollout
    assert less.price.rollout_at_most <= more.price.rollout_at_most
    assert less.price.rollout <= less.price.rollout_at_most or time_problem(given_plan)


@given(st.sampled_from(["allAtOnce", "canary"]), st.integers(1, 99), st.integers(5, 50))
def test_a_larger_fleet_never_costs_less(wish: str, fleet: int, percent: int) -> None:
    smaller, larger = (estimate(plan(wish, size, percent)).price for size in (fleet, fleet + 1))

    assert smaller is not None
    assert larger is not None
    assert (smaller.rollout, smaller.hour, smaller.month) < (larger.rollout, larger.hour, larger.month)


def read(given_plan: Plan, behaviour: Behaviour) -> DeploymentPolicy:
    limit_s = max_execution_s(given_plan, 600)
    config: Any = deployment_config(given_plan, "guard", limit_s)
    return read_policy(config, {"AllTraffic": given_plan.fleet_size}, behaviour)


@given(plans(least=2), st.sampled_from(list(PartialInstances)))
def test_every_plan_is_one_that_the_twin_takes(given_plan: Plan, rounding: PartialInstances) -> None:
    """However SageMaker rounds parts of an instance; a plan whose waits are too long says so before."""
    assume(time_problem(given_plan) is None)
    found = read(given_plan, Behaviour(partial_instances=rounding))

    assert len(found.steps) <= shifts(given_plan)
    assert found.waits_s <= waits_s(given_plan)
    if given_plan.strategy is Strategy.ROLLING:
        largest = max(step.capacity["AllTraffic"] for step in found.steps[:1])
        assert largest <= green_at_once(given_plan, given_plan.fleet_size)


@pytest.mark.parametrize("wish", ["canary", "linear", "rolling"])
def test_every_part_of_a_small_fleet_is_at_most_its_half(wish: str) -> None:
    """Half of three instances is one and a half, which SageMaker may round up to more than it takes."""
    for fleet in range(2, 12):
        for percent in range(5, 51):
            found = read(plan(wish, fleet, percent), Behaviour(partial_instances=PartialInstances.UP_TO_HALF))
            assert 2 * found.steps[0].capacity["AllTraffic"] <= fleet


@given(plans(most=1))
def test_one_instance_is_replaced_at_once(given_plan: Plan) -> None:
    found = read(given_plan, Behaviour())

    assert [step.is_full for step in found.steps] == [True]
    assert found.waits_s == waits_s(given_plan) == given_plan.bake_s


@given(plans())
def test_percentages_stay_within_sagemaker_s_bounds(given_plan: Plan) -> None:
    """botocore: CanarySize at most 50 %, LinearStepSize 10-50 %, MaximumBatchSize 5-50 %."""
    low = {Strategy.CANARY: 1, Strategy.LINEAR: 10, Strategy.ROLLING: 5}.get(given_plan.strategy, 0)

    assert low <= given_plan.step_percent <= 50


@pytest.mark.parametrize(
    ("given_plan", "fits"),
    [
        pytest.param(plan("linear", 10, 10, 2800), True, id="28,000 s of waits"),
        pytest.param(plan("linear", 10, 10, 2821), False, id="28,210 s, and 600 s to come up"),
        pytest.param(plan("rolling", 100, 5, 800), True, id="twenty batches of 600 s, and 800 s after each"),
        pytest.param(plan("rolling", 100, 5, 850), False, id="twenty batches of 600 s, and 850 s after each"),
    ],
)
def test_waits_beyond_sagemaker_s_eight_hours_are_refused_by_their_numbers(given_plan: Plan, *, fits: bool) -> None:
    found = time_problem(given_plan)

    assert (found is None) is fits
    assert fits or "SageMaker ends an update after 28800 s" in str(found)
