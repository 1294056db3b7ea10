"""Every screen as a file that a person has read: in a pipe, as JSON, and on a terminal.

`SLIPWAY_SCREENS=write` before pytest writes the files again; read the difference before you keep it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.describe_cli import commands
from tests.contract.slipway import houses
from tests.contract.slipway.conftest import Command, Stack
from tests.contract.slipway.terminal import HEIGHT, WIDTH, UnknownControlError, seen

SCREENS = Path(__file__).parent / "screens"
WRITE = os.environ.get("SLIPWAY_SCREENS") == "write"  # read now, because the stack's tests run without such variables
WHY = "--reason because"
ELSEWHERE = {
    "local up": "stays in the foreground; tests/e2e/slipway runs it",
    "local down": "needs an embedded AWS of its own; tests/e2e/slipway and test_bad_input",
    "local status": "the same",
    "local reset": "the same",
    "local fault set": "tests/integration/local_core/test_fault_command.py",
    "local fault list": "the same",
    "local fault clear": "the same",
    "local fault kinds": "the same",
    "simulate": "its story is the simulator's, tests/unit/simulation",
}


@dataclass(frozen=True)
class Shown:
    """`words`: the command line, where LIVE and OLDER stand for the stack's releases.

    `yes`: it asks on a terminal, and the person says no there.
    """

    words: str
    house: houses.House = houses.as_it_is
    yes: bool = False
    json: bool = True


SHOWN = {
    "package": Shown("package models/tiny --output artifacts/tiny --quantise nf4", houses.with_a_made_artifact),
    "push": Shown("push tiny --version v2", houses.with_a_drop),
    "watch": Shown("watch LIVE-1"),
    "rollback": Shown("rollback", houses.with_a_rollback, yes=True),
    "rollback refused": Shown("rollback --to OLDER", yes=True),
    "pause": Shown(f"pause {WHY}"),
    "resume": Shown(f"resume {WHY}"),
    "approve": Shown(f"approve {WHY}"),
    "abort": Shown(f"abort {WHY}", yes=True),
    "freeze": Shown(f"freeze {WHY} --until 2027-01-02T00:00:00Z"),
    "unfreeze": Shown(f"unfreeze {WHY}"),
    "wake": Shown(f"wake {WHY}"),
    "remove": Shown(f"remove {WHY}", yes=True),
    "why": Shown("why"),
    "cost": Shown("cost"),
    "doctor": Shown("doctor"),
    "explain": Shown("explain LIVE"),
    "what-ran": Shown("what-ran --at 2026-11-23T12:00:00Z"),
    "provenance": Shown("provenance 3f2a91c07d4e"),
    "sweep": Shown("sweep --dry-run"),
    "logs": Shown("logs", houses.with_a_log),
    "chat": Shown("chat Hello", houses.with_a_model),
    "releases list": Shown("releases"),
    "releases show": Shown("releases show LIVE"),
    "releases diff": Shown("releases diff"),
    "releases watch": Shown("releases watch LIVE-1"),
    "releases of an endpoint without any": Shown("releases search"),
    "break-glass release-lease": Shown(f"break-glass release-lease {WHY}", yes=True),
    "break-glass adopt": Shown(f"break-glass adopt {WHY}", yes=True),
    "break-glass skip-gate": Shown(f"break-glass skip-gate bake {WHY}", yes=True),
    "events list": Shown("events list", houses.with_an_undelivered_event),
    "events replay": Shown("events replay", yes=True),
    "image build": Shown("image build --tag release-1", houses.with_a_builder),
    "image push": Shown("image push --tag release-1", houses.with_a_builder),
    "local env": Shown("local env", houses.in_a_checkout_of_a_known_name),
    "no command": Shown("", json=False),
    "no such command": Shown("realeses", json=False),
}
_CHANGING = (
    (re.compile(r"(execution:slipway-[a-z]+:[a-z-]+-)[0-9a-f]{12}"), r"\1" + 12 * "0"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "00000000-0000-0000-0000-000000000000"),
    (re.compile(r"\d+\.\d s$", re.MULTILINE), "0.0 s"),
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?")


@pytest.fixture(autouse=True)
def a_house_with_all(stack: Stack, quota_of_one: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_AWS_PORT", "4566")
    houses.cleared(stack)


@pytest.mark.parametrize("name", SHOWN)
def test_a_screen_is_what_was_read_and_kept(
    name: str, slipway: Command, stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = SHOWN[name]
    shown.house(monkeypatch, stack, tmp_path)
    words = shown.words.replace("LIVE", stack.live).replace("OLDER", stack.older).split()
    parts = [_in_a_pipe(slipway, [*words, *(["--yes"] if shown.yes else [])])]
    if shown.json:
        parts.append(_in_a_pipe(slipway, [*words, *(["--yes"] if shown.yes else []), "--json"]))
    code, screen = slipway.on_a_terminal(*words, typed="n\n" if shown.yes else "")
    parts.append(f"$ slipway {' '.join(words)}   # on a terminal, {WIDTH} x {HEIGHT}\n{screen}[exit {code}]\n")

    text = _steady("\n".join(parts), instants=name in {"logs", "events list"})

    path = SCREENS / f"{name.replace(' ', '-')}.txt"
    if WRITE:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def _in_a_pipe(slipway: Command, words: list[str]) -> str:
    said = slipway(*words)
    told = "".join(f"2> {line}\n" for line in said.err.splitlines())
    return f"$ slipway {' '.join(words)} | cat\n{said.out}{told}[exit {said.code}]\n"


def _steady(text: str, *, instants: bool) -> str:
    """Without what differs from run to run."""
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return _INSTANT.sub(r"2026-11-23\g<1>12:00:00", text) if instants else text


def test_every_command_has_a_screen_or_a_place_where_it_is_seen() -> None:
    known = {words for words, _ in commands()}

    assert known - SHOWN.keys() == ELSEWHERE.keys()
    assert not SHOWN.keys() & ELSEWHERE.keys()


def test_no_screen_is_left_of_a_command_that_is_gone() -> None:
    assert {path.stem for path in SCREENS.iterdir()} == {name.replace(" ", "-") for name in SHOWN}


@pytest.mark.parametrize(
    ("written", "screen"),
    [
        pytest.param("a\r\nb\r\n", "a\nb\n", id="lines"),
        pytest.param("\x1b[32m✓\x1b[0m done", "✓ done\n", id="colours are not letters"),
        pytest.param("one\r\ntwo\r\x1b[2K\x1b[1A\x1b[2Knew", "new\n", id="written over"),
        pytest.param("x" * (WIDTH + 1), f"{'x' * WIDTH}\nx\n", id="a line that is too long goes on below"),
        pytest.param("abc\rX", "Xbc\n", id="back to the left"),
    ],
)
def test_the_terminal_shows_what_a_terminal_shows(written: str, screen: str) -> None:
    assert seen(written) == screen


def test_what_the_terminal_does_not_know_is_an_error() -> None:
    with pytest.raises(UnknownControlError, match="H"):
        seen("\x1b[2;2H")
