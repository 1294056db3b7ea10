"""What goes with the weights: texts, golden prompts, licence, recipe, bill of materials and signature."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from release.domain.examination.contents import Contents, read_contents
from release.domain.examination.listing import SIGNATURE, is_weights, must_be_read, readable
from release.domain.examination.text import templates
from release.domain.safetensors import LENGTH_BYTES, header_length
from slipway.artifacts import ArtifactFile
from slipway.packaging.bill import BILL, Subject, bill_of
from slipway.packaging.chat_template import golden_scaffold
from slipway.packaging.errors import PackageRefusedError
from slipway.packaging.gguf_source import fill_generation_config
from slipway.packaging.signing import Signer, signature
from slipway.packaging.sources import Count, ModelSource, canonical, read_json

_GOLDEN = "golden.jsonl"
_TOKENIZER_CONFIG = "tokenizer_config.json"
_LIBRARIES = {"none": (), "nf4": ("bitsandbytes", "torch"), "int8": ("torch",)}
_GGUF_LIBRARIES = ("gguf", "transformers")


def recipe_of(source: ModelSource, quantise: str, template: str) -> dict[str, Any]:
    """As the manifest's contract has it (`events/artifact/manifest`)."""
    libraries = {*_LIBRARIES[quantise], *(_GGUF_LIBRARIES if source.folder is None else ())}
    return {
        "source": source.origin,
        **({"revision": source.revision} if source.revision else {}),
        "quantisation": quantise,
        "chatTemplate": template,
        "inputs": [{"path": one.path, "sha256": one.sha256} for one in source.inputs],
        "libraries": {name: importlib.metadata.version(name).partition("+")[0] for name in sorted(libraries)},
    }


def settle_golden(folder: Path, chosen: Path | None) -> None:
    """The golden prompts that were chosen, else the model's own, else one that every model can pass.

    Raises:
        PackageRefusedError: a line is no JSON object.
    """
    target = folder / _GOLDEN
    if chosen is not None:
        target.write_bytes(chosen.read_bytes())
    if not target.is_file():
        target.write_text(golden_scaffold(), "utf-8")
    lines = target.read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            sound = not line.strip() or isinstance(json.loads(line), dict)
        except ValueError:
            sound = False
        if not sound:
            raise PackageRefusedError(f"line {number} of {chosen or _GOLDEN} is no JSON object; mend it")


def settle_texts(folder: Path, config: Mapping[str, Any]) -> None:
    """Generation defaults where the model brought none, and a tokenizer that asks for no code."""
    fill_generation_config(folder / "generation_config.json", dict(config))
    path = folder / _TOKENIZER_CONFIG
    if path.is_file():
        tokenizer = read_json(path)
        if tokenizer.pop("auto_map", None) is not None:
            path.write_text(canonical(tokenizer), "utf-8")


def licence_of(folder: Path) -> str:
    """What the model card's metadata names; empty if it names none."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    from huggingface_hub import metadata_load  # noqa: PLC0415 - half a second

    found = metadata_load(card) or {}
    return str(found.get("license") or "")[:200]


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_files(folder: Path, count: Count) -> list[ArtifactFile]:
    """Every file with its checksums; one that a half-finished run left behind is removed."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(".half"):
            path.unlink()
        elif path.is_file() and path.name not in (BILL, SIGNATURE, "manifest.json"):
            path.chmod(0o644)  # safetensors writes for its owner alone
            found.append(ArtifactFile.read(folder, path))
            count(found[-1].size_bytes)
    return found


def examine(folder: Path) -> None:
    """Ask what the gate "examine" will ask of names, documents and headers.

    Raises:
        PackageRefusedError: with the first reason against the artifact.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    documents = {
        name: path.read_bytes() for name, path in files.items() if must_be_read(name) and readable(name, sizes[name])
    }
    heads = {name: _head(path, sizes[name]) for name, path in files.items() if is_weights(name)}
    reading = read_contents(Contents(sizes, documents, heads))
    problems = [problem for found in reading.findings for problem in found.problems]
    problems += templates(files, documents)[1]
    if problems:
        raise PackageRefusedError(f"the examination would refuse this artifact: {problems[0]}")


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        first = file.read(LENGTH_BYTES)
        return first + file.read(header_length(first, size))


def write_bill(
    folder: Path, source: ModelSource, recipe: Mapping[str, Any], licence: str, stored: Sequence[ArtifactFile]
) -> ArtifactFile:
    subject = Subject(
        name=source.name,
        architecture=source.config["architectures"][0],
        origin=source.origin,
        revision=source.revision,
        licence=licence,
        recipe={"quantisation": recipe["quantisation"], "chatTemplate": recipe["chatTemplate"]},
        libraries=recipe["libraries"],
    )
    (folder / BILL).write_bytes(bill_of(subject, source.inputs, {one.path: one.sha256 for one in stored}))
    return ArtifactFile.read(folder, folder / BILL)


def write_signature(folder: Path, name: str, signer: Signer, stored: Sequence[ArtifactFile]) -> ArtifactFile:
    """Over every file that is there."""
    (folder / SIGNATURE).write_bytes(signature(signer, name, {one.path: one.sha256 for one in stored}))
    return ArtifactFile.read(folder, folder / SIGNATURE)
