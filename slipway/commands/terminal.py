"""What every command needs: the client, the screen, JSON for programs, and a question before the risky."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from slipway.errors import UsageError
from slipway.records import SERVED
from slipway.wire import json_text

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.records import PhaseChange
    from slipway.screen import Screen

CHECK_FAILED = 1
NOT_FINISHED = 3
NOT_LIVE = 4


def open_client(stack: str) -> "Slipway":
    from slipway.client import Slipway

    return Slipway(stack)


def open_screen() -> "Screen":
    from slipway.screen import Screen

    return Screen()


def print_json(value: Any) -> None:
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that people will notice.

    Raises:
        UsageError: nobody is there to ask; the sentence names --yes.
        typer.Exit: the person said no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to answer; add --yes if it is meant")
    if not typer.confirm(question, err=True):
        typer.echo("slipway: nothing was done", err=True)
        raise typer.Exit(NOT_LIVE)


def follow(slipway: "Slipway", endpoint: str, rollout_id: str, *, as_json: bool = False) -> None:
    """Watch to the end; leave with a code of its own when the rollout's release does not serve then.

    A tree on a terminal, a line per phase in a pipe, a JSON object per phase with `as_json`.
    """
    last = (print_phases if as_json else _show)(slipway, endpoint, rollout_id)
    if not serves(slipway, endpoint, rollout_id, last):
        raise typer.Exit(NOT_LIVE)


def print_phases(slipway: "Slipway", endpoint: str, rollout_id: str) -> "PhaseChange | None":
    """A JSON object per phase; the last phase."""
    from slipway.answers import WatchedPhase

    last = None
    for last in slipway.watch(endpoint, rollout_id):
        print_json(WatchedPhase(endpoint, rollout_id, last))
    return last


def _show(slipway: "Slipway", endpoint: str, rollout_id: str) -> "PhaseChange | None":
    screen = open_screen()
    found = slipway.rollout(endpoint, rollout_id).rollout_id
    # On a terminal the tree begins with the id; a pipe wants it as data.
    if not (screen.is_terminal and sys.stdout.isatty()):
        screen.data(found)
    if not screen.is_terminal:
        return screen.phases(slipway.watch(endpoint, rollout_id))
    from slipway.live_tree import watch_tree

    watch_tree(lambda: slipway.view(endpoint, rollout_id), screen.messages)
    return list(slipway.watch(endpoint, rollout_id, timeout_s=0.0))[-1]


def serves(slipway: "Slipway", endpoint: str, rollout_id: str, last: "PhaseChange | None") -> bool:
    """Whether the rollout brought what was asked for."""
    release = rollout_id.rpartition("-")[0]
    live = slipway.endpoint(endpoint).live_release_id
    # A release that was live already has nothing to roll out, and its rollout ends as skipped.
    return (last is not None and last.phase in SERVED) or live == release
