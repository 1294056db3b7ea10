"""`slipway sweep`: what events lost, what died, and what nobody needs."""

from typing import Annotated

import typer

from slipway.commands.options import AsJson, Stack, Yes
from slipway.commands.terminal import confirm, open_client, open_screen, print_json
from slipway.past_views import sweep_lines

_A_YEAR_S = 31_536_000


def sweep(
    endpoint: Annotated[
        str | None, typer.Argument(envvar="SLIPWAY_ENDPOINT", help="The endpoint's name; every one without it.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")] = False,
    grace: Annotated[
        int | None,
        typer.Option(min=0, max=_A_YEAR_S, help="Seconds for which needless things are kept; seven days without it."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-m", help="Why; it goes into the execution.")] = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Find lost events, dead rollouts, drift and leftovers. What is safe is mended."""
    where = endpoint or "every endpoint"
    confirm(f"Sweep {where}? What nobody needs is deleted; --dry-run only tells.", yes=yes or dry_run)
    swept = open_client(stack).sweep(endpoint, dry_run=dry_run, grace_s=grace, reason=reason)
    if as_json:
        print_json(swept)
        return
    screen = open_screen()
    screen.lines(sweep_lines(swept))
    if dry_run:
        screen.say(f"next: slipway sweep{f' {endpoint}' if endpoint else ''} --yes")
