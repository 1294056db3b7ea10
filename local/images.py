"""The local container registry: real images (layer, config, manifest), run without a container runtime.

ECR keeps an image's manifest and tags; the blobs lie in the run's scratch folder, where the command that pushes and
the supervisor that starts containers both find them:

    <state_dir>/registry/blobs/sha256/<hex>                 layers, configs and manifests
    <state_dir>/registry/repositories/<repository>/<hex>    one mark per pushed image
    <state_dir>/registry/unpacked/<hex>/                    the root folder of an image that has run
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.world import ACCOUNT, REGION, World

MANIFEST_MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_MEDIA_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_MEDIA_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
WORKING_DIR = "/app"

_LEFT_OUT = frozenset(
    {"__pycache__", "tests", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
)
_IMAGE_URI = re.compile(
    r"(?:[^/]+\.dkr\.ecr\.[^/]+/)?(?P<repository>[a-z0-9][a-z0-9._/-]*)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))"
)


class ImageError(Exception):
    """An image cannot be built, pushed or run; the message says which and what to do. Retrying does not help."""


@dataclass(frozen=True)
class BuiltImage:
    repository: str
    manifest: bytes
    digest: str
    """`sha256:<hex>` of the manifest's bytes, so it covers every byte of the sources."""
    media_type: str

    @property
    def uri(self) -> str:
        return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{self.repository}@{self.digest}"


@dataclass(frozen=True)
class RunSpec:
    """How to start the image's container as a process: append the container's command to `argv`."""

    argv: list[str]
    cwd: Path
    env: dict[str, str]
    """The image's own variables only; whoever starts the container adds its own."""


class ImageStore:
    def __init__(self, world: World) -> None:
        self._world = world
        self._root = world.state_dir / "registry"

    def build(
        self,
        repository: str,
        context: Path | Mapping[str, Path],
        entrypoint: Sequence[str],
        env: Mapping[str, str] | None = None,
    ) -> BuiltImage:
        """Make an image whose working folder `/app` holds the context's files; the same files give the same digest.

        Caches and folders called `tests` stay out.

        Args:
            context: the folder that becomes `/app`, or several: path under `/app` → folder or file.

        Raises:
            ImageError: the context is missing, empty or holds a symbolic link.
        """
        sources = {"": context} if isinstance(context, Path) else context
        layer = _layer(repository, sources)
        packed = gzip.compress(layer, mtime=0)
        config = _config(layer, entrypoint, env or {})
        manifest = _manifest(config, packed)
        for blob in (packed, config, manifest):
            self._write_blob(blob)
        return BuiltImage(repository, manifest, _digest(manifest), MANIFEST_MEDIA_TYPE)

    def push(self, image: BuiltImage, tag: str) -> str:
        """Push the image to ECR under this tag, which sends the "ECR Image Action" event; returns its URI by digest.

        An image that already carries the tag is left as it is, and no event is sent, as with `docker push`.

        Raises:
            ImageError: the repository does not exist, or it refuses the tag.
        """
        try:
            self._world.client("ecr").describe_repositories(repositoryNames=[image.repository])
            # Before the event of the push: whoever it wakes may run the image at once.
            self._mark(image.repository, image.digest)
            self._world.client("ecr").put_image(
                repositoryName=image.repository,
                imageManifest=image.manifest.decode(),
                imageManifestMediaType=image.media_type,
                imageTag=tag,
                imageDigest=image.digest,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ImageAlreadyExistsException":
                sentence = error.response["Error"]["Message"]
                raise ImageError(f"image {image.repository}:{tag} was not pushed: {sentence}") from error
        return image.uri

    def run_spec(self, image_uri: str) -> RunSpec:
        """How to start a pushed image, named as `<repository>@sha256:…` or `<repository>:<tag>`.

        Raises:
            ImageError: the image is not in the local registry.
        """
        digest = self._resolve(image_uri)
        manifest = json.loads(self._read_blob(image_uri, digest))
        config = json.loads(self._read_blob(image_uri, manifest["config"]["digest"]))["config"]
        root = self._unpacked(image_uri, digest, [layer["digest"] for layer in manifest["layers"]])
        cwd = root / config["WorkingDir"].lstrip("/")
        argv = [_relocated(part, cwd, config["WorkingDir"]) for part in config["Entrypoint"]]
        if Path(argv[0]).name in {"python", "python3"}:
            argv[0] = sys.executable
        env = dict(entry.split("=", 1) for entry in config["Env"])
        return RunSpec(argv, cwd, {name: _relocated(value, cwd, config["WorkingDir"]) for name, value in env.items()})

    def _resolve(self, image_uri: str) -> str:
        parts = _IMAGE_URI.fullmatch(image_uri)
        if parts is None:
            raise ImageError(f"{image_uri!r} is no image name; write <repository>@sha256:<hex> or <repository>:<tag>")
        digest = parts["digest"] or self._digest_of_tag(parts["repository"], parts["tag"])
        if digest is None or not self._mark_path(parts["repository"], digest).exists():
            raise _unknown(image_uri)
        return digest

    def _digest_of_tag(self, repository: str, tag: str) -> str | None:
        try:
            answer = self._world.client("ecr").describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        except ClientError:
            return None
        return str(answer["imageDetails"][0]["imageDigest"])

    def _mark_path(self, repository: str, digest: str) -> Path:
        return self._root / "repositories" / repository / _hex(digest)

    def _mark(self, repository: str, digest: str) -> None:
        mark = self._mark_path(repository, digest)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()

    def _blob_path(self, digest: str) -> Path:
        return self._root / "blobs" / "sha256" / _hex(digest)

    def _write_blob(self, blob: bytes) -> None:
        path = self._blob_path(_digest(blob))
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may build the same image at once: each writes a file of its own and the last rename wins.
        handle, part = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(blob)
        Path(part).replace(path)

    def _read_blob(self, image_uri: str, digest: str) -> bytes:
        try:
            return self._blob_path(digest).read_bytes()
        except FileNotFoundError as error:
            raise _unknown(image_uri) from error

    def _unpacked(self, image_uri: str, digest: str, layers: Sequence[str]) -> Path:
        root = self._root / "unpacked" / _hex(digest)
        if root.exists():
            return root
        root.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=root.parent))
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(self._read_blob(image_uri, layer)), mode="r:gz") as tar:
                tar.extractall(part, filter="data")
        try:
            part.rename(root)
        except OSError:
            # Another process unpacked the same image first; its copy is equal.
            shutil.rmtree(part)
        return root


