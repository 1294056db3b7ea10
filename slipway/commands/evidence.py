"""`slipway doctor`, `explain`, `logs` and `events`: what is so, and how one knows."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.commands.group import Group
from slipway.commands.options import AsJson, EndpointArgument, EndpointOption, Stack, Yes
from slipway.commands.terminal import CHECK_FAILED, confirm, open_client, open_screen, print_json
from slipway.errors import UsageError
from slipway.views import check_line, link_lines, log_text, table
from slipway.words import endpoint_names, moment_of, rollout_id_of

if TYPE_CHECKING:
    from slipway.undelivered import Replayed

events = typer.Typer(
    cls=Group, no_args_is_help=True, help="Events that reached no function. List them, hand them in again."
)


def doctor(endpoint: EndpointArgument = "chat", *, stack: Stack = "slipway", as_json: AsJson = False) -> None:
    """Check that everything is there that a release needs. Credentials, stack, image, quota, budget, alarms."""
    from slipway.answers import Diagnosis

    looked = open_client(stack).doctor(endpoint)
    screen, checks = open_screen(), []
    for check in looked:
        checks.append(check)
        if not as_json:
            screen.lines(check_line(check))
    well = all(check.health != "failed" for check in checks)
    if as_json:
        print_json(Diagnosis(endpoint, well, tuple(checks)))
    elif well:
        screen.say("nothing stands in the way of a release")
    if not well:
        raise typer.Exit(CHECK_FAILED)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="A release id, a rollout id, a system_fingerprint, an answer's custom attributes, or a file with one.",
        ),
    ],
    *,
    endpoint: EndpointOption = "chat",
    every_byte: Annotated[bool, typer.Option("--bytes", help="Download every file and hash it again.")] = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Follow an answer or a release back to its bytes. Every link is recomputed."""
    from slipway.answers import Explanation

    found = open_client(stack).explain(endpoint, what, every_byte=every_byte)
    if as_json:
        ids = (found.endpoint, found.release_id, found.rollout_id, found.artifact_id, found.image)
        print_json(Explanation(*ids, found.broken, found.links))
    else:
        open_screen().lines(link_lines(found))
    if found.broken:
        raise typer.Exit(CHECK_FAILED)


def logs(
    *,
    endpoint: Annotated[
        str | None, typer.Option(help="Of this endpoint's containers; of the functions without it.")
    ] = None,
    rollout: Annotated[str | None, typer.Option(help="Only lines that name this rollout.")] = None,
    function: Annotated[str | None, typer.Option(help="Only of this function, such as shift-traffic.")] = None,
    since: Annotated[str, typer.Option(help="2026-11-23T18:00:00Z, or 2h ago as 2h.")] = "1h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Print log lines of functions, or of an endpoint's containers."""
    from slipway.answers import LoggedLine
    from slipway.logs import Question

    name = endpoint_names(stack, endpoint or "chat").sagemaker_endpoint
    if endpoint and (rollout or function):
        raise UsageError(
            "containers name no rollout and no function in their lines; leave out --rollout and --function"
        )
    group = f"/aws/sagemaker/Endpoints/{name}" if endpoint else f"/aws/lambda/{stack}"
    named = rollout_id_of(rollout, "chat") if rollout else ""
    question = Question(group, moment_of(since, datetime.now(UTC), past=True), named, function or "")
    screen = open_screen()
    for line in open_client(stack).logs(question, follow=follow):
        if as_json:
            print_json(LoggedLine(line))
        else:
            screen.data(log_text(line))


@events.command("list")
def list_events(*, stack: Stack = "slipway", as_json: AsJson = False) -> None:
    """List the events that reached no function, and why."""
    from slipway.answers import WaitingEvent, WaitingEvents

    queue = open_client(stack).undelivered()
    found = queue.waiting()
    queue.put_back(found)
    if as_json:
        rows = [WaitingEvent(e.message_id, e.function, e.what, e.why, e.sent_at.isoformat(), e.event) for e in found]
        print_json(WaitingEvents(tuple(rows)))
        return
    screen = open_screen()
    if not found:
        screen.say("every event reached its function")
        return
    rows_ = [("EVENT", "SENT (UTC)", "FUNCTION", "ABOUT", "BECAUSE")]
    rows_ += [(e.message_id, f"{e.sent_at:%Y-%m-%d %H:%M:%S}", e.function, e.what, e.why) for e in found]
    screen.lines(table(rows_))
    screen.say("`slipway events replay` hands them in again")


@events.command("replay")
def replay_events(
    event: Annotated[str | None, typer.Argument(help="Event id; every event in the queue without it.")] = None,
    *,
    drop: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Instead: the seal models/<endpoint>/<version>/manifest.json in the bucket."),
    ] = None,
    yes: Yes = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Hand events to their functions again. What was seen before starts nothing."""
    from slipway.answers import ReplayedEvents

    if event and drop:
        raise UsageError("give an event's id or --drop with a key, not both")
    queue, screen = open_client(stack).undelivered(), open_screen()
    done: list[Replayed] = []
    if drop:
        done.append(queue.replay_drop(drop))
    else:
        waiting = queue.waiting()
        chosen = [one for one in waiting if event in {None, one.message_id}]
        queue.put_back([one for one in waiting if one not in chosen])
        if event and not chosen:
            raise UsageError(f"no event {event} waits; `slipway events list` lists those that do")
        confirm(f"Hand {len(chosen)} events in again? They may start rollouts.", yes=yes or not chosen)
        done += [queue.replay(one) for one in chosen]
    if as_json:
        print_json(ReplayedEvents(tuple(done)))
        return
    for one in done:
        screen.data(f"{one.function}  {' '.join(one.rollout_ids) or 'started nothing'}  {one.reason}")
    if not done:
        screen.say("no event waits; nothing was handed in")
