"""The `slipway` command: a thin skin over the client, and `slipway local` for the embedded AWS.

Exit codes: 0 done, 1 `local up` failed, 2 usage, 3 not finished yet, 4 the rollout did not end live, 5 AWS said no.
"""
# ruff: noqa: PLC0415 - boto3 takes half a second to load, so only the commands that call AWS load it

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.errors import ArtifactFolderError, SlipwayError
from slipway.fault_commands import fault
from slipway.local_env import Ports, exports
from slipway.records import SERVED

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.screen import Screen

_NOT_LIVE = 4

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # a usage error is a sentence, not a box that cuts it in lines
    pretty_exceptions_enable=False,
    help="Drop a model into S3 and it is in production: proved, priced, reversible.",
)
local = typer.Typer(no_args_is_help=True, help="The embedded AWS of this machine: no account, no Docker.")
app.add_typer(local, name="local")
local.add_typer(fault, name="fault")

Stack = Annotated[str, typer.Option(envvar="SLIPWAY_STACK", help="The deployed stack.")]
EndpointArgument = Annotated[str, typer.Argument(envvar="SLIPWAY_ENDPOINT", help="The endpoint's name.")]
EndpointOption = Annotated[str, typer.Option(envvar="SLIPWAY_ENDPOINT", help="The endpoint's name.")]


@app.command()
def push(
    directory: Annotated[Path, typer.Argument(help="The folder with config.json, tokenizer and safetensors.")],
    version: Annotated[str, typer.Option(help="Any name; the artifact lands under models/<endpoint>/<version>/.")],
    endpoint: EndpointOption = "chat",
    config: Annotated[Path | None, typer.Option(help="JSON file with the release's config.")] = None,
    stack: Stack = "slipway",
) -> None:
    """Upload an artifact, seal it, and watch the rollout that it starts."""
    slipway, screen = _client(stack), _screen()
    with screen.upload(f"upload of {directory.name} to models/{endpoint}/{version}/") as on_progress:
        drop = slipway.push(directory, endpoint, version, on_progress, config=_read_config(config))
    with screen.step("rollout of the drop"):
        rollout_id = slipway.rollout_of(drop)
    _follow(slipway, screen, endpoint, rollout_id)


@app.command()
def releases(endpoint: EndpointArgument = "chat", stack: Stack = "slipway") -> None:
    """List the endpoint's releases, newest first."""
    slipway, screen = _client(stack), _screen()
    live = slipway.endpoint(endpoint).live_release_id
    screen.releases(slipway.releases(endpoint), slipway.rollouts(endpoint), live)


@app.command()
def watch(
    rollout: Annotated[str | None, typer.Argument(help="Rollout id; the newest one without it.")] = None,
    endpoint: EndpointOption = "chat",
    stack: Stack = "slipway",
) -> None:
    """Show a rollout's phases until it ends."""
    slipway, screen = _client(stack), _screen()
    if rollout is None:
        newest = slipway.rollouts(endpoint)
        if not newest:
            screen.say(f"{endpoint} has no rollouts yet; `slipway push` starts one")
            return
        rollout = newest[0].rollout_id
    _follow(slipway, screen, endpoint, rollout)


@app.command()
def rollback(
    endpoint: EndpointArgument = "chat",
    to: Annotated[str | None, typer.Option(help="Release id; the last good release without it.")] = None,
    stack: Stack = "slipway",
) -> None:
    """Bring an earlier release back, and watch it."""
    slipway, screen = _client(stack), _screen()
    left = slipway.endpoint(endpoint).live_release_id
    with screen.step("start of the rollback"):
        rollout_id = slipway.rollback(endpoint, to)
    _follow(slipway, screen, endpoint, rollout_id)
    if left and left != slipway.endpoint(endpoint).live_release_id:
        screen.say(f"to undo this: slipway rollback {endpoint} --to {left}")


@app.command()
def chat(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    endpoint: EndpointOption = "chat",
    max_tokens: Annotated[int, typer.Option(min=1, max=4096)] = 256,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0: the same answer every time.")] = 0.0,
    stack: Stack = "slipway",
) -> None:
    """Ask the endpoint one question; the answer goes to stdout as it comes."""
    slipway, screen = _client(stack), _screen()
    from slipway.client import ChatOptions

    options = ChatOptions(max_tokens=max_tokens, temperature=temperature)
    with slipway.chat(endpoint, [{"role": "user", "content": question}], options) as answer:
        for text in answer:
            screen.data(_printable(text), end="")
    screen.data("")
    tokens = f", {answer.usage.completion_tokens} tokens" if answer.usage else ""
    screen.say(f"[release {answer.release_id or 'unknown'}{tokens}]")


@local.command("up")
def local_up(
    model: Annotated[Path | None, typer.Option(help="An artifact folder; SmolLM2-135M-Instruct without it.")] = None,
    time_scale: Annotated[float, typer.Option(min=0.001, help="AWS seconds per real second.")] = 1.0,
) -> None:
    """Run all of Slipway on this machine until Ctrl-C."""
    from slipway.local_up import up

    up(Ports.of_environment(os.environ), model, time_scale, _screen())


@local.command("env")
def local_env() -> None:
    """Print the exports that point AWS clients at the embedded AWS: eval "$(slipway local env)"."""
    for name, value in exports(Ports.of_environment(os.environ).aws).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _client(stack: str) -> "Slipway":
    from slipway.client import Slipway

    return Slipway(stack)


def _screen() -> "Screen":
    from slipway.screen import Screen

    return Screen()


def _read_config(path: Path | None) -> dict[str, object] | None:
    if path is None:
        return None
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactFolderError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise ArtifactFolderError(f"{path} is not a JSON object; write {{}} for the defaults")
    return config


def _printable(text: str) -> str:
    """A model's words must not steer the terminal."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def _follow(slipway: "Slipway", screen: "Screen", endpoint: str, rollout_id: str) -> None:
    """Watch to the end; leave with a code of its own when the rollout's release does not serve then."""
    screen.data(rollout_id)
    last = screen.phases(slipway.watch(endpoint, rollout_id))
    served = last is not None and last.phase in SERVED
    # A release that was live already has nothing to roll out, and its rollout ends as skipped.
    if not served and slipway.endpoint(endpoint).live_release_id != rollout_id.rpartition("-")[0]:
        raise typer.Exit(_NOT_LIVE)


def main() -> None:
    try:
        app()
    except SlipwayError as error:
        typer.echo(f"slipway: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
