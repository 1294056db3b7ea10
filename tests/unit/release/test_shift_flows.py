"""Plan, lease, green, shift, watch and truth check over fakes."""

from dataclasses import replace

import pytest

from release.contracts.config import PartialConfig
from release.contracts.steps import RolloutStep
from release.domain.hosting import Hosting
from release.domain.phases import Phase
from release.domain.plan import Strategy
from release.domain.truth import ProbeAnswer, Progress, Verdict
from release.errors import (
    AlarmsUnsettledError,
    EndpointBusyError,
    InvalidInputError,
    RolloutFailedError,
    ServiceUnavailableError,
)
from release.flows.stamps import stamp
from tests.builders.house import DIGEST, ENDPOINT, House
from tests.builders.records import IMAGE


@pytest.fixture
def house() -> House:
    return House()


def test_a_plan_needs_the_image_to_be_there_still(house: House) -> None:
    rollout = house.planned()
    house.images.gone.add(IMAGE)

    with pytest.raises(RolloutFailedError, match="not in the registry any more"):
        house.plan(rollout)


def test_green_is_made_of_what_the_release_pins_and_knows_its_name(house: House) -> None:
    step = house.created()

    name = house.config_name(step)
    image, data, environment = house.serving.models[name]
    release_id = step.rollout_id.partition("-")[0]
    assert image == IMAGE
    assert data.startswith("s3://slipway-artifacts/published/")
    assert data.endswith("/")
    assert environment == {
        "SLIPWAY_THREADS": "2",
        "SLIPWAY_RELEASE_ID": release_id,
        "SLIPWAY_ROLLOUT_ID": step.rollout_id,
        "SLIPWAY_MODEL_NAME": "chat",
        "SLIPWAY_IMAGE_DIGEST": DIGEST,
    }
    assert house.serving.configs[name] == Hosting(("ml.g5.4xlarge",), 1, 600, 1800)


def test_a_first_release_has_no_alarms_because_there_is_no_blue_to_go_back_to(house: House) -> None:
    house.created()

    assert (house.alarms.guards, house.alarms.own, house.metrics.seeded) == ({}, {}, [])


def test_green_that_replaces_a_release_gets_its_three_alarms_and_data_for_them(house: House) -> None:
    house.live()
    step = house.created("v2")

    name = house.config_name(step)
    assert house.alarms.guards == {f"{name}-guard": (ENDPOINT, name)}
    assert house.alarms.own == {f"{name}-abort": step.rollout_id, f"{name}-dead-man": step.rollout_id}
    assert house.metrics.seeded == [step.rollout_id]


@pytest.mark.parametrize("alarm", ["guard", "abort", "dead-man"])
def test_no_traffic_moves_before_every_alarm_says_ok(house: House, alarm: str) -> None:
    house.live()
    step = house.created("v2")
    house.alarms.said[f"{house.config_name(step)}-{alarm}"] = "INSUFFICIENT_DATA"

    with pytest.raises(AlarmsUnsettledError, match=f"{alarm} is INSUFFICIENT_DATA"):
        house.shifting.shift(step)
    assert house.serving.updates == []
    house.alarms.said.clear()
    assert house.shifting.shift(step).progress is Progress.MOVING


def test_a_dead_man_that_slept_through_a_wait_is_woken_and_not_taken_for_a_wish_to_stop(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.alarms.said[f"{house.config_name(step)}-dead-man"] = "ALARM"

    with pytest.raises(AlarmsUnsettledError, match="dead-man is ALARM"):
        house.shifting.shift(step)
    assert house.metrics.beats[-1] == step.rollout_id


def test_an_alarm_that_looked_too_late_finds_data_before_the_next_attempt(house: House) -> None:
    """The abort alarm ignores what is missing: without new data it would say INSUFFICIENT_DATA for ever."""
    house.live()
    step = house.created("v2")
    seeded = list(house.metrics.seeded)
    house.alarms.said[f"{house.config_name(step)}-abort"] = "INSUFFICIENT_DATA"

    with pytest.raises(AlarmsUnsettledError):
        house.shifting.shift(step)

    assert house.metrics.seeded == [*seeded, step.rollout_id]


def test_an_alarm_that_somebody_deleted_keeps_the_traffic_where_it_is(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.alarms.delete([f"{house.config_name(step)}-abort"])

    with pytest.raises(AlarmsUnsettledError, match="abort is missing"):
        house.shifting.shift(step)


def test_a_second_release_has_as_many_instances_as_serve_now(house: House) -> None:
    house.live()
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], fleet_size=4)

    step = house.created("v2")
    house.shifting.shift(step)

    assert house.serving.configs[house.config_name(step)].instance_count == 4
    ((config_name, plan, alarms, limit_s),) = house.serving.updates
    assert config_name == house.config_name(step)
    assert alarms == tuple(f"{config_name}-{alarm}" for alarm in ("guard", "abort", "dead-man"))
    assert (plan.strategy, plan.fleet_size, limit_s) == (Strategy.CANARY, 4, 1800 + 2 * 600 + 60 + 300)


def test_a_config_s_patience_with_capacity_is_sagemaker_s_and_the_update_s(house: House) -> None:
    house.live()
    house.settings.settings["chat"] = PartialConfig.parse({"provisionTimeoutSeconds": 3600, "bakeSeconds": 0})

    step = house.shifted("v2")

    assert house.serving.configs[house.config_name(step)].provision_timeout_s == 3600
    assert house.serving.updates[0][3] == 3600 + 2 * 600


