"""What starts a rollout, over fakes: uploads, pushes and people, once, twice or crossing each other."""

from typing import Any

import pytest

from release.contracts.config import PartialConfig
from release.contracts.steps import ExecutionInput, FollowStep, RolloutStep
from release.domain.phases import Phase
from release.errors import (
    InvalidInputError,
    ServiceUnavailableError,
)
from tests.builders.artifacts import artifact
from tests.builders.house import DIGEST, House
from tests.builders.records import CONFIG


@pytest.fixture
def house() -> House:
    return House()


def test_the_manifest_is_read_in_the_version_that_sealed(house: House) -> None:
    house.push()
    house.drop()
    assert house.artifacts.versions_read == ["7"]

    house.seal("models/chat/v1/manifest.json", version_id="null")
    assert house.artifacts.versions_read[-1] is None


def test_a_drop_takes_the_image_that_serves_before_a_newer_one(house: House) -> None:
    house.live()
    newer = "sha256:" + "1" * 64
    (pushed,) = house.push("2026-11-23T13:00:00Z", newer)

    rollout = house.drop("v2")

    assert rollout is not None
    taken = house.table.release("chat", rollout.partition("-")[0])
    offered = house.table.release("chat", pushed.partition("-")[0])
    assert taken is not None
    assert taken.image.endswith(DIGEST)
    assert offered is not None
    assert offered.image.endswith(newer)


def test_a_push_that_comes_late_does_not_replace_a_newer_one(house: House) -> None:
    house.live()
    newer = house.push("2026-11-23T14:00:00Z", "sha256:" + "2" * 64)

    late = house.push("2026-11-23T13:00:00Z", "sha256:" + "1" * 64)

    assert (len(newer), late) == (1, ())


def test_a_push_reaches_every_endpoint_though_one_has_broken_settings(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.live()
    house.table.note_artifact("another", newest(house, "chat"), "2026-11-23T12:00:00.000Z")
    settings = house.settings.of

    def broken(endpoint: str) -> PartialConfig:
        if endpoint == "another":
            raise InvalidInputError("the settings break their contract")
        return settings(endpoint)

    monkeypatch.setattr(house.settings, "of", broken)
    house.machine.started.clear()

    with pytest.raises(InvalidInputError, match="the settings break"):
        house.push("2026-11-23T13:00:00Z", "sha256:" + "1" * 64)
    assert [endpoint for endpoint, _ in house.machine.started] == ["chat"]


def newest(house: House, endpoint: str) -> str:
    item = house.table.endpoint(endpoint)
    assert item is not None
    assert item.newest_artifact_id is not None
    return item.newest_artifact_id


@pytest.mark.parametrize("endpoint", ["chat", "another"])
def test_a_drop_of_bytes_that_are_published_is_its_endpoint_s_newest_artifact(house: House, endpoint: str) -> None:
    house.live("v1")
    first = newest(house, "chat")
    house.live("v2")
    prefix = f"models/{endpoint}/v1/"
    house.artifacts.objects |= {prefix + path: body for path, body in artifact("v1").items()}
    house.artifacts.objects[prefix + "manifest.json"] = b"{}"
    rollout = house.seal(prefix + "manifest.json", version_id="8")

    asked = {"endpoint": endpoint, "rolloutId": rollout}
    assert house.registering.register(ExecutionInput(input=asked, execution_arn="arn")).published

    assert newest(house, endpoint) == first


def test_a_rollback_leaves_the_newest_artifact_what_it_was(house: House) -> None:
    house.live("v1")
    house.live("v2")
    second = newest(house, "chat")
    back = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back")).rollout_id

    house.registering.register(
        ExecutionInput(input={"endpoint": "chat", "rolloutId": back}, execution_arn="arn:release")
    )

    assert newest(house, "chat") == second


def test_a_rollout_is_run_by_one_execution(house: House) -> None:
    house.push()
    asked = {"endpoint": "chat", "rolloutId": house.drop()}
    first = ExecutionInput(input=asked, execution_arn="arn:first")
    assert house.registering.register(first) == house.registering.register(first)

    with pytest.raises(InvalidInputError, match="is run by arn:first already"):
        house.registering.register(ExecutionInput(input=asked, execution_arn="arn:second"))


def test_an_image_that_comes_while_a_drop_begins_to_wait_is_seen_by_one_of_the_two(house: House) -> None:
    begin_to_wait = house.table.wait_for_image

    def push_meanwhile(drop: Any) -> None:
        begin_to_wait(drop)
        house.table.wait_for_image = begin_to_wait  # type: ignore[method-assign]
        house.push()

    house.table.wait_for_image = push_meanwhile  # type: ignore[method-assign]

    rollout = house.drop()

    assert rollout is not None
    assert [name for _, name in house.machine.started] == [rollout]
    assert house.table.waiting() == []


def test_an_event_that_comes_after_the_rollout_began_starts_nothing_again(house: House) -> None:
    rollout = house.planned()
    house.machine.started.clear()

    assert house.seal("models/chat/v1/manifest.json") == rollout
    assert house.machine.started == []


def test_a_crash_before_the_start_is_mended_by_the_next_delivery(house: House) -> None:
    house.push()
    rollout = house.drop()
    house.machine.started.clear()

    assert house.seal("models/chat/v1/manifest.json") == rollout
    assert house.machine.started == [("chat", rollout)]


def test_config_is_laid_from_defaults_settings_and_manifest(house: House) -> None:
    house.push()
    house.settings.settings["chat"] = PartialConfig(bake_seconds=600, instance_count=2)

    rollout = house.drop(manifest='{"config": {"bakeSeconds": 5}}')

    assert rollout is not None
    release = house.table.release("chat", rollout.partition("-")[0])
    assert release is not None
    assert (release.config.bake_seconds, release.config.instance_count) == (5, 2)
    assert release.config.startup_timeout_seconds == CONFIG["startupTimeoutSeconds"]


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        ({"endpoint": "chat", "rolloutId": f"{'a' * 12}-1"}, "has no rollout"),
        ({"endpoint": "chat", "artifact": "0" * 64}, "no artifact 0000"),
        ({"endpoint": "chat", "artifact": "models/chat/v9"}, "holds neither manifest.json nor model.tar.gz"),
        ({"endpoint": "chat"}, "artifact: Field required"),
        ({"endpoint": "chat", "artifact": "models/chat/v1", "image": None}, "image: leave it out rather than null"),
        ("chat", "breaks its contract"),
    ],
)
def test_an_input_that_names_nothing_is_refused_in_a_sentence(house: House, asked: Any, because: str) -> None:
    house.push()

    with pytest.raises(InvalidInputError, match=because):
        house.registering.register(ExecutionInput(input=asked, execution_arn="arn"))


