"""`slipway what-ran` and `provenance`: questions about the past, which the stack's own function answers."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from slipway.commands.options import AsJson, EndpointArgument, EndpointOption, Stack
from slipway.commands.terminal import CHECK_FAILED, open_client, open_screen, print_json
from slipway.past_views import provenance_lines, ran_lines
from slipway.words import moment_of


def what_ran(
    endpoint: EndpointArgument = "chat",
    *,
    at: Annotated[str | None, typer.Option(help="2026-11-23T18:00:00Z, or 2h ago as 2h; now without it.")] = None,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Tell which release served at a moment, and how it came to."""
    moment = moment_of(at, datetime.now(UTC), past=True) if at else None
    done = open_client(stack).what_ran(endpoint, at=moment)
    if as_json:
        print_json(done)
    else:
        open_screen().lines(ran_lines(done.sentence, done.ran or {}))


def provenance(
    release: Annotated[str, typer.Argument(help="Release id.")],
    *,
    endpoint: EndpointOption = "chat",
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Ask the stack where a release comes from. `slipway explain` finds it out by itself, and needs more rights."""
    done = open_client(stack).provenance(endpoint, release)
    told = done.provenance or {}
    if as_json:
        print_json(done)
    else:
        open_screen().lines(provenance_lines(done.sentence, told))
    if told.get("problems") or told.get("ledger"):
        raise typer.Exit(CHECK_FAILED)