def _unknown(image_uri: str) -> ImageError:
    return ImageError(f"image {image_uri} is not in the local registry; push it first")


def _layer(repository: str, sources: Mapping[str, Path]) -> bytes:
    files = {name: path for place, source in sources.items() for name, path in _files(place, source)}
    if not files:
        raise ImageError(f"image {repository} would be empty: no file in {', '.join(map(str, sources.values()))}")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(f"{WORKING_DIR.lstrip('/')}/{name}")
            content = path.read_bytes()
            entry.size = len(content)
            # Only "may it run" is kept of the mode; times and owners stay zero, so that the digest is the files' alone.
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _files(place: str, source: Path) -> Iterator[tuple[str, Path]]:
    if source.is_file():
        yield place or source.name, source
        return
    if not source.is_dir():
        raise ImageError(f"{source} is neither a file nor a folder; an image needs the files that it shall hold")
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        if _LEFT_OUT.isdisjoint(inside.parts) and path.suffix != ".pyc":
            if path.is_symlink():
                raise ImageError(f"{path} is a symbolic link; an image holds plain files, so copy its target")
            if path.is_file():
                yield (Path(place) / inside).as_posix(), path


def _config(layer: bytes, entrypoint: Sequence[str], env: Mapping[str, str]) -> bytes:
    return _canonical(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": list(entrypoint),
                "Env": [f"{name}={value}" for name, value in sorted(env.items())],
                "WorkingDir": WORKING_DIR,
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )


def _manifest(config: bytes, packed_layer: bytes) -> bytes:
    return _canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "config": _descriptor(CONFIG_MEDIA_TYPE, config),
            "layers": [_descriptor(LAYER_MEDIA_TYPE, packed_layer)],
        }
    )


def _relocated(value: str, cwd: Path, working_dir: str) -> str:
    """Paths under the working folder point into the unpacked image, since no container gives it a root of its own."""
    return ":".join(
        f"{cwd}{part.removeprefix(working_dir)}" if f"{part}/".startswith(f"{working_dir}/") else part
        for part in value.split(":")
    )


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(blob), "digest": _digest(blob)}


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
