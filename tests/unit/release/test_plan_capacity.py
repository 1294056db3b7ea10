"""Room for green beside blue, by the account's quotas."""

import pytest

from release.domain.plan import Plan, plan_rollout
from release.domain.plan_capacity import ALL_INSTANCES, Demand, Room, capacity_problem, quota_of_type, room_for

G5, G6 = quota_of_type("ml.g5.4xlarge"), quota_of_type("ml.g6.4xlarge")
ONE_TYPE = ("ml.g5.4xlarge",)
POOLS = ("ml.g5.4xlarge", "ml.g6.4xlarge")


@pytest.mark.parametrize(
    ("demand", "quotas", "room"),
    [
        pytest.param(Demand(ONE_TYPE, "ml.g5.4xlarge", 1), {G5: 1}, 0, id="a quota of one is full"),
        pytest.param(Demand(ONE_TYPE, "ml.g5.4xlarge", 1), {G5: 2}, 1, id="one more"),
        pytest.param(Demand(ONE_TYPE, "ml.g6.4xlarge", 3), {G5: 2}, 2, id="blue is of another type"),
        pytest.param(Demand(ONE_TYPE, "ml.g5.4xlarge", 3), {G5: 9, ALL_INSTANCES: 4}, 1, id="the account's own limit"),
        pytest.param(Demand(ONE_TYPE, "ml.g5.4xlarge", 3), {G5: 2}, 0, id="more than the quota serves already"),
        pytest.param(Demand(POOLS, "ml.g5.4xlarge", 2), {G5: 2, G6: 3}, 3, id="what the pools have left together"),
        pytest.param(Demand(ONE_TYPE, "ml.g5.4xlarge", 2), {}, None, id="nobody knows"),
    ],
)
def test_room_is_what_the_tightest_quota_leaves(demand: Demand, quotas: dict[str, int], room: int | None) -> None:
    found = room_for(demand, quotas)

    assert (found.instances if found else None) == room


def planned(fleet: int, room: int | None, wish: str = "auto") -> Plan:
    return plan_rollout(wish, fleet_size=fleet, step_percent=50, step_wait_s=60, bake_s=300, room=room)


def problem(plan: Plan, room: int, instance_count: int = 2) -> str | None:
    demand = Demand(ONE_TYPE, "ml.g5.4xlarge", plan.fleet_size)
    return capacity_problem(plan, demand, Room(room, G5, room + plan.fleet_size), instance_count)


@pytest.mark.parametrize(
    ("fleet", "room", "strategy"),
    [
        pytest.param(4, None, "canary", id="nobody knows the room"),
        pytest.param(4, 4, "canary", id="a second fleet fits"),
        pytest.param(4, 3, "rolling", id="only batches fit"),
        pytest.param(4, 1, "rolling", id="the smallest batch fits"),
        pytest.param(30, 1, "canary", id="one of thirty is less than SageMaker's smallest batch"),
        pytest.param(4, 0, "canary", id="nothing fits"),
    ],
)
def test_auto_rolls_where_a_second_fleet_does_not_fit(fleet: int, room: int | None, strategy: str) -> None:
    plan = planned(fleet, room)

    assert plan.strategy == strategy
    if strategy == "rolling" and room is not None:
        assert problem(plan, room) is None


def test_a_quota_of_one_is_refused_with_the_ways_out() -> None:
    assert problem(planned(1, 0), 0) == (
        "the quota 'ml.g5.4xlarge for endpoint usage' is 1 and this rollout needs 1 of green beside 1 of blue: request "
        "an increase in Service Quotas, or delete the endpoint and start the rollout again, which serves nobody "
        "meanwhile"
    )


def test_a_wished_canary_without_room_is_told_of_rolling() -> None:
    assert "let the strategy be auto or rolling" in str(problem(planned(4, 2, "canary"), 2))


def test_a_first_release_needs_room_for_itself() -> None:
    assert problem(planned(0, 2), 2) is None
    assert str(problem(planned(0, 1), 1)).endswith("request an increase in Service Quotas, or lower instanceCount")


def test_an_unknown_room_is_no_reason_against_a_plan() -> None:
    assert capacity_problem(planned(4, None), Demand(ONE_TYPE, "ml.g5.4xlarge", 4), None, 4) is None
