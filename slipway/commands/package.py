"""`slipway package`: a model becomes an artifact."""

from pathlib import Path
from typing import Annotated

import typer

from slipway.commands.options import AsJson
from slipway.commands.terminal import open_screen, print_json
from slipway.packaging.forms import Form
from slipway.views import size_text


def package(
    source: Annotated[str, typer.Argument(help="A hub id owner/name, a model's folder, or a GGUF file.")],
    *,
    output: Annotated[Path | None, typer.Option(help="The artifact's folder; artifacts/<name> without it.")] = None,
    revision: Annotated[str | None, typer.Option(help="The hub's commit, 40 hex digits.")] = None,
    quantise: Annotated[Form, typer.Option(help="nf4 for the GPU image, int8 for CPUs.")] = "none",
    chat_template: Annotated[
        str | None, typer.Option(help="For a base model: plain, or a Jinja file. The model's own without it.")
    ] = None,
    golden: Annotated[Path | None, typer.Option(help="Golden prompts, a JSON object on each line.")] = None,
    licence: Annotated[str | None, typer.Option("--license", help="The model card's without it.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call the model.")] = None,
    sign: Annotated[str | None, typer.Option(help="A private key's PEM file, or kms:<key id>.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an artifact of a model.

    As in: slipway package stabilityai/stablelm-3b-4e1t --revision COMMIT --quantise nf4 --chat-template plain
    """
    from slipway.packaging.package import PackageRequest
    from slipway.packaging.package import package as make

    screen = open_screen()
    request = PackageRequest(source, output, revision, name, quantise, chat_template, golden, licence, sign)
    with screen.upload(f"artifact of {Path(source).name}") as on_progress:
        made = make(request, on_progress, screen.say)
    if as_json:
        print_json(made)
        return
    screen.data(made.folder)
    when = "was there already" if made.made == "before" else "is ready"
    screen.say(f"artifact {made.artifact_id[:12]} {when}: {made.files} files, {size_text(made.size_bytes)}")
    screen.say(f"next: slipway push {made.folder} --version v1")
