from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.domain.plan import (
    Plan,
    Strategy,
    bring_up_at_most_s,
    follow_seconds,
    max_execution_s,
    plan_rollout,
    poll_seconds,
)


def planned(wish: str, fleet: int, step_percent: int = 10) -> Plan:
    return plan_rollout(wish, fleet_size=fleet, step_percent=step_percent, step_wait_s=300, bake_s=300)


@pytest.mark.parametrize(
    ("wish", "fleet", "strategy"),
    [
        pytest.param("auto", 0, Strategy.FIRST_RELEASE, id="nothing serves"),
        pytest.param("canary", 0, Strategy.FIRST_RELEASE, id="nothing serves, whatever is wished"),
        pytest.param("auto", 1, Strategy.ALL_AT_ONCE, id="one instance"),
        pytest.param("canary", 1, Strategy.ALL_AT_ONCE, id="one instance has no tenth"),
        pytest.param("auto", 2, Strategy.CANARY, id="two instances"),
        pytest.param("allAtOnce", 5, Strategy.ALL_AT_ONCE, id="as wished"),
        pytest.param("linear", 5, Strategy.LINEAR, id="in equal steps"),
        pytest.param("rolling", 5, Strategy.ROLLING, id="in batches"),
    ],
)
def test_the_strategy_follows_from_the_fleet_that_serves(wish: str, fleet: int, strategy: Strategy) -> None:
    plan = planned(wish, fleet)

    assert plan.strategy is strategy
    assert plan.reason.startswith(strategy)


def test_an_unknown_wish_is_an_error_not_a_default() -> None:
    with pytest.raises(ValueError, match="hope"):
        planned("hope", 2)


def test_linear_steps_are_at_least_sagemaker_s_ten_percent() -> None:
    assert planned("linear", 5, step_percent=5).step_percent == 10
    assert planned("canary", 5, step_percent=5).step_percent == 5


@pytest.mark.parametrize(
    ("wish", "fleet", "seconds"),
    [
        pytest.param("auto", 1, 1800 + 2 * 900 + 300, id="one shift and its bake"),
        pytest.param("canary", 2, 1800 + 2 * 900 + 300 + 300, id="the canary's wait as well"),
        pytest.param("linear", 10, 1800 + 2 * 900 + 10 * 300, id="ten waits, of which the last is the bake"),
        pytest.param("rolling", 10, 28_800, id="ten batches reach SageMaker's limit"),
    ],
)
def test_the_time_limit_covers_provisioning_start_and_every_wait(wish: str, fleet: int, seconds: int) -> None:
    """Half an hour of provisioning, start-up twice (download, health check), then the waits; by hand."""
    assert max_execution_s(planned(wish, fleet), bring_up_at_most_s(900)) == seconds


@given(
    st.sampled_from(["auto", "allAtOnce", "canary", "linear", "rolling"]),
    st.integers(1, 100),
    st.integers(5, 50),
    st.integers(0, 3600),
    st.integers(60, 3600),
)
def test_the_time_limit_is_one_that_sagemaker_takes(wish: str, fleet: int, percent: int, wait: int, start: int) -> None:
    plan = plan_rollout(wish, fleet_size=fleet, step_percent=percent, step_wait_s=wait, bake_s=wait)

    assert 600 <= max_execution_s(plan, start) <= 28_800


@pytest.mark.parametrize(("bake_s", "poll_s"), [(0, 1), (20, 1), (39, 1), (40, 2), (300, 15), (3600, 15)])
def test_short_bakes_are_watched_closely(bake_s: int, poll_s: int) -> None:
    assert poll_seconds(bake_s, moving_s=0) == poll_s


def looks(lasting_s: int, poll: Callable[[int], int]) -> int:
    passed_s = count = 0
    while passed_s < lasting_s:
        passed_s += poll(passed_s)
        count += 1
    return count


@pytest.mark.parametrize("bake_s", [0, 5, 60])
def test_the_longest_shift_fits_into_an_execution_s_history(bake_s: int) -> None:
    """Step Functions ends an execution at 25,000 events; a look is a wait of 2, a task of 5 and a choice of 2."""
    assert 9 * looks(8 * 3600, lambda moving_s: poll_seconds(bake_s, moving_s)) < 20_000


def test_the_longest_rollout_can_be_followed_to_its_end() -> None:
    assert 9 * looks(25 * 3600, follow_seconds) < 20_000
    assert follow_seconds(0) == 2
