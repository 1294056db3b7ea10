"""`slipway releases`: what was released, what is on its way, and what differs; `slipway rollback` goes back."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from slipway.commands.group import Group
from slipway.commands.options import AsJson, EndpointArgument, EndpointOption, Stack, Yes
from slipway.commands.terminal import NOT_LIVE, confirm, follow, open_client, open_screen, print_json, print_phases
from slipway.errors import UsageError
from slipway.views import cost_lines, diff_lines, release_lines, release_state
from slipway.words import moment_of


class _ListByDefault(Group):
    """`slipway releases chat` is `slipway releases list chat`: what people ask for most is said shortest."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        completes = ctx.resilient_parsing and not args  # the shell asks what could stand here
        if not completes and (not args or args[0] not in {*self.commands, "--help"}):
            args = ["list", *args]
        return super().parse_args(ctx, args)


releases = typer.Typer(
    cls=_ListByDefault,
    help="List releases, show one, compare two, watch a rollout. `slipway releases chat` lists those of chat.",
)


@releases.command("list")
def list_releases(endpoint: EndpointArgument = "chat", *, stack: Stack = "slipway", as_json: AsJson = False) -> None:
    """List the endpoint's releases, newest first."""
    slipway = open_client(stack)
    serving, rollouts, found = slipway.endpoint(endpoint), slipway.rollouts(endpoint), slipway.releases(endpoint)
    if not found and not rollouts:
        raise slipway.unknown(endpoint)
    live = serving.live_release_id
    if as_json:
        from slipway.answers import ListedRelease, ReleaseList

        rows = [ListedRelease(release_state(one, rollouts, live), one) for one in found]
        print_json(ReleaseList(serving, tuple(rows)))
        return
    open_screen().releases(found, rollouts, live)


@releases.command("show")
def show_release(
    release: Annotated[str, typer.Argument(help="Release id.")],
    *,
    endpoint: EndpointOption = "chat",
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Show one release whole. Artifact, image, config, price, and every rollout of it."""
    slipway = open_client(stack)
    found, live = slipway.release(endpoint, release), slipway.endpoint(endpoint).live_release_id
    rollouts, manifest, bill = slipway.rollouts(endpoint), slipway.manifest(found), slipway.bill(found)
    if as_json:
        from slipway.answers import ShownRelease

        own = [rollout for rollout in rollouts if rollout.release_id == release]
        state = release_state(found, rollouts, live)
        print_json(ShownRelease(found, state, tuple(own), manifest, bill))
        return
    open_screen().lines(release_lines(found, rollouts, live, manifest, bill))


@releases.command("diff")
def diff_releases(
    before: Annotated[str | None, typer.Argument(help="Release id; the last good one without it.")] = None,
    after: Annotated[str | None, typer.Argument(help="Release id; the live one without it.")] = None,
    *,
    endpoint: EndpointOption = "chat",
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Compare two releases: artifact, files, image, config and price."""
    slipway = open_client(stack)
    serving = slipway.endpoint(endpoint)
    before, after = before or serving.last_good_release_id, after or serving.live_release_id
    if not before or not after:
        raise UsageError(
            f"{endpoint} has not had two releases to compare; `slipway releases {endpoint}` lists those that it had"
        )
    diff = slipway.diff(endpoint, before, after)
    if as_json:
        print_json(diff)
    else:
        open_screen().lines(diff_lines(diff))


@releases.command("watch")
def watch(
    rollout: Annotated[str | None, typer.Argument(help="Rollout id; the newest one without it.")] = None,
    *,
    endpoint: EndpointOption = "chat",
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Show a rollout until it ends. A live tree on a terminal, a line per phase elsewhere."""
    slipway = open_client(stack)
    if rollout is None:
        newest = slipway.rollouts(endpoint)
        if not newest:
            raise slipway.unknown(endpoint)
        rollout = newest[0].rollout_id
    follow(slipway, endpoint, rollout, as_json=as_json)


def rollback(
    endpoint: EndpointArgument = "chat",
    *,
    to: Annotated[str | None, typer.Option(help="Release id; the last good release without it.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Instead: the release that was live then; 2026-11-23T18:00:00Z, or 2h ago as 2h.")
    ] = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Bring an earlier release back, and watch it."""
    moment = moment_of(at, datetime.now(UTC), past=True) if at else None
    slipway = open_client(stack)
    left = slipway.endpoint(endpoint).live_release_id
    aim = f"release {to}" if to else f"what was live at {moment.isoformat()}" if moment else "its last good release"
    confirm(f"Bring {endpoint} back to {aim}? Release {left or 'none'} serves now.", yes=yes)
    screen = open_screen()
    with screen.step("start of the rollback"):
        rollout_id = slipway.rollback(endpoint, to, at=moment)
    if slipway.rollout(endpoint, rollout_id).kind != "rollback":
        _ended_instead(endpoint, rollout_id, left, stack, as_json=as_json)
        return
    follow(slipway, endpoint, rollout_id, as_json=as_json)
    if left and left != slipway.endpoint(endpoint).live_release_id:
        screen.say(f"to undo this: slipway rollback {endpoint} --to {left}")


def _ended_instead(endpoint: str, rollout_id: str, left: str, stack: str, *, as_json: bool) -> None:
    """While blue still stands a rollback ends the rollout that replaces it: going live is what must not happen."""
    slipway, screen = open_client(stack), open_screen()
    screen.say(f"release {left} still stands, so rollout {rollout_id} is ended instead")
    if as_json:
        print_phases(slipway, endpoint, rollout_id)
    else:
        screen.data(rollout_id)
        screen.phases(slipway.watch(endpoint, rollout_id))
    if slipway.endpoint(endpoint).live_release_id == rollout_id.partition("-")[0]:
        raise typer.Exit(NOT_LIVE)
    screen.say(f"release {left} serves; to undo this: slipway rollback {endpoint} --to {rollout_id.partition('-')[0]}")


def cost(endpoint: EndpointArgument = "chat", *, stack: Stack = "slipway", as_json: AsJson = False) -> None:
    """Tell what an endpoint costs. Now, at rest, and at the most that autoscaling may reach."""
    found = open_client(stack).cost(endpoint)
    if as_json:
        print_json(found)
    else:
        open_screen().lines(cost_lines(found))
