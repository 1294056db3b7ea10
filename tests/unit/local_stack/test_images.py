"""An image is its files: the digest covers them and nothing else."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from local.images import ImageError, ImageStore
from local.world import World


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "server").mkdir(parents=True)
    (folder / "serve").write_text("print('hello')\n")
    (folder / "serve").chmod(0o755)
    (folder / "server" / "app.py").write_text("VALUE = 1\n")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(World(port=1, state_dir=tmp_path / "state"))


def test_the_digest_is_the_manifests_own_and_the_manifest_names_every_blob(
    store: ImageStore, context: Path, tmp_path: Path
) -> None:
    image = store.build("inference", context, ["python", "serve"], {"MODE": "test"})

    manifest = json.loads(image.manifest)
    blobs = tmp_path / "state" / "registry" / "blobs" / "sha256"
    assert image.digest == "sha256:" + hashlib.sha256(image.manifest).hexdigest()
    for part in (manifest["config"], *manifest["layers"]):
        blob = (blobs / part["digest"].removeprefix("sha256:")).read_bytes()
        assert (part["size"], part["digest"]) == (len(blob), "sha256:" + hashlib.sha256(blob).hexdigest())


def test_the_config_says_how_to_start_and_what_the_unpacked_layer_is(
    store: ImageStore, context: Path, tmp_path: Path
) -> None:
    manifest = json.loads(store.build("inference", context, ["python", "serve"], {"MODE": "test"}).manifest)

    blobs = tmp_path / "state" / "registry" / "blobs" / "sha256"
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_bytes())
    layer = gzip.decompress((blobs / manifest["layers"][0]["digest"].removeprefix("sha256:")).read_bytes())
    assert config["config"] == {"Entrypoint": ["python", "serve"], "Env": ["MODE=test"], "WorkingDir": "/app"}
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getnames() == ["app/serve", "app/server/app.py"]


def test_times_and_caches_do_not_change_the_digest(store: ImageStore, context: Path) -> None:
    before = store.build("inference", context, ["python", "serve"]).digest
    os.utime(context / "serve", (1, 1))
    for left_out in ("server/__pycache__", "tests"):
        (context / left_out).mkdir()
        (context / left_out / "x.py").write_text("x")

    assert store.build("inference", context, ["python", "serve"]).digest == before


@pytest.mark.parametrize("change", ["a byte of a file", "a new file", "the entrypoint", "the right to execute"])
def test_what_the_container_runs_changes_the_digest(store: ImageStore, context: Path, change: str) -> None:
    before = store.build("inference", context, ["python", "serve"]).digest
    entrypoint = ["python", "serve"]
    if change == "a byte of a file":
        (context / "server" / "app.py").write_text("VALUE = 2\n")
    elif change == "a new file":
        (context / "server" / "more.py").write_text("")
    elif change == "the entrypoint":
        entrypoint = ["python", "other"]
    else:
        (context / "serve").chmod(0o644)

    assert store.build("inference", context, entrypoint).digest != before


def test_several_folders_make_one_image(store: ImageStore, context: Path, tmp_path: Path) -> None:
    manifest = json.loads(store.build("chat", {"ui": context, "run.py": context / "serve"}, ["python"]).manifest)

    blob = tmp_path / "state/registry/blobs/sha256" / manifest["layers"][0]["digest"].removeprefix("sha256:")
    with tarfile.open(blob) as tar:
        assert tar.getnames() == ["app/run.py", "app/ui/serve", "app/ui/server/app.py"]


def test_a_symbolic_link_is_refused_by_name(store: ImageStore, context: Path) -> None:
    (context / "secret").symlink_to("/etc/hostname")

    with pytest.raises(ImageError, match=r"secret is a symbolic link"):
        store.build("inference", context, ["python"])


def test_an_empty_or_missing_context_is_refused(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ImageError, match="would be empty"):
        store.build("inference", tmp_path / "empty", ["python"])
    with pytest.raises(ImageError, match="neither a file nor a folder"):
        store.build("inference", tmp_path / "missing", ["python"])


@pytest.mark.parametrize("name", ["Upper:tag", "inference", "inference@sha256:12", ""])
def test_what_is_no_image_name_is_refused(store: ImageStore, name: str) -> None:
    with pytest.raises(ImageError, match="is no image name"):
        store.run_spec(name)
