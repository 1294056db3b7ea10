"""Arguments and options that several commands share."""

from typing import Annotated

import typer

Stack = Annotated[str, typer.Option(envvar="SLIPWAY_STACK", help="The deployed stack.")]
EndpointArgument = Annotated[str, typer.Argument(envvar="SLIPWAY_ENDPOINT", help="The endpoint's name.")]
EndpointOption = Annotated[str, typer.Option(envvar="SLIPWAY_ENDPOINT", help="The endpoint's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as events/cli/ describes it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the ledger.")]
Actor = Annotated[
    str | None,
    typer.Option(
        "--as", envvar="SLIPWAY_ACTOR", help="Who does it, for the ledger; the credentials' own name without it."
    ),
]
RolloutOption = Annotated[
    str | None,
    typer.Option(help="Rollout id; the one that holds the endpoint's lease, or the only one under way, without it."),
]
