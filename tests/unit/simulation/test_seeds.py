"""The simulator itself: it is deterministic, it sees what is wrong, and a sample of its seeds every day."""

from random import Random
from typing import Any

import pytest

from release.domain import phases, truth
from release.errors import ServiceUnavailableError
from release.flows import settling, verifying, watching
from simulation.__main__ import main
from simulation.run import simulate
from simulation.world import World
from tests.builders.records import rollout

EVERYDAY = 80


@pytest.mark.parametrize("tens", range(EVERYDAY // 10))
def test_no_seed_of_every_day_s_sample_breaks_an_invariant(tens: int) -> None:
    outcomes = [simulate(seed) for seed in range(10 * tens + 1, 10 * tens + 11)]

    assert [outcome for outcome in outcomes if outcome.violations] == []
    assert sum(outcome.rollouts for outcome in outcomes) > 10


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(13804, id="two gave the same turn at once, and one took it back"),
        pytest.param(32118, id="an abort was written while a look at the rollout was under way"),
    ],
)
def test_a_seed_that_once_broke_an_invariant_breaks_none(seed: int) -> None:
    assert not simulate(seed).violations


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_none_of_ten_thousand_seeds_breaks_an_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "10000"]) == 0

    assert capsys.readouterr().out.endswith("simulation: 10000 seeds, 0 violations\n")


def test_the_same_seed_tells_the_same_story() -> None:
    stories: list[list[str]] = [[], []]

    outcomes = [simulate(seed := 7, story.append) for story in stories]

    assert outcomes[0] == outcomes[1]
    assert stories[0] == stories[1]
    assert len(stories[0]) > 20
    assert seed == 7


def test_the_story_changes_nothing() -> None:
    assert simulate(11) == simulate(11, lambda _: None)


def found(seeds: range) -> set[str]:
    """The numbers of the invariants that a violation was seen of."""
    return {violation.split(" ", 1)[0] for seed in seeds for violation in simulate(seed).violations}


def test_a_silent_rollback_that_counts_as_arrived_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def always_arrived(state: Any, config_name: str) -> truth.Look:
        return truth.Look(truth.Progress.ARRIVED, "looks fine")

    monkeypatch.setattr(watching, "look", always_arrived)
    monkeypatch.setattr(verifying, "judge_description", lambda *_, **__: truth.Judgement(truth.Verdict.PASSED, ""))
    monkeypatch.setattr(verifying, "judge_answer", lambda *_, **__: truth.Judgement(truth.Verdict.PASSED, ""))

    assert {"6", "9"} <= found(range(1, 40))


def test_a_settlement_that_deletes_what_serves_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "must_be_deleted", lambda aftermath: aftermath.state is not None)

    assert "1" in found(range(1, 40))


def test_a_settlement_that_never_ends_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise ServiceUnavailableError("never")

    monkeypatch.setattr(settling.Settling, "_end_failed", never)

    assert "3" in found(range(1, 20))


def test_a_function_that_dies_of_a_defect_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "error_of", lambda phase: {}[phase])

    assert "0" in found(range(1, 3))


def test_a_record_that_goes_back_is_seen() -> None:
    world = World(Random(1))  # noqa: S311 - draws delays, keeps no secret
    ended = rollout("a" * 12 + "-1", phase="failed")

    world.table._put(ended)
    world.table._put(ended.model_copy(update={"phase": phases.Phase.CREATING}))

    assert [violation.split(":")[0] for violation in world.judge.violations] == ["3 every record goes forward"]


def test_a_violation_ends_the_run_with_the_command_that_tells_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settling, "error_of", lambda phase: {}[phase])

    assert main(["--seed", "1"]) == 1

    printed = capsys.readouterr().out.splitlines()
    assert "  replay: python -m simulation --seed 1" in printed
    assert printed[-1].startswith("simulation: 1 seeds, ")
    assert not printed[-1].endswith(" 0 violations")
