"""Which rollout makes which other one pointless."""

import pytest

from release.domain.phases import Phase
from release.domain.turns import Turn, next_turn, overtaken_by

OLDER, MINE, LATER, LATEST = (f"2026-11-23T12:00:00.00{number}Z" for number in range(4))


def turn(kind: str, asked_at: str, phase: Phase = Phase.WAITING) -> Turn:
    return Turn(f"{kind} of {asked_at[-4:]}", kind, phase, asked_at)


@pytest.mark.parametrize(
    ("kind", "other", "skipped"),
    [
        pytest.param("drop", turn("drop", LATER), True, id="a newer drop waits"),
        pytest.param("drop", turn("drop", LATER, Phase.LIVE), True, id="a newer drop serves"),
        pytest.param("drop", turn("drop", LATER, Phase.SUPERSEDED), True, id="a newer drop has served"),
        pytest.param("push", turn("push", LATER, Phase.BAKING), True, id="a newer push bakes"),
        pytest.param("drop", turn("rollback", LATER), True, id="a later rollback would be undone"),
        pytest.param("drop", turn("drop", OLDER), False, id="an older drop waits"),
        pytest.param("drop", turn("drop", MINE), False, id="it is the drop itself"),
        pytest.param("drop", turn("drop", LATER, Phase.EXAMINED), False, id="a newer drop may still be refused"),
        pytest.param("drop", turn("drop", LATER, Phase.REJECTED), False, id="a newer drop was refused"),
        pytest.param("drop", turn("drop", LATER, Phase.ROLLED_BACK), False, id="a newer drop was rolled back"),
        pytest.param("drop", turn("push", LATER), False, id="a push brings another artifact"),
        pytest.param("push", turn("drop", LATER), False, id="a drop brings another image"),
        pytest.param("rollback", turn("rollback", LATER), False, id="a person asked to go back"),
        pytest.param("manual", turn("rollback", LATER), False, id="a person asked to go forwards"),
    ],
)
def test_only_what_a_newer_wish_would_replace_or_undo_is_skipped(
    kind: str,
    other: Turn,
    skipped: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert overtaken_by(turn(kind, MINE), [other]) == (other.rollout_id if skipped else None)


def test_the_newest_of_several_is_named() -> None:
    others = [turn("drop", LATEST), turn("drop", LATER)]

    assert overtaken_by(turn("drop", MINE), others) == others[0].rollout_id


def waits(rollout_id: str, kind: str = "drop", at: str = "1", *, held_back: bool = False) -> Turn:
    return Turn(rollout_id, kind, Phase.WAITING, at, held_back)


@pytest.mark.parametrize(
    ("waiting", "frozen", "first"),
    [
        pytest.param([], False, None, id="nobody waits"),
        pytest.param([waits("b", "manual", "2"), waits("a", "drop", "1")], False, "a", id="who asked first goes first"),
        pytest.param(
            [waits("a", "drop", "1"), waits("r", "rollback", "9")], False, "r", id="a rollback goes before all"
        ),
        pytest.param(
            [waits("s", "rollback", "9"), waits("r", "rollback", "8")], False, "r", id="of rollbacks the older"
        ),
        pytest.param(
            [waits("a", held_back=True), waits("b", "push", "2")], False, "b", id="a paused one lets others by"
        ),
        pytest.param([waits("a", held_back=True)], False, None, id="a paused one alone waits"),
        pytest.param([waits("a"), waits("m", "manual")], True, None, id="a freeze holds all"),
        pytest.param([waits("a"), waits("r", "rollback", "2")], True, "r", id="but rollbacks"),
    ],
)
def test_who_goes_next(waiting: list[Turn], frozen: bool, first: str | None) -> None:  # noqa: FBT001 - a case's value
    chosen = next_turn(waiting, frozen=frozen)

    assert (chosen.rollout_id if chosen else None) == first
