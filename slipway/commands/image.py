"""`slipway image`: build the inference image, and push it."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from slipway.commands.group import Group
from slipway.commands.options import AsJson, Stack
from slipway.commands.terminal import open_client, open_screen, print_json
from slipway.errors import AwsUnreachableError
from slipway.local_env import Ports, RunFile

image = typer.Typer(cls=Group, no_args_is_help=True, help="The inference image: build it, push it.")

With = Annotated[
    Literal["buildah", "docker"] | None, typer.Option("--with", help="The builder; the first installed without it.")
]
Tag = Annotated[str | None, typer.Option(help="release-<digest of the sources> without it.")]
_NAME = "slipway-inference"


@image.command("build")
def build(
    *,
    tag: Tag = None,
    builder: With = None,
    base_image: Annotated[str | None, typer.Option(help="In the place of the Dockerfile's base image.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build the image for SageMaker's platform. Its name and tag go to stdout."""
    from slipway import images

    screen = open_screen()
    name = f"{_NAME}:{tag or images.tag_of()}"
    made = images.Builder(builder)
    made.build(name, base_image=base_image)
    if as_json:
        print_json(images.BuiltImage(name, made.name))
        return
    screen.data(name)
    screen.say(f"{made.name} built {name}; next: slipway image push{f' --tag {tag}' if tag else ''}")


@image.command("push")
def push(
    *,
    tag: Tag = None,
    builder: With = None,
    artifact: Annotated[Path | None, typer.Option(help="An artifact's folder that the image must serve.")] = None,
    on_this_machine: Annotated[bool, typer.Option("--local", help="To the embedded AWS, without a builder.")] = False,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Push the image to the stack's repository. That rolls it out on every endpoint; the image's URI goes to stdout."""
    from slipway import images

    screen, name = open_screen(), tag or images.tag_of()
    made = None if on_this_machine else images.Builder(builder)
    if artifact is not None:
        labels = made.labels(f"{_NAME}:{name}") if made else images.LABELS
        screen.say(images.check_compatible(labels, artifact))
    client = open_client(stack)
    repository = client.outputs()["InferenceRepositoryUri"]
    if made is None:
        run = _running()
        pushed = images.push_locally(run.aws_port, Path(run.state_dir), repository, name)
    else:
        pushed = images.push_to_ecr(made, client.aws.ecr, repository, f"{_NAME}:{name}", name)
    if as_json:
        print_json(pushed)
    else:
        screen.data(pushed.uri)
        screen.say(f"pushed as {pushed.tag}; `slipway watch` follows the rollout that it starts")


def _running() -> RunFile:
    from slipway.packaging.example_model import default_cache

    port = Ports.of_environment(os.environ).aws
    run = RunFile.read(default_cache(), port)
    if run is None:
        raise AwsUnreachableError(f"no embedded AWS runs on port {port}; start one with `slipway local up`")
    return run
