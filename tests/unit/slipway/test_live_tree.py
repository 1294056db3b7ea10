"""The tree of a rollout, as a terminal and as a file without colours see it."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from release.domain.names import Names
from release.domain.phases import Phase
from slipway.fleets import Fleet, Fleets
from slipway.live_tree import tree_of, watch_tree
from slipway.progress import GateState, RolloutView, gates_of, view_of
from slipway.records import PhaseChange, Release, Rollout

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = "3f2a91c07d4e-1"
ALL = tuple(Phase(name) for name in ("received", "examined", "planned", "creating", "preflight", "shifting", "baking"))
PLAN = {
    "strategy": "canary",
    "fleetSize": 2,
    "bakeSeconds": 300,
    "estimate": {"gates": ["examine", "preflight", "bake"]},
}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slipway-inference@sha256:" + "9f" * 32


def rollout(*phases: Phase, **changes: Any) -> Rollout:
    history = tuple(PhaseChange(phase, NOON + timedelta(seconds=n), "because") for n, phase in enumerate(phases))
    plain: dict[str, Any] = {"kind": "drop", "source": "s3://b/models/chat/v1/", "reason": "because", "plan": PLAN}
    known: dict[str, Any] = {"endpoint": "chat", "rollout_id": ID, "release_id": ID[:12], "created_at": NOON}
    return Rollout(**(known | plain | {"phase": phases[-1], "history": history} | changes))


def fleet(config: str, status: str = "") -> Fleet:
    return Fleet(config, 2, 2, {"ml.g5.4xlarge": 2}, "sha256:9f", status, NOON if status else None)


def view(of: Rollout, *, later_s: int = 10) -> RolloutView:
    fleets = Fleets("slipway-chat", "Updating", "", fleet("old"), fleet(f"slipway-chat-{ID}", "Baking"))
    release = Release("chat", ID[:12], "6b" * 32, IMAGE, 1, NOON)
    return view_of(of, release, fleets, Names("slipway", "chat"), of.history[-1].at + timedelta(seconds=later_s))


def drawn(of: RolloutView, *, terminal: bool) -> str:
    file = io.StringIO()
    Console(file=file, width=120, force_terminal=terminal, color_system="truecolor" if terminal else None).print(
        tree_of(of)
    )
    return file.getvalue()


def test_a_pipe_gets_the_tree_without_a_colour() -> None:
    text = drawn(view(rollout(*ALL)), terminal=False)

    assert text.splitlines() == [
        f"rollout {ID}  baking  about 4 min 50 s left",
        "├── because  because",
        "├── artifact 6b6b6b6b6b6b  from s3://b/models/chat/v1/",
        f"├── model    slipway-chat-{ID}  image sha256:9f9f9f9f9f9f",
        f"├── config   slipway-chat-{ID}  canary",
        "├── fleet    Updating",
        "│   ├── blue     2 of 2 ml.g5.4xlarge",
        "│   └── green    2 of 2 ml.g5.4xlarge  Baking",
        "├── gates    ",
        "│   ├── ✓ examine   passed",
        "│   ├── ✓ preflight passed",
        "│   └── ▸ bake      now",
        "└── traffic  SageMaker says Baking; blue stands",
    ]


def test_a_terminal_gets_colours_and_the_same_words() -> None:
    text = drawn(view(rollout(*ALL)), terminal=True)

    assert "\x1b[32m" in text
    assert "passed" in text


@pytest.mark.parametrize(
    ("phases", "states"),
    [
        ((Phase.RECEIVED,), ["now", "ahead", "ahead"]),
        ((Phase.RECEIVED, Phase.REJECTED), ["failed", "not reached", "not reached"]),
        ((*ALL[:4], Phase.PREFLIGHT), ["passed", "now", "ahead"]),
        ((*ALL[:5], Phase.FAILED), ["passed", "failed", "not reached"]),
        ((*ALL, Phase.ROLLED_BACK), ["passed", "passed", "failed"]),
        ((*ALL, Phase.LIVE), ["passed", "passed", "passed"]),
        # Nothing was recorded of these two: silence is not a pass.
        ((*ALL[:4], Phase.SHIFTING, Phase.LIVE), ["passed", "not seen", "not seen"]),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, tuple) else "",
)
def test_a_gate_is_what_the_history_says_of_it(phases: tuple[Phase, ...], states: list[str]) -> None:
    assert [gate.state for gate in gates_of(rollout(*phases))] == states


def test_a_gate_that_a_person_skipped_is_never_passed() -> None:
    skipped = rollout(*ALL, Phase.LIVE, skipped_gates=({"gate": "bake"},))

    assert gates_of(skipped)[-1].state is GateState.SKIPPED


def test_the_time_left_is_never_below_none() -> None:
    assert "longer than estimated" in drawn(view(rollout(*ALL), later_s=301), terminal=False)


def test_watching_ends_with_the_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.live_tree._LOOK_EVERY_S", 0.0)
    views = iter([view(rollout(*ALL)), view(rollout(*ALL, Phase.LIVE))])
    file = io.StringIO()

    last = watch_tree(lambda: next(views), Console(file=file, width=120, force_terminal=True))

    assert last.phase is Phase.LIVE
    assert "live" in file.getvalue()
