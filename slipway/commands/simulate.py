"""`slipway simulate`: releases in virtual time, with whatever goes wrong; one seed is one story."""

from typing import Annotated

import typer

from slipway.commands.options import AsJson
from slipway.commands.terminal import CHECK_FAILED, open_screen, print_json


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="Which story; the same seed tells the same one.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell the story of one simulated seed. And whether a promise of the release engine was broken in it."""
    from simulation.run import simulate as play
    from slipway.answers import SimulatedSeed

    screen = open_screen()
    outcome = play(seed) if as_json else play(seed, screen.data)
    violations = tuple(str(one) for one in outcome.violations)
    if as_json:
        print_json(SimulatedSeed(seed, outcome.rollouts, outcome.calls, violations))
    else:
        screen.lines(violations)
        screen.say(f"seed {seed}: {outcome.rollouts} rollouts, {len(violations)} violations")
    if violations:
        raise typer.Exit(CHECK_FAILED)
