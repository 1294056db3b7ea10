"""Push to ECR, then run: what a push and a container start see."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.images import BuiltImage, ImageError, ImageStore
from local.world import World

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def image(world: World, tmp_path: Path) -> BuiltImage:
    context = tmp_path / "context"
    context.mkdir()
    (context / "serve").write_text("import os, sys; print(os.environ['WHERE'], sys.argv[1])")
    return ImageStore(world).build("inference", context, ["python", "serve"], {"WHERE": "/app/data"})


def test_a_pushed_image_runs_by_digest_and_by_tag(world: World, image: BuiltImage) -> None:
    world.client("ecr").create_repository(repositoryName="inference")
    uri = ImageStore(world).push(image, "release-1")

    by_digest = ImageStore(world).run_spec(uri)
    by_tag = ImageStore(world).run_spec(f"{REGISTRY}/inference:release-1")

    ran = subprocess.run(
        [*by_digest.argv, "now"], cwd=by_digest.cwd, env=by_digest.env, capture_output=True, check=True
    )
    assert by_digest.argv[0] == sys.executable
    assert ran.stdout.decode().split() == [str(by_digest.cwd / "data"), "now"]
    assert by_tag == by_digest
    assert uri == f"{REGISTRY}/inference@{image.digest}"


def test_ecr_knows_the_digest_that_was_pushed(world: World, image: BuiltImage) -> None:
    world.client("ecr").create_repository(repositoryName="inference")
    ImageStore(world).push(image, "release-1")

    details = world.client("ecr").describe_images(repositoryName="inference")["imageDetails"]

    assert [(detail["imageDigest"], detail["imageTags"]) for detail in details] == [(image.digest, ["release-1"])]


def test_pushing_the_same_image_again_changes_nothing(world: World, image: BuiltImage) -> None:
    world.client("ecr").create_repository(repositoryName="inference")
    store = ImageStore(world)

    assert store.push(image, "release-1") == store.push(image, "release-1")


def test_an_image_that_was_built_but_not_pushed_does_not_run(world: World, image: BuiltImage) -> None:
    with pytest.raises(ImageError, match="is not in the local registry; push it first"):
        ImageStore(world).run_spec(image.uri)


def test_a_push_to_a_missing_repository_says_so(world: World, image: BuiltImage) -> None:
    with pytest.raises(ImageError, match="'inference' does not exist"):
        ImageStore(world).push(image, "release-1")


def test_an_unknown_tag_does_not_run(world: World) -> None:
    world.client("ecr").create_repository(repositoryName="inference")

    with pytest.raises(ImageError, match="inference:nope is not in the local registry"):
        ImageStore(world).run_spec("inference:nope")
