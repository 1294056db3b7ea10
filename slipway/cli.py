"""The `slipway` command: a thin skin over the client. Each group of commands has a file in slipway/commands/."""

import sys

import typer

from slipway.commands.chat import chat
from slipway.commands.evidence import doctor, events, explain, logs
from slipway.commands.history import provenance, what_ran
from slipway.commands.image import image
from slipway.commands.local import local
from slipway.commands.operate import (
    abort,
    approve,
    break_glass,
    freeze,
    pause,
    remove,
    resume,
    unfreeze,
    wake,
    why,
)
from slipway.commands.package import package
from slipway.commands.push import push
from slipway.commands.releases import cost, releases, rollback, watch
from slipway.commands.simulate import simulate
from slipway.commands.sweep import sweep
from slipway.errors import SlipwayError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # a usage error is a sentence, not a box that cuts it in lines
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
    help="Drop a model into S3 and it is in production: proved, priced, reversible.",
)
for command in (
    package,
    push,
    watch,
    rollback,
    pause,
    resume,
    approve,
    abort,
    freeze,
    unfreeze,
    wake,
    remove,
    why,
    cost,
    doctor,
    explain,
    what_ran,
    provenance,
    sweep,
    logs,
    chat,
    simulate,
):
    app.command()(command)
app.add_typer(releases, name="releases")
app.add_typer(break_glass, name="break-glass")
app.add_typer(events, name="events")
app.add_typer(image, name="image")
app.add_typer(local, name="local")


def main() -> None:
    """Exit codes: docs/cli.md."""
    try:
        app()
    except SlipwayError as error:
        typer.echo(f"slipway: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
