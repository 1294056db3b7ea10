"""`slipway push`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from slipway.commands.options import AsJson, EndpointOption, Stack
from slipway.commands.terminal import follow, open_client, open_screen
from slipway.errors import ArtifactFolderError


def push(
    directory: Annotated[Path, typer.Argument(help="The folder with config.json, tokenizer and safetensors.")],
    version: Annotated[str, typer.Option(help="Any name; the artifact lands under models/<endpoint>/<version>/.")],
    endpoint: EndpointOption = "chat",
    config: Annotated[Path | None, typer.Option(help="JSON file with the release's config.")] = None,
    stack: Stack = "slipway",
    *,
    as_json: AsJson = False,
) -> None:
    """Upload an artifact, seal it, and watch its rollout."""
    slipway, screen = open_client(stack), open_screen()
    with screen.upload(f"upload of {directory.name} to models/{endpoint}/{version}/") as on_progress:
        drop = slipway.push(directory, endpoint, version, on_progress, config=_read_config(config))
    with screen.step("rollout of the drop"):
        rollout_id = slipway.rollout_of(drop)
    follow(slipway, endpoint, rollout_id, as_json=as_json)


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
