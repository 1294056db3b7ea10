"""Taking an endpoint down, and bringing it back."""

import pytest

from release.contracts.steps import ExecutionInput
from release.domain.ledger import Happened
from release.domain.phases import Phase
from release.domain.plan import Strategy
from release.errors import InvalidInputError
from tests.builders.house import ENDPOINT, House


@pytest.fixture
def house() -> House:
    return House()


def test_nothing_is_left_of_an_endpoint_but_its_records_and_its_bytes(house: House) -> None:
    first = house.live()
    house.live("v2")
    house.operate("freeze")

    house.operate("remove")
    house.operate("remove")

    assert (house.serving.endpoints, house.serving.models, house.serving.configs) == ({}, {}, {})
    assert house.scaling.bounds == {}
    served = house.table.endpoint("chat")
    assert served is not None
    assert (served.live_release_id, served.live_rollout_id) == (None, None)
    assert {each.phase for each in house.table.rollouts("chat")} == {Phase.SUPERSEDED}
    assert house.table.ledger("chat")[-1].event is Happened.ENDPOINT_REMOVED
    assert house.table.release("chat", first.rollout_id.partition("-")[0]) is not None
    assert any(key.startswith("published/") for key in house.artifacts.objects)


def test_what_served_last_can_be_brought_back(house: House) -> None:
    house.live()
    last = house.live("v2").rollout_id.partition("-")[0]
    house.operate("freeze")
    house.operate("remove")

    chosen = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back"))

    assert chosen.release_id == last
    assert house.plan(chosen.rollout_id).strategy is Strategy.FIRST_RELEASE


def test_another_endpoint_whose_name_goes_on_after_this_one_s_stays(house: House) -> None:
    house.live()
    other = f"slipway-chat-eu-{'a' * 12}-1"
    house.serving.models[other] = ("image", "data", {})
    house.alarms.own[f"{other}-abort"] = "another"
    house.operate("freeze")

    house.operate("remove")

    assert (list(house.serving.models), list(house.alarms.own)) == ([other], [f"{other}-abort"])


def test_an_endpoint_is_removed_only_when_nothing_can_begin(house: House) -> None:
    house.live()
    with pytest.raises(InvalidInputError, match="freeze endpoint chat first"):
        house.operate("remove")
    step = house.created("v2")
    house.operate("freeze")

    with pytest.raises(InvalidInputError, match=f"1 rollouts are under way .* the first is {step.rollout_id}"):
        house.operate("remove")

    assert ENDPOINT in house.serving.endpoints
