"""What a person and a pipe get to see."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from release.domain.phases import Phase
from slipway.artifacts import Progress
from slipway.records import PhaseChange, Release, Rollout
from slipway.screen import Screen

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slipway-inference@sha256:" + "9f" * 32


class Seen:
    """A narrow screen that is not a terminal."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.screen = Screen(*(Console(file=file, width=40, soft_wrap=True) for file in (self.out, self.err)))


def release(release_id: str) -> Release:
    return Release("chat", release_id, "6b" * 32, IMAGE, rollouts=2, created_at=NOON)


def rollout(release_id: str, number: int, phase: str) -> Rollout:
    return Rollout("chat", f"{release_id}-{number}", release_id, "drop", "", Phase(phase), "", (), NOON)


def test_ids_are_whole_however_narrow_the_screen() -> None:
    seen = Seen()

    seen.screen.releases([release("3f2a91c07d4e")], [], "3f2a91c07d4e")

    head, line = seen.out.getvalue().splitlines()
    assert head.split() == ["RELEASE", "STATE", "ROLLOUTS", "CREATED", "(UTC)", "ARTIFACT", "IMAGE"]
    assert line.split() == [
        "3f2a91c07d4e",
        "live",
        "2",
        "2026-11-23",
        "12:00:00",
        "6b6b6b6b6b6b",
        "sha256:9f9f9f9f9f9f",
    ]


def test_without_a_release_it_says_so_and_prints_no_data() -> None:
    seen = Seen()

    seen.screen.releases([], [], "")

    assert seen.out.getvalue() == ""
    assert "no releases yet" in seen.err.getvalue()


@pytest.mark.parametrize(
    ("phases", "state"),
    [
        pytest.param([], "-", id="never rolled out"),
        pytest.param(["rejected"], "rejected", id="refused"),
        pytest.param(["failed", "superseded"], "superseded", id="served once, a later attempt failed"),
        pytest.param(["baking", "failed"], "baking", id="on its way at the second attempt"),
    ],
)
def test_a_release_that_does_not_serve_shows_how_far_it_came(phases: list[str], state: str) -> None:
    seen = Seen()
    newest_first = [rollout("3f2a91c07d4e", 9 - place, phase) for place, phase in enumerate(phases)]

    seen.screen.releases([release("3f2a91c07d4e")], newest_first, "aaaaaaaaaaaa")

    assert seen.out.getvalue().splitlines()[1].split()[1] == state


def test_phases_are_told_with_the_seconds_since_the_first() -> None:
    seen = Seen()
    changes = [
        PhaseChange(Phase.RECEIVED, NOON, "sealed by models/chat/v1/manifest.json"),
        PhaseChange(Phase.LIVE, NOON + timedelta(seconds=27.94), "endpoint slipway-chat serves"),
    ]

    last = seen.screen.phases(iter(changes))

    assert last is changes[-1]
    told = seen.err.getvalue().splitlines()[1].split()
    assert told == [
        "live",
        "+",
        "27.9",
        "s",
        "endpoint",
        "slipway-chat",
        "serves",
    ]
    assert seen.out.getvalue() == ""


def test_an_upload_without_a_terminal_says_each_quarter_once() -> None:
    seen = Seen()

    with seen.screen.upload("uploaded") as on_progress:
        for sent in range(0, 1001, 10):
            on_progress(Progress("model.safetensors", sent * 1000, 1_000_000))

    lines = seen.err.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["25", "50", "75", "100", "✓"]


def test_a_step_that_fails_is_not_ticked() -> None:
    seen = Seen()

    with pytest.raises(ZeroDivisionError), seen.screen.step("deployed"):
        raise ZeroDivisionError

    assert "✓" not in seen.err.getvalue()
