import itertools

import pytest

from release.domain.phases import ENDS, Phase, has_ended, may_follow

STORY = list(Phase)[: list(Phase).index(Phase.SUPERSEDED) + 1]
"""The phases in the order of the glossary."""


def test_the_whole_story_is_legal_step_by_step() -> None:
    assert all(may_follow(earlier, later) for earlier, later in itertools.pairwise(STORY))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param("received", "planned", id="a published artifact is not examined again"),
        pytest.param("planned", "creating", id="a free lease is not waited for"),
        pytest.param("creating", "shifting", id="a first release has no preflight"),
        pytest.param("shifting", "live", id="a bake can be over between two looks"),
        pytest.param("planned", "skipped", id="it was live already"),
        pytest.param("examined", "rejected", id="the copy found a wrong digest"),
        pytest.param("baking", "rolled_back", id="the guard alarm tripped"),
        pytest.param("creating", "failed", id="SageMaker refused"),
        pytest.param("shifting", "stuck", id="nobody knows what serves"),
        pytest.param("baking", "aborted", id="a person said stop"),
    ],
)
def test_a_phase_may_be_left_out_or_be_the_last(earlier: str, later: str) -> None:
    assert may_follow(Phase(earlier), Phase(later))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param("received", "live", id="nothing goes live unplanned"),
        pytest.param("planned", "shifting", id="no traffic without green"),
        pytest.param("planned", "received", id="backwards"),
        pytest.param("baking", "baking", id="to itself"),
        pytest.param("live", "failed", id="a live rollout has succeeded"),
        pytest.param("shifting", "superseded", id="only what was live is superseded"),
        pytest.param("shifting", "rejected", id="traffic moves already"),
        pytest.param("baking", "skipped", id="too late to skip"),
        pytest.param("planned", "rolled_back", id="nothing to roll back"),
    ],
)
def test_no_phase_is_jumped_over_or_undone(earlier: str, later: str) -> None:
    assert not may_follow(Phase(earlier), Phase(later))


@pytest.mark.parametrize("end", sorted(ENDS))
def test_nothing_follows_an_end(end: Phase) -> None:
    assert has_ended(end)
    assert not any(may_follow(end, later) for later in Phase)


def test_live_has_ended_and_what_moves_has_not() -> None:
    assert has_ended(Phase.LIVE)
    assert not has_ended(Phase.BAKING)
