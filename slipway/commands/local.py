"""`slipway local`: the embedded AWS of this machine."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from slipway.commands.terminal import open_screen
from slipway.fault_commands import fault
from slipway.local_env import Ports, exports

local = typer.Typer(no_args_is_help=True, help="The embedded AWS of this machine: no account, no Docker.")
local.add_typer(fault, name="fault")


@local.command("up")
def local_up(
    model: Annotated[Path | None, typer.Option(help="An artifact folder; SmolLM2-135M-Instruct without it.")] = None,
    time_scale: Annotated[float, typer.Option(min=0.001, help="AWS seconds per real second.")] = 1.0,
) -> None:
    """Run all of Slipway on this machine until Ctrl-C."""
    from slipway.local_up import up

    up(Ports.of_environment(os.environ), model, time_scale, open_screen())


@local.command("env")
def local_env() -> None:
    """Print the exports that point AWS clients at the embedded AWS: eval "$(slipway local env)"."""
    for name, value in exports(Ports.of_environment(os.environ).aws).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
