"""The inference image: built by buildah or docker, pushed to the stack's repository, known by its digest from then on.

On the embedded AWS of this machine there is neither a builder nor a base image: its own store makes a real manifest of
the same sources (decision 0005).
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from release.domain.examination.architecture import MODEL_TYPES, Architecture, read_architecture
from release.domain.examination.placement import DOCKER_MANIFEST
from slipway.aws_errors import translated
from slipway.errors import AwsRefusedError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

CONTEXT = Path(__file__).resolve().parents[1] / "inference_image"
BUILDERS = ("buildah", "docker")
ARCHITECTURES_LABEL, FORMS_LABEL = "io.slipway.architectures", "io.slipway.quantisations"
LABELS = {ARCHITECTURES_LABEL: ",".join(sorted(MODEL_TYPES)), FORMS_LABEL: "none,nf4,int8"}
"""What the image serves, for whoever must know it before it runs; the examination has the same tables."""
PLATFORM = "linux/amd64"
_LEFT_OUT = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache"})
_LAST_WORDS = 400


class ImageRefusedError(UsageError):
    """The image cannot be built, or does not serve the artifact; the message says what to change."""


@dataclass(frozen=True)
class BuiltImage:
    """`image`: name and tag on this machine; `builder`: what built it."""

    image: str
    builder: str


@dataclass(frozen=True)
class PushedImage:
    """`uri` names the image by its digest, as releases pin it; `tag` is what the push was called."""

    uri: str
    digest: str
    tag: str


def tag_of(context: Path = CONTEXT) -> str:
    """`release-` and 12 hex digits of the sources, so that the same sources have the same tag."""
    digest = hashlib.sha256()
    for path in sorted(context.rglob("*")):
        if path.is_file() and not _LEFT_OUT & set(path.parts):
            digest.update(f"{path.relative_to(context).as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return f"release-{digest.hexdigest()[:12]}"


class Builder:
    """buildah or docker on this machine.

    Args:
        name: one of BUILDERS; the first that is installed if None.

    Raises:
        ImageRefusedError: it is not installed.
    """

    def __init__(self, name: str | None = None) -> None:
        wanted = (name,) if name else BUILDERS
        found = next((one for one in wanted if shutil.which(one)), None)
        if found is None:
            raise ImageRefusedError(
                f"{' and '.join(wanted)} not found on the PATH; install one, or add --local to push to the embedded AWS"
            )
        self.name = found

    def build(self, tag: str, context: Path = CONTEXT, base_image: str | None = None) -> None:
        """Build for SageMaker's platform, with the one manifest type that it takes.

        Args:
            tag: name and tag of the result on this machine.
            base_image: in the place of the Dockerfile's own.
        """
        labels = [part for name, value in LABELS.items() for part in ("--label", f"{name}={value}")]
        base = ["--build-arg", f"BASE_IMAGE={base_image}"] if base_image else []
        # An attestation beside the image would make it a list of images, which SageMaker refuses.
        form = ["build", "--format", "docker"]
        if self.name == "docker":
            form = ["buildx", "build", "--load", "--provenance=false", "--sbom=false"]
        self._run(*form, "--platform", PLATFORM, *labels, *base, "--tag", tag, str(context), shown=True)

    def labels(self, tag: str) -> dict[str, str]:
        """Of an image on this machine."""
        if self.name == "buildah":
            found = json.loads(self._run("inspect", "--type", "image", tag))["OCIv1"]["config"]
        else:
            found = json.loads(self._run("image", "inspect", tag))[0]["Config"]
        return dict(found.get("Labels") or {})

    def push(self, tag: str, uri: str, password: str) -> None:
        """Args: uri: repository and tag in ECR; password: of the user AWS."""
        registry = uri.partition("/")[0]
        self._run("login", "--username", "AWS", "--password-stdin", registry, given=password)
        if self.name == "buildah":
            self._run("push", "--format", "v2s2", tag, f"docker://{uri}", shown=True)
        else:
            self._run("tag", tag, uri)
            self._run("push", uri, shown=True)

    def _run(self, *arguments: str, given: str | None = None, shown: bool = False) -> str:
        """Stdout. Args: shown: progress goes to the terminal while it runs."""
        argv = [self.name, *arguments]
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        # Its progress belongs to stderr, and what it says last is the reason when it fails.
        with subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
            output = _shown(child) if shown else child.communicate(None if given is None else given.encode())[0]
        said = output.decode(errors="replace").strip()
        if child.returncode:
            last = said.splitlines()[-1][-_LAST_WORDS:] if said else "no words"
            raise ImageRefusedError(f"{self.name} {arguments[0]} ended with code {child.returncode}: {last}")
        return said


def _shown(child: "subprocess.Popen[bytes]") -> bytes:
    said = b""
    for line in child.stdout or ():
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
        said = line if line.strip() else said
    return said


def push_to_ecr(builder: Builder, ecr: "ECRClient", repository_uri: str, built: str, tag: str) -> PushedImage:
    """Push, and ask the registry what it holds now.

    Raises:
        ImageRefusedError: the manifest is none that SageMaker takes.
    """
    uri = f"{repository_uri}:{tag}"
    with translated():
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    builder.push(built, uri, base64.b64decode(token).decode().partition(":")[2])
    name = repository_uri.partition("/")[2]
    with translated():
        details = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])["imageDetails"]
    if not details:
        raise AwsRefusedError(f"ECR has no image {uri} after the push; push it again")
    if details[0].get("imageManifestMediaType") != DOCKER_MANIFEST:
        raise ImageRefusedError(
            f"{uri} has a manifest of type {details[0].get('imageManifestMediaType')}, which SageMaker refuses; "
            "build it with `slipway image build`"
        )
    digest = details[0]["imageDigest"]
    return PushedImage(f"{repository_uri}@{digest}", digest, tag)


def push_locally(aws_port: int, state_dir: Path, repository_uri: str, tag: str) -> PushedImage:
    """Make the image of the sources and push it to the embedded AWS that runs on this machine."""
    from local.images import ImageError, ImageStore  # noqa: PLC0415 - only where the embedded AWS is asked for
    from local.world import World  # noqa: PLC0415 - the same

    store = ImageStore(World(aws_port, state_dir))
    try:
        image = store.build(repository_uri.partition("/")[2], CONTEXT, ["python", "serve"])
        store.push(image, tag)
    except ImageError as error:
        raise ImageRefusedError(str(error)) from error
    return PushedImage(image.uri, image.digest, tag)


def check_compatible(labels: Mapping[str, str], artifact: Path) -> str:
    """Whether an image with these labels serves the artifact; returns one sentence that says what was compared.

    Raises:
        ImageRefusedError: it does not, or it does not say.
    """
    if ARCHITECTURES_LABEL not in labels or FORMS_LABEL not in labels:
        raise ImageRefusedError(
            f"the image does not say what it serves ({ARCHITECTURES_LABEL}); build it with `slipway image build`"
        )
    model = _model_of(artifact)
    form = "nf4" if model.four_bit else "int8" if model.int8 else "none"
    for what, value, label in (("architecture", model.name, ARCHITECTURES_LABEL), ("form", form, FORMS_LABEL)):
        known = labels[label].split(",")
        if value not in known:
            raise ImageRefusedError(
                f"{artifact.name} has the {what} {value}, and the image serves {' and '.join(known)}; "
                "build the image anew, or package the model for it"
            )
    return f"the image serves {model.name} with weights in the form {form}"


def _model_of(artifact: Path) -> Architecture:
    try:
        config: Any = json.loads((artifact / "config.json").read_bytes())
        found = read_architecture(config)
    except (OSError, ValueError, AttributeError) as error:
        raise ImageRefusedError(f"{artifact} has no config.json that can be read; give an artifact's folder") from error
    if not isinstance(found, Architecture):
        raise ImageRefusedError(f"{artifact.name}: {found[0]}")
    return found
