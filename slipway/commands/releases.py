"""`slipway releases` and `slipway watch`: what was released, and what is on its way."""

from typing import Annotated

import typer

from slipway.commands.options import EndpointArgument, EndpointOption, Stack
from slipway.commands.terminal import follow, open_client, open_screen


def releases(endpoint: EndpointArgument = "chat", stack: Stack = "slipway") -> None:
    """List the endpoint's releases, newest first."""
    slipway, screen = open_client(stack), open_screen()
    live = slipway.endpoint(endpoint).live_release_id
    screen.releases(slipway.releases(endpoint), slipway.rollouts(endpoint), live)


def watch(
    rollout: Annotated[str | None, typer.Argument(help="Rollout id; the newest one without it.")] = None,
    endpoint: EndpointOption = "chat",
    stack: Stack = "slipway",
) -> None:
    """Show a rollout's phases until it ends."""
    slipway, screen = open_client(stack), open_screen()
    if rollout is None:
        newest = slipway.rollouts(endpoint)
        if not newest:
            screen.say(f"{endpoint} has no rollouts yet; `slipway push` starts one")
            return
        rollout = newest[0].rollout_id
    follow(slipway, screen, endpoint, rollout)


def rollback(
    endpoint: EndpointArgument = "chat",
    to: Annotated[str | None, typer.Option(help="Release id; the last good release without it.")] = None,
    stack: Stack = "slipway",
) -> None:
    """Bring an earlier release back, and watch it."""
    slipway, screen = open_client(stack), open_screen()
    left = slipway.endpoint(endpoint).live_release_id
    with screen.step("start of the rollback"):
        rollout_id = slipway.rollback(endpoint, to)
    follow(slipway, screen, endpoint, rollout_id)
    if left and left != slipway.endpoint(endpoint).live_release_id:
        screen.say(f"to undo this: slipway rollback {endpoint} --to {left}")
