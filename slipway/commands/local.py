"""`slipway local`: the embedded AWS of this machine."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from slipway.commands.group import Group
from slipway.commands.options import AsJson, Yes
from slipway.commands.terminal import NOT_FINISHED, confirm, open_screen, print_json
from slipway.errors import UsageError
from slipway.fault_commands import fault
from slipway.local_env import Ports, exports
from slipway.views import fields

local = typer.Typer(cls=Group, no_args_is_help=True, help="The embedded AWS of this machine: no account, no Docker.")
local.add_typer(fault, name="fault")

KeepState = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of a run whose state is kept.")]


@local.command("up")
def local_up(
    *,
    model: Annotated[Path | None, typer.Option(help="An artifact folder; SmolLM2-135M-Instruct without it.")] = None,
    time_scale: Annotated[float, typer.Option(min=0.001, help="AWS seconds per real second.")] = 1.0,
    keep_state: KeepState = None,
    capacity: Annotated[
        list[str] | None, typer.Option(metavar="TYPE=N", help="How many instances of a type there are; repeatable.")
    ] = None,
    quota: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="A quota of the account by its name; repeatable.")
    ] = None,
) -> None:
    """Run all of Slipway on this machine until Ctrl-C."""
    limits = [*_limits("--capacity", capacity or []), *_limits("--quota", quota or [])]
    from slipway.local_up import Wishes, up

    up(Ports.of_environment(os.environ), Wishes(model, time_scale, keep_state, tuple(limits)), open_screen())


@local.command("down")
def local_down(*, as_json: AsJson = False) -> None:
    """End the running embedded AWS as Ctrl-C does."""
    from slipway.answers import LocalEnd
    from slipway.local_run import LocalRun
    from slipway.packaging.example_model import default_cache

    ports = Ports.of_environment(os.environ)
    ended = LocalRun(default_cache(), ports).down()
    if as_json:
        print_json(LocalEnd(ended))
    else:
        open_screen().say("it has ended; nothing is left running" if ended else f"nothing runs on port {ports.aws}")


@local.command("status")
def local_status(*, as_json: AsJson = False) -> None:
    """Tell whether an embedded AWS runs. And where, and where its state lies."""
    from slipway.local_run import LocalRun
    from slipway.packaging.example_model import default_cache

    status = LocalRun(default_cache(), Ports.of_environment(os.environ)).status()
    if as_json:
        print_json(status)
    elif status.running:
        pairs = [("process", str(status.pid)), ("AWS", status.url), ("chat page", status.chat_url)]
        starting = "" if status.answers else "not yet; it is starting"
        open_screen().lines(fields([*pairs, ("state", status.state_dir), ("answers", starting or "yes")]))
    else:
        other = "; but another program listens there" if status.answers else ""
        open_screen().say(f"nothing of ours runs on port {status.aws_port}{other}; `slipway local up` starts it")
    if not status.running:
        raise typer.Exit(NOT_FINISHED)


@local.command("reset")
def local_reset(*, keep_state: KeepState = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """End the run, and forget its state. What earlier runs on this port left behind goes too."""
    from slipway.answers import LocalForgotten
    from slipway.local_run import LocalRun
    from slipway.packaging.example_model import default_cache

    ports = Ports.of_environment(os.environ)
    confirm(f"End what runs on port {ports.aws} and forget its state? This cannot be undone.", yes=yes)
    gone = [str(path) for path in LocalRun(default_cache(), ports).reset(keep_state)]
    if as_json:
        print_json(LocalForgotten(tuple(gone)))
    else:
        open_screen().say(f"removed {', '.join(gone)}" if gone else "there was nothing to forget")


@local.command("env")
def local_env(*, as_json: AsJson = False) -> None:
    """Print the exports that point AWS clients at the embedded AWS. As in: eval "$(slipway local env)"."""
    found = exports(Ports.of_environment(os.environ).aws)
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _limits(option: str, given: list[str]) -> list[str]:
    """As `python -m local` takes them; refused here, before anything starts."""
    for text in given:
        name, equals, number = text.rpartition("=")
        if not (equals and name and number.isdecimal()):
            raise UsageError(f"{option} is {text!r}, not NAME=NUMBER; write {option} ml.g5.4xlarge=2")
    return [word for text in given for word in (option, text)]
