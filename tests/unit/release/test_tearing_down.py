"""The stack may go when nothing of it serves, and nothing is about to."""

import pytest

from release.flows.tearing_down import TearingDown
from tests.builders.house import ENDPOINT, House


@pytest.fixture
def house() -> House:
    return House()


def refusal(house: House) -> str:
    return TearingDown(house.table, house.serving, "slipway").refusal()


def test_a_stack_without_endpoints_may_go(house: House) -> None:
    assert refusal(house) == ""


def test_an_endpoint_that_stands_is_named_with_the_commands_that_take_it_down(house: House) -> None:
    house.live()

    said = refusal(house)

    assert said.startswith(f"endpoint {ENDPOINT} would go on serving, and costing")
    assert said.endswith(": slipway freeze chat --reason teardown; slipway remove chat --reason teardown")
    house.operate("freeze")
    house.operate("remove")
    assert refusal(house) == ""


def test_a_rollout_under_way_would_bring_one_up(house: House) -> None:
    rollout = house.planned()

    assert refusal(house) == f"rollout {rollout} of endpoint chat is planned: abort it or wait for its end"


def test_what_a_preflight_left_behind_stands_too_until_the_endpoint_is_removed(house: House) -> None:
    step = house.live()
    config = f"{house.config_name(step)}-pf"
    house.serving.ensure_config(config, house.serving.configs[house.config_name(step)], model=house.config_name(step))
    house.serving.create_endpoint(f"{ENDPOINT}-preflight", config)
    house.serving.arrive(f"{ENDPOINT}-preflight")
    house.serving.delete_endpoint(ENDPOINT)

    assert refusal(house).startswith(f"endpoint {ENDPOINT}-preflight would go on")
    house.operate("freeze")
    house.operate("remove")
    assert refusal(house) == ""


def test_the_answer_stays_within_what_cloudformation_takes(house: House) -> None:
    """docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html: 4,096 bytes."""
    house.live()
    (record,) = house.table.endpoints()
    for number in range(50):
        name = f"{number:020}"
        other = record.model_copy(update={"pk": f"endpoint#{name}", "endpoint": name})
        house.table.items[other.pk, other.sk] = other
        house.serving.endpoints[f"slipway-{name}"] = house.serving.endpoints[ENDPOINT]

    said = refusal(house)

    assert said.endswith("and 46 more")
    assert len(said) < 3000