def test_by_hand_there_must_be_an_image_to_run(house: House) -> None:
    house.drop()
    asked = {"endpoint": "chat", "artifact": "models/chat/v1"}

    with pytest.raises(InvalidInputError, match="has no image yet"):
        house.registering.register(ExecutionInput(input=asked, execution_arn="arn"))


def test_whoever_always_comes_second_is_told_to_try_again(house: House) -> None:
    house.push()
    house.table.register = lambda *_: False  # type: ignore[method-assign]

    with pytest.raises(ServiceUnavailableError, match="in 8 attempts"):
        house.drop()
    with pytest.raises(ServiceUnavailableError, match="in 8 attempts"):
        house.choosing.choose(ExecutionInput(input={"endpoint": "chat", "to": "0" * 12}, execution_arn="arn"))


def test_an_unknown_release_is_refused_again_under_the_next_number(house: House) -> None:
    for number in (1, 2):
        with pytest.raises(Exception, match="never had"):
            house.choosing.choose(ExecutionInput(input={"endpoint": "chat", "to": "0" * 12}, execution_arn=f"{number}"))

    assert [item.rollout_id for item in house.table.rollouts("chat")] == [f"{'0' * 12}-1", f"{'0' * 12}-2"]


def test_a_rollback_is_chosen_once_and_its_execution_started_once(house: House) -> None:
    house.live()
    house.live("v2")
    asked = ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back")

    chosen = house.choosing.choose(asked)
    assert house.choosing.choose(asked) == chosen
    step = RolloutStep(endpoint="chat", rollout_id=chosen.rollout_id)
    started = house.starting.start(step)

    assert started == house.starting.start(step)
    assert ("chat", chosen.rollout_id) in house.machine.started
    followed = house.following.follow(FollowStep(**step.model_dump(), release_id=chosen.release_id))
    assert (followed.phase, followed.ended, followed.live) == (Phase.RECEIVED, False, False)


def test_a_plan_alone_ends_its_rollout_and_publishes_nothing(house: House) -> None:
    house.push()
    rollout = house.drop()
    assert rollout is not None
    house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))

    assert house.plan(rollout, plan_only=True) == house.plan(rollout, plan_only=True)

    ended = house.rollout(RolloutStep(endpoint="chat", rollout_id=rollout))
    assert (ended.phase, ended.plan is None) == (Phase.SKIPPED, False)
    assert ended.reason.startswith("planned only, as asked; ")
