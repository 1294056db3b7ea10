"""The `slipway` command: a thin skin over the client. Each group of commands has a file in slipway/commands/."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import typer

from slipway.commands.group import Group
from slipway.errors import SlipwayError

_COMMANDS = {
    "package": "package",
    "push": "push",
    "watch": "releases",
    "rollback": "releases",
    "pause": "operate",
    "resume": "operate",
    "approve": "operate",
    "abort": "operate",
    "freeze": "operate",
    "unfreeze": "operate",
    "wake": "operate",
    "remove": "operate",
    "why": "operate",
    "cost": "releases",
    "doctor": "evidence",
    "explain": "evidence",
    "what-ran": "history",
    "provenance": "history",
    "sweep": "sweep",
    "logs": "evidence",
    "chat": "chat",
    "simulate": "simulate",
    "releases": "releases",
    "break-glass": "operate",
    "events": "evidence",
    "image": "image",
    "local": "local",
}
"""Every command with its file in slipway/commands/, in the order of the help."""


def app(first_word: str = "") -> typer.Typer:
    """The commands; only the one that the first word names, if it names one.

    Typer builds every command that it is told, and a person who named one would wait for all the others.
    """
    named = [first_word] if first_word in _COMMANDS else list(_COMMANDS)
    made = typer.Typer(
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode=None,  # a usage error is a sentence, not a box that cuts it in lines
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": 120},
        help="Drop a model into S3 and it is in production: proved, priced, reversible.",
        epilog='Without an account: slipway local up, and in a second terminal: eval "$(slipway local env)".',
        add_completion=len(named) > 1,
    )
    made.callback()(lambda: None)  # typer takes a single command for the whole program otherwise
    for name in named:
        command = getattr(import_module(f"slipway.commands.{_COMMANDS[name]}"), name.replace("-", "_"))
        if isinstance(command, typer.Typer):
            made.add_typer(command, name=name)
        else:
            made.command()(command)
    return made


def main() -> None:
    """Exit codes: docs/cli.md."""
    try:
        app(sys.argv[1] if len(sys.argv) > 1 else "")(prog_name="slipway")
    except SlipwayError as error:
        typer.echo(f"slipway: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        _give_up_on(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _give_up_on(error: OSError) -> None:
    """What this machine refuses: a full disk, a folder that is not ours, a pipe that is gone."""
    # What is left in the buffer cannot be written either, and Python would try at its end.
    with suppress(OSError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    what = error.filename or "the output"
    typer.echo(f"slipway: {what} cannot be used: {error.strerror or error}; mend that and run it again", err=True)
    sys.exit(1)
