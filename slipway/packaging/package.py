"""From a model to an artifact: its files, its weights in the form asked for, and the papers that go with it."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from release.contracts.artifact import Manifest
from release.domain.identity import SealedFile, artifact_id
from release.domain.keys import MANIFEST
from slipway.artifacts import OnProgress, Progress
from slipway.errors import UsageError
from slipway.packaging import papers
from slipway.packaging.chat_template import settle_template
from slipway.packaging.errors import PackageRefusedError
from slipway.packaging.forms import Form
from slipway.packaging.gguf_source import gguf_source
from slipway.packaging.signing import Signer, signer_of
from slipway.packaging.sources import (
    ModelSource,
    canonical,
    copy_documents,
    download,
    folder_source,
    hub_id_of,
    source_bytes,
)
from slipway.packaging.weights import checked_model, config_of, weights_bytes, write_weights
from slipway.packaging.workplace import Workplace, check_space, workplace

# Beside the weights: tokenizer and papers.
_SPARE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class PackageRequest:
    """What to package and how.

    Args:
        source: a hub id `owner/name`, a folder, or a GGUF file.
        output: the artifact's folder, which must not exist; `artifacts/<name>` with the form behind it if None.
        revision: the hub's commit, 40 hex digits; for hub ids only.
        quantise: `none` keeps the weights as they are, `nf4` is for the GPU image, `int8` the CPU's default.
        chat_template: `plain`, a file, or None for the model's own.
        golden: a file of golden prompts; the model's own or a scaffold if None.
        licence: an SPDX id or a name; the model card's if None.
        sign: a private key's PEM file, or `kms:` and a key id; unsigned if None.
    """

    source: str
    output: Path | None = None
    revision: str | None = None
    name: str | None = None
    quantise: Form = "none"
    chat_template: str | None = None
    golden: Path | None = None
    licence: str | None = None
    sign: str | None = None


@dataclass(frozen=True)
class Packaged:
    """The artifact. `size_bytes` is that of all files but the manifest."""

    folder: str
    artifact_id: str
    size_bytes: int
    files: int
    made: Literal["now", "before"] = "now"


Say = Callable[[str], None]


@dataclass
class _Meter:
    """Bytes read, converted and hashed, against an estimate of them all."""

    on_progress: OnProgress
    total: int = 1
    done: int = 0
    path: str = field(default="")

    def count(self, delta: int) -> None:
        self.done += delta
        self.total = max(self.total, self.done)
        self.on_progress(Progress(self.path, self.done, self.total))


@dataclass(frozen=True)
class _Job:
    request: PackageRequest
    source: ModelSource
    recipe: dict[str, Any]
    signer: Signer | None
    meter: _Meter


def package(request: PackageRequest, on_progress: OnProgress = lambda _: None, say: Say = lambda _: None) -> Packaged:
    """Make the artifact, whole or not at all; an interrupted run goes on from its last finished shard.

    Memory stays within a few shards (`slipway.packaging.tensors.SHARD_BYTES`), whatever the model's size. The same
    source, options and libraries on the same kind of processor give the same bytes, and so the same artifact id.

    Raises:
        PackageRefusedError, HubUnreachableError, NoSpaceError, QuantiserFailedError, SignerFailedError: see their
            docstrings.
    """
    signer = signer_of(request.sign) if request.sign else None
    meter = _Meter(on_progress)
    with _opened(request, meter, say) as source:
        recipe = papers.recipe_of(source, request.quantise, _template_kind(request.chat_template))
        job = _Job(request, source, recipe, signer, meter)
        needed = weights_bytes(source, checked_model(source, request.quantise), request.quantise) + _SPARE_BYTES
        output = (request.output or Path("artifacts") / _folder_name(source.name, request.quantise)).absolute()
        with workplace(output) as place:
            if output.exists():
                return _made_before(output, recipe)
            check_space(output, needed)
            place.begin(recipe | {"request": _wishes(request)})
            _fill(job, place, say)
            packaged = _finish(job, place)
            place.publish()
    return packaged


def _folder_name(name: str, form: Form) -> str:
    return name if form == "none" else f"{name}-{form}"


@contextmanager
def _opened(request: PackageRequest, meter: _Meter, say: Say) -> Iterator[ModelSource]:
    path = Path(request.source)
    hub_id = hub_id_of(request.source)
    if hub_id is None and not path.exists():
        raise PackageRefusedError(
            f"{request.source} does not exist; give a folder, a GGUF file, or a hub id owner/name"
        )
    if request.revision is not None and hub_id is None:
        raise PackageRefusedError(f"--revision names a commit of the hub, and {path} lies here; leave it out")
    if path.is_file():
        with TemporaryDirectory(prefix="slipway-") as scratch:
            meter.total = 3 * path.stat().st_size
            yield gguf_source(path, request.name or path.stem, Path(scratch), meter.count)
        return
    folder = download(hub_id, request.revision, say) if hub_id else path
    # Read once for its digests, converted once, and what comes of it is hashed.
    meter.total = 3 * source_bytes(folder)
    name = request.name or (hub_id or folder.resolve().name).rpartition("/")[2]
    origin, revision = (hub_id, request.revision or "") if hub_id else (f"folder {folder.resolve().name}", "")
    yield folder_source(folder, name, origin, revision, meter.count)


def _fill(job: _Job, place: Workplace, say: Say) -> None:
    """Everything but the papers that speak of the finished files."""
    source, request = job.source, job.request
    copy_documents(source, place.files)
    settle_template(place.files, request.chat_template, source.name)
    papers.settle_golden(place.files, request.golden)
    papers.settle_texts(place.files, source.config)
    config = config_of(source, request.quantise, say)
    (place.files / "config.json").write_text(canonical(config), "utf-8")
    write_weights(source, place, request.quantise, job.meter.count)


def _finish(job: _Job, place: Workplace) -> Packaged:
    licence = job.request.licence or papers.licence_of(place.files)
    stored = papers.read_files(place.files, job.meter.count)
    papers.examine(place.files)
    stored.append(papers.write_bill(place.files, job.source, job.recipe, licence, stored))
    if job.signer is not None:
        stored.append(papers.write_signature(place.files, job.source.name, job.signer, stored))
    manifest = {
        "name": job.source.name,
        **({"license": licence} if licence else {}),
        "source": job.recipe["source"],
        "recipe": job.recipe,
        "files": [one.entry() for one in sorted(stored, key=lambda one: one.path)],
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    Manifest.parse_text(text.encode())
    (place.files / MANIFEST).write_text(text, "utf-8")
    return _packaged(place.output, manifest)


def _packaged(folder: Path, manifest: dict[str, Any], made: Literal["now", "before"] = "now") -> Packaged:
    files = [SealedFile(one["path"], one["sizeBytes"], f"sha256:{one['sha256']}") for one in manifest["files"]]
    return Packaged(str(folder), artifact_id(files), sum(one.size for one in files), len(files), made)


def _made_before(output: Path, recipe: dict[str, Any]) -> Packaged:
    try:
        manifest = json.loads((output / MANIFEST).read_bytes())
        same = manifest["recipe"] == recipe and all((output / one["path"]).is_file() for one in manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise PackageRefusedError(f"{output} exists and holds something else; remove it, or choose another --output")
    shutil.rmtree(output.with_name(f".{output.name}.partial"), ignore_errors=True)
    return _packaged(output, manifest, "before")


def _template_kind(chosen: str | None) -> str:
    return "own" if chosen is None else "plain" if chosen == "plain" else "chosen"


def _wishes(request: PackageRequest) -> dict[str, str | None]:
    """What decides the finished files beside the recipe, so that another request begins anew."""
    chosen = [Path(one) for one in (request.chat_template, request.golden) if one not in (None, "plain")]
    try:
        texts = {str(path): papers.digest_of(path) for path in chosen}
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read ({error.strerror}); mend the path") from error
    return {**texts, "licence": request.licence, "sign": request.sign, "name": request.name}
