"""The verbs of the operate machine that act, the question why, and what is behind the glass."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.commands.group import Group
from slipway.commands.options import Actor, AsJson, EndpointArgument, EndpointOption, Reason, RolloutOption, Stack, Yes
from slipway.commands.terminal import confirm, open_client, open_screen, print_json
from slipway.views import why_lines
from slipway.words import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.client import Slipway
    from slipway.operations import Operated

break_glass = typer.Typer(
    cls=Group, no_args_is_help=True, help="Emergency levers. Each says in the ledger who pulled it and why."
)

Gate = Annotated[str, typer.Argument(metavar="GATE", help="preflight or bake.")]


def pause(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    rollout: RolloutOption = None,
    actor: Actor = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Hold a rollout before it takes its turn or moves traffic."""
    _do(
        lambda slipway: slipway.pause(endpoint, reason=reason, rollout=rollout, actor=actor),
        stack,
        f"slipway resume {endpoint} --reason …",
        as_json=as_json,
    )


def resume(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    rollout: RolloutOption = None,
    actor: Actor = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Let a paused rollout go on."""
    _do(
        lambda slipway: slipway.resume(endpoint, reason=reason, rollout=rollout, actor=actor),
        stack,
        f"slipway pause {endpoint} --reason …",
        as_json=as_json,
    )


def approve(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    rollout: RolloutOption = None,
    actor: Actor = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Let a rollout move traffic that waits for a person's word."""
    _do(
        lambda slipway: slipway.approve(endpoint, reason=reason, rollout=rollout, actor=actor),
        stack,
        f"slipway abort {endpoint} --reason …",
        as_json=as_json,
    )


def abort(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    rollout: RolloutOption = None,
    actor: Actor = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """End a rollout before its finish line. What served before goes on serving."""
    confirm(f"End the rollout at {endpoint}?", yes=yes)
    # The aborted rollout's own release comes back by a rollout of its own; its id begins with the release's.
    _do(
        lambda slipway: slipway.abort(endpoint, reason=reason, rollout=rollout, actor=actor),
        stack,
        f"slipway rollback {endpoint} --to {{release}}",
        as_json=as_json,
    )


def freeze(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    until: Annotated[
        str | None, typer.Option(help="2026-12-24T18:00:00Z, or a distance such as 8h or 3d; no end without it.")
    ] = None,
    actor: Actor = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Take no release but a rollback until `slipway unfreeze`."""
    end = moment_of(until, datetime.now(UTC)) if until else None
    _do(
        lambda slipway: slipway.freeze(endpoint, reason=reason, until=end, actor=actor),
        stack,
        f"slipway unfreeze {endpoint} --reason …",
        as_json=as_json,
    )


def unfreeze(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    actor: Actor = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """End a freeze."""
    _do(
        lambda slipway: slipway.unfreeze(endpoint, reason=reason, actor=actor),
        stack,
        f"slipway freeze {endpoint} --reason …",
        as_json=as_json,
    )


def wake(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    actor: Actor = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Let whoever waits at an endpoint look again. What still holds a rollout back, still does."""
    _do(lambda slipway: slipway.wake(endpoint, reason=reason, actor=actor), stack, "", as_json=as_json)


def remove(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    actor: Actor = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Take a frozen endpoint down, so that it costs nothing. Releases and their bytes stay."""
    confirm(f"Delete the endpoint {endpoint}? Nobody answers there until a release is brought back.", yes=yes)
    _do(
        lambda slipway: slipway.remove(endpoint, reason=reason, actor=actor),
        stack,
        f"slipway unfreeze {endpoint} --reason … && slipway rollback {endpoint}",
        as_json=as_json,
    )


def why(endpoint: EndpointArgument = "chat", *, stack: Stack = "slipway", as_json: AsJson = False) -> None:
    """Tell where an endpoint stands. What it waits for, until when, and what its alarms say."""
    done = open_client(stack).why(endpoint)
    if as_json:
        print_json(done)
        return
    screen = open_screen()
    for line in why_lines(done.sentence, done.why or {}):
        screen.data(line)


@break_glass.command("release-lease")
def release_lease(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    actor: Actor = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Take the lease from the rollout that holds it. It can then write nothing any more."""
    confirm(f"Take the lease of {endpoint} from its holder? This cannot be undone.", yes=yes)
    _do(lambda slipway: slipway.release_lease(endpoint, reason=reason, actor=actor), stack, "", as_json=as_json)


@break_glass.command()
def adopt(
    endpoint: EndpointArgument = "chat",
    *,
    reason: Reason,
    actor: Actor = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Let the record say what the endpoint runs now. Only what a rollout of ours made is taken."""
    confirm(f"Write into the record of {endpoint} what SageMaker runs now?", yes=yes)
    undo = f"slipway rollback {endpoint}"
    _do(lambda slipway: slipway.adopt(endpoint, reason=reason, actor=actor), stack, undo, as_json=as_json)


@break_glass.command("skip-gate")
def skip_gate(
    gate: Gate,
    endpoint: EndpointOption = "chat",
    *,
    reason: Reason,
    rollout: RolloutOption = None,
    actor: Actor = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Let a rollout go on without a gate. Its record says who wished it."""
    confirm(f"Let the rollout at {endpoint} go on without its gate {gate}?", yes=yes)
    _do(
        lambda slipway: slipway.skip_gate(endpoint, gate=gate, reason=reason, rollout=rollout, actor=actor),
        stack,
        f"slipway abort {endpoint} --reason …",
        as_json=as_json,
    )


def _do(verb: "Callable[[Slipway], Operated]", stack: str, undo: str, *, as_json: bool) -> None:
    """Ask, say what was done and how to undo it. `{release}` in `undo` is the release that it was about."""
    done = verb(open_client(stack))
    undo = undo.replace("{release}", (done.rollout_id or "RELEASE").partition("-")[0])
    if as_json:
        from slipway.answers import Deed

        print_json(Deed(done, undo))
        return
    screen = open_screen()
    screen.data(done.sentence)
    if undo:
        screen.say(f"to undo this: {undo}")
