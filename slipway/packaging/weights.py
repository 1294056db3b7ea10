"""The weights and config.json of an artifact in the form that was asked for."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from release.domain.examination.architecture import Architecture, Expected, expected_tensors, read_architecture
from release.domain.examination.listing import INDEX
from release.domain.examination.weights import model_problems
from slipway.packaging import int8, nf4
from slipway.packaging.errors import PackageRefusedError
from slipway.packaging.forms import Form
from slipway.packaging.sources import Count, ModelSource, canonical
from slipway.packaging.tensors import FolderTensors, Shard, Store, plain, shards_of, write_index, write_shard
from slipway.packaging.workplace import Workplace

# Keys that make a library import code, and private names of libraries; config.json means the same without them.
_DROPPED = ("auto_map", "custom_pipelines", "trust_remote_code")
_CODE_KEYS = _DROPPED[:1]


def checked_model(source: ModelSource, form: Form) -> Architecture:
    """The model, if the image serves it and its weights are those of its config.

    Raises:
        PackageRefusedError: with the first reason against it.
    """
    found = read_architecture(_cleaned(source.config))
    if not isinstance(found, Architecture):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PackageRefusedError(f"{source.name}: {found[0]}{more}")
    if form != "none" and (found.four_bit or found.int8):
        raise PackageRefusedError(
            f"{source.name} is quantised already, as {found.four_bit or 'int8'}; leave --quantise out, or give the "
            "original weights"
        )
    if isinstance(source.tensors, FolderTensors):
        problems = model_problems(found, source.tensors.headers)
        if problems:
            raise PackageRefusedError(f"{source.name}: {problems[0]}")
    return found


def config_of(source: ModelSource, form: Form, say: Callable[[str], None]) -> dict[str, Any]:
    """config.json of the artifact: the model's own, without what could run code, and with the form of its weights."""
    for key in _CODE_KEYS:
        if key in source.config:
            say(f"config.json asked for code from the repository ({key}); the image needs none, so it is left out")
    config = _cleaned(source.config)
    if form == "nf4":
        return config | {"quantization_config": nf4.CONFIG}
    if form == "int8":
        # The head has codes of its own, even where the model shares it with the embedding.
        return config | {"quantization_config": int8.CONFIG, "tie_word_embeddings": False}
    return config


def _cleaned(config: Any) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key not in _DROPPED and not key.startswith("_")}
    quantisation = kept.get("quantization_config")
    if isinstance(quantisation, dict):
        kept["quantization_config"] = {key: value for key, value in quantisation.items() if not key.startswith("_")}
    return kept


def weights_bytes(source: ModelSource, model: Architecture, form: Form) -> int:
    """What the artifact's weights will take, and what is needed beside them until they are there."""
    if form == "none" and source.folder is not None and isinstance(source.tensors, FolderTensors):
        return sum((source.folder / shard).stat().st_size for shard in source.tensors.headers)
    size = sum(map(_stored_bytes(source, form), expected_tensors(_stored(model, form))))
    if form == "int8" and source.folder is None:
        size += sum(source.tensors.bytes_of(one.name) for one in expected_tensors(model))
    return size


def _stored(model: Architecture, form: Form) -> Architecture:
    return replace(model, tied=False) if form == "int8" else model


def _stored_bytes(source: ModelSource, form: Form) -> Callable[[Expected], int]:
    if form == "nf4":
        return lambda one: nf4.stored_bytes(source.tensors, one)
    if form == "int8":
        return lambda one: int8.stored_bytes(source.tensors, one)
    return lambda one: source.tensors.bytes_of(one.name)


def write_weights(source: ModelSource, place: Workplace, form: Form, count: Count) -> None:
    """Write the shards that are not there yet, and their index."""
    if form == "none" and source.folder is not None and isinstance(source.tensors, FolderTensors):
        _copy(source.folder, place.files, source.tensors, count)
        return
    model = checked_model(source, form)
    if form == "int8":
        shards = _write_int8(source, model, place, count)
    else:
        shards = shards_of(model, _stored_bytes(source, form))
        _convert(source, place.files, shards, nf4.store if form == "nf4" else plain, count)
    write_index(place.files, [shard.path for shard in shards])


def _copy(folder: Path, target: Path, tensors: FolderTensors, count: Count) -> None:
    for shard in tensors.headers:
        if not (target / shard).is_file():
            half = target / f".{shard}.half"
            shutil.copyfile(folder / shard, half)
            half.replace(target / shard)
        count((target / shard).stat().st_size)
    if (folder / INDEX).is_file():
        shutil.copyfile(folder / INDEX, target / INDEX)


def _convert(source: ModelSource, target: Path, shards: list[Shard], store: Store, count: Count) -> None:
    import torch  # noqa: PLC0415 - seconds of imports that a refusal does not need

    # Sums of floating numbers depend on how many threads share them, and the artifact's id on every bit.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for shard in shards:
            if not (target / shard.path).is_file():
                write_shard(target / shard.path, shard, source.tensors, store, count)
            else:
                count(sum(source.tensors.bytes_of(one.name) for one in shard.tensors))
    finally:
        torch.set_num_threads(threads)


def _write_int8(source: ModelSource, model: Architecture, place: Workplace, count: Count) -> list[Shard]:
    folder = source.folder
    if folder is None:
        folder = place.scratch
        bfloat16 = shards_of(model, lambda one: source.tensors.bytes_of(one.name))
        _convert(source, folder, bfloat16, plain, lambda _: None)
        write_index(folder, [shard.path for shard in bfloat16])
        (folder / "config.json").write_text(canonical(_cleaned(source.config)), "utf-8")
    stored = _Head(source, model)
    shards = shards_of(_stored(model, "int8"), lambda one: int8.stored_bytes(stored, one))
    sizes = {shard.path: sum(stored.bytes_of(one.name) for one in shard.tensors) for shard in shards}
    int8.quantise(folder, place.files, shards, lambda path: count(sizes[path]))
    return shards


class _Head:
    """The source's tensors, in which a tied head is the embedding."""

    def __init__(self, source: ModelSource, model: Architecture) -> None:
        self._tensors, self._tied = source.tensors, model.tied

    def bytes_of(self, name: str) -> int:
        return self._tensors.bytes_of("model.embed_tokens.weight" if self._tied and name == "lm_head.weight" else name)

    def read(self, names: Any) -> Any:
        return self._tensors.read(names)
