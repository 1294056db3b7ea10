"""A rollout as a tree that stays on the screen while it moves: artifact, model, config, fleet, gates, traffic."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from slipway.fleets import Fleet
from slipway.progress import Gate, GateState, RolloutView

_LOOK_EVERY_S = 1.0
_MARKS = {
    GateState.AHEAD: ("·", "dim"),
    GateState.NOW: ("▸", "yellow"),
    GateState.PASSED: ("✓", "green"),
    GateState.FAILED: ("✗", "red"),
    GateState.SKIPPED: ("-", "yellow"),
    GateState.UNREACHED: ("·", "dim"),
    GateState.UNSEEN: ("?", "yellow"),
}
_MINUTE_S = 60


def tree_of(view: RolloutView) -> Tree:
    """The rollout now."""
    style = "green" if view.served else "red" if view.ended else "yellow"
    head = Text.assemble(("rollout ", "dim"), view.rollout_id, "  ", (str(view.phase), style), f"  {time_left(view)}")
    tree = Tree(head, guide_style="dim")
    tree.add(_line("because", view.reason))
    if view.held_by:
        tree.add(_line("held", view.held_by, "yellow"))
    if view.artifact_id:
        tree.add(_line("artifact", f"{view.artifact_id[:12]}  from {view.source}"))
        tree.add(_line("model", f"{view.model_name}  image {view.image.rpartition('@')[2][:19]}"))
    tree.add(_line("config", f"{view.config_name}{f'  {view.strategy}' if view.strategy else ''}"))
    fleets = tree.add(_line("fleet", view.endpoint_status or "none yet"))
    for colour, fleet in (("blue", view.blue), ("green", view.green)):
        if fleet:
            fleets.add(_line(colour, _fleet(fleet), colour))
    gates = tree.add(_line("gates", ""))
    for gate in view.gates:
        gates.add(_gate(gate))
    tree.add(_line("traffic", view.traffic))
    return tree


def time_left(view: RolloutView) -> str:
    if view.ended:
        return ""
    if view.seconds_left is None:
        return "nobody has estimated the time yet"
    if view.seconds_left == 0:
        return "longer than estimated"
    minutes, seconds = divmod(view.seconds_left, _MINUTE_S)
    return f"about {minutes} min {seconds:02} s left" if minutes else f"about {seconds} s left"


def watch_tree(look: Callable[[], RolloutView], console: Console, timeout_s: float = 3600.0) -> RolloutView:
    """Keep the tree on the screen until the rollout ends or the time is up; the last view."""
    view = look()
    deadline = time.monotonic() + timeout_s
    with Live(tree_of(view), console=console, refresh_per_second=4) as live:
        while not view.ended and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
            view = look()
            live.update(tree_of(view))
    return view


def _line(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((name.ljust(9), style or "dim"), value)


def _gate(gate: Gate) -> Text:
    mark, style = _MARKS[gate.state]
    return Text.assemble((f"{mark} ", style), gate.name.ljust(10), (str(gate.state), style))


def _fleet(fleet: Fleet) -> str:
    types = ", ".join(fleet.instance_types) or "instances"
    status = f"  {fleet.status}" if fleet.status else ""
    return f"{fleet.instances} of {fleet.desired} {types}{status}"