def test_the_record_says_what_served_when_traffic_began_to_move(house: House) -> None:
    first = house.live()
    second = house.shifted("v2")

    assert house.rollout(first).previous_release_id is None
    assert house.rollout(second).previous_release_id == first.rollout_id.partition("-")[0]


def test_a_rollout_that_waited_for_the_first_release_is_planned_anew(house: House) -> None:
    """Both were planned when nothing served; the second must replace the first, not create the endpoint again."""
    first = house.created("v1")
    second = house.planned("v2")
    assert house.rollout(RolloutStep(endpoint="chat", rollout_id=second)).plan is not None
    house.shifting.shift(first)
    house.serving.arrive(ENDPOINT)
    house.settle(first, "live")

    step = house.leased(second)
    house.creating.create(step)
    house.shifting.shift(step)

    assert [update[0] for update in house.serving.updates] == [house.config_name(step)]


def test_an_endpoint_that_is_busy_is_tried_again_later(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], status="SystemUpdating")

    with pytest.raises(EndpointBusyError, match="SystemUpdating for somebody else"):
        house.shifting.shift(step)
    assert house.rollout(step).phase is Phase.CREATING


def test_a_tripped_guard_stops_the_shift_before_any_traffic(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.alarms.said[f"{house.config_name(step)}-guard"] = "ALARM"

    with pytest.raises(RolloutFailedError, match="tripped before any traffic"):
        house.shifting.shift(step)
    assert house.serving.updates == []


def test_an_endpoint_that_vanished_since_the_plan_is_not_made_up(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.serving.endpoints.clear()

    with pytest.raises(RolloutFailedError, match="came or went"):
        house.shifting.shift(step)


def test_a_failed_endpoint_is_deleted_and_made_anew_by_the_next_rollout(house: House) -> None:
    """SageMaker API reference, EndpointStatus: DeleteEndpoint is the only operation on an endpoint that is Failed."""
    house.live()
    house.serving.endpoints[ENDPOINT] = replace(house.serving.endpoints[ENDPOINT], status="Failed")
    step = house.created("v2")
    assert ENDPOINT in house.serving.endpoints

    with pytest.raises(EndpointBusyError, match="was Failed and is deleted"):
        house.shifting.shift(step)
    house.shifting.shift(step)

    assert house.serving.endpoints[ENDPOINT].config_name == house.config_name(step)
    assert house.rollout(step).phase is Phase.SHIFTING


def test_a_watch_that_sees_nothing_keeps_the_lease_all_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.live()
    step = house.created("v2")
    house.shifting.shift(step)
    house.now.forward(800)

    def throttled(_: str) -> None:
        raise ServiceUnavailableError("throttled")

    monkeypatch.setattr(house.serving, "describe", throttled)
    with pytest.raises(ServiceUnavailableError):
        house.watching.watch(step)

    house.now.forward(800)
    assert house.table.lease_holder("chat", stamp(house.now())) == step.rollout_id


def test_the_watch_tells_moving_baking_and_arrived_and_records_the_bake(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.shifting.shift(step)
    assert house.watching.watch(step).progress is Progress.MOVING

    house.serving.bake(ENDPOINT)
    house.probes.answers[ENDPOINT] = ProbeAnswer(step.rollout_id.partition("-")[0], step.rollout_id, "")
    assert "green serves and bakes" in house.watching.watch(step).reason
    assert house.watching.watch(step).poll_seconds == 15
    assert house.rollout(step).phase is Phase.BAKING
    house.baked(step)
    house.serving.arrive(ENDPOINT)
    assert house.watching.watch(step).progress is Progress.ARRIVED


def test_green_is_asked_while_it_bakes_and_never_before(house: House) -> None:
    house.live()
    step = house.created("v2")
    house.shifting.shift(step)
    house.probes.answers[ENDPOINT] = ProbeAnswer("", "", "ModelError: Received server error (500)")

    assert "a probe was answered" not in house.watching.watch(step).reason
    house.serving.bake(ENDPOINT)
    watched = house.watching.watch(step)
    assert watched.progress is Progress.MOVING, "SageMaker decides when blue serves again, not the watch"
    assert "a probe was answered with an error: ModelError: Received server error (500)" in watched.reason


def test_only_an_answer_of_this_very_rollout_is_the_truth(house: House) -> None:
    step = house.created()
    house.shifting.shift(step)
    with pytest.raises(RolloutFailedError, match="only when nothing moves"):
        house.verifying.verify(step)
    house.serving.arrive(ENDPOINT)
    release_id = step.rollout_id.partition("-")[0]

    house.probes.answers[ENDPOINT] = ProbeAnswer("b" * 12, f"{'b' * 12}-1", "")
    with pytest.raises(RolloutFailedError, match="answered by release bbbbbbbbbbbb"):
        house.verifying.verify(step)
    house.probes.answers[ENDPOINT] = ProbeAnswer(release_id, step.rollout_id, "")
    assert house.verifying.verify(step).verdict is Verdict.PASSED


def test_a_record_that_is_missing_is_told_by_name(house: House) -> None:
    rollout = house.planned()
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    found = house.rollout(step)
    unplanned = found.model_copy(update={"plan": None})
    house.table.items[found.pk, found.sk] = unplanned
    leased = house.leased(rollout)

    with pytest.raises(RolloutFailedError, match="has no plan"):
        house.shifting.shift(leased)
    del house.table.items[found.pk, f"release#{found.release_id}"]
    with pytest.raises(InvalidInputError, match="which has no record"):
        house.plan(rollout)
