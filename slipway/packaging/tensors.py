"""Weights that are read a few tensors at a time and written shard by shard, so no model has to fit in memory."""

import errno
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from release.domain.examination.architecture import Architecture, Expected, expected_tensors
from release.domain.examination.listing import INDEX, WEIGHTS
from release.domain.safetensors import LENGTH_BYTES, HeaderError, Tensor, header_length, parse_header
from slipway.packaging.errors import PackageRefusedError

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 512 * 2**20
"""A shard is held in memory while it is filled, and is what an interrupted upload has to send again."""


class TensorSource(Protocol):
    """Plain weights by the names that transformers gives them."""

    def bytes_of(self, name: str) -> int:
        """What the tensor takes in the dtype that `read` answers with."""

    def read(self, names: Sequence[str]) -> "dict[str, torch.Tensor]":
        """Tensors in memory of their own, which end with the caller's last reference."""


Store = Callable[[Expected, "torch.Tensor"], "dict[str, torch.Tensor]"]
"""What lies in the artifact for one tensor of the model, by name."""


@dataclass(frozen=True)
class Shard:
    path: str
    tensors: tuple[Expected, ...]


def read_header(path: Path) -> tuple[Tensor, ...]:
    """Raises PackageRefusedError: it is no sound safetensors file."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            first = file.read(LENGTH_BYTES)
            return parse_header(first + file.read(header_length(first, size)), size)
    except HeaderError as error:
        raise PackageRefusedError(f"{path.name} {error}") from error


class FolderTensors:
    """The safetensors files of a folder. Each is opened anew for every read, so that its pages leave memory again."""

    def __init__(self, folder: Path, shards: Iterable[str]) -> None:
        self._folder = folder
        self.headers = {shard: read_header(folder / shard) for shard in shards}
        self._place = {tensor.name: (shard, tensor) for shard, held in self.headers.items() for tensor in held}

    def bytes_of(self, name: str) -> int:
        _, tensor = self._place[name]
        return tensor.end - tensor.start

    def read(self, names: Sequence[str]) -> "dict[str, torch.Tensor]":
        from safetensors import safe_open  # noqa: PLC0415 - it loads torch

        found: dict[str, torch.Tensor] = {}
        for shard in sorted({self._place[name][0] for name in names}):
            with safe_open(self._folder / shard, framework="pt") as file:
                found |= {name: file.get_tensor(name).clone() for name in names if self._place[name][0] == shard}
        return found


def shards_of(model: Architecture, stored_bytes: Callable[[Expected], int], most: int = SHARD_BYTES) -> list[Shard]:
    """The model's tensors in shards of at most `most` bytes, a layer never in two of them if it fits into one."""
    filled: list[list[Expected]] = [[]]
    size = 0
    for group in _groups(model):
        need = sum(map(stored_bytes, group))
        if filled[-1] and size + need > most:
            filled.append([])
            size = 0
        filled[-1] += group
        size += need
    count = len(filled)
    names = [WEIGHTS] if count == 1 else [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    return [Shard(name, tuple(tensors)) for name, tensors in zip(names, filled, strict=True)]


def _groups(model: Architecture) -> Iterator[list[Expected]]:
    """Each layer's tensors together, every other tensor alone."""
    group: list[Expected] = []
    for one in expected_tensors(model):
        if group and _layer_of(one.name) != _layer_of(group[0].name):
            yield group
            group = []
        group.append(one)
    yield group


def _layer_of(name: str) -> str:
    parts = name.split(".")
    return parts[2] if parts[1] == "layers" else name


def write_shard(target: Path, shard: Shard, source: TensorSource, store: Store, count: Callable[[int], None]) -> None:
    """The file appears whole or not at all; the same tensors give the same bytes."""
    from safetensors import SafetensorError  # noqa: PLC0415 - it loads torch
    from safetensors.torch import save_file  # noqa: PLC0415 - the same

    held: dict[str, Any] = {}
    for one in shard.tensors:
        (tensor,) = source.read([one.name]).values()
        held |= {name: stored.contiguous() for name, stored in store(one, tensor).items()}
        count(source.bytes_of(one.name))
    half = target.with_name(f".{target.name}.half")
    try:
        save_file(held, half, metadata={"format": "pt"})
    except SafetensorError as error:
        # The writer tells of a full disk in words of its own.
        if f"os error {errno.ENOSPC}" in str(error):
            raise OSError(errno.ENOSPC, "no space left", str(half)) from error
        raise
    half.replace(target)


def write_index(folder: Path, shards: Sequence[str]) -> None:
    """The index that transformers writes for more than one shard; nothing for one."""
    if list(shards) == [WEIGHTS]:
        return
    headers = {shard: read_header(folder / shard) for shard in shards}
    places = {tensor.name: shard for shard, held in headers.items() for tensor in held}
    total = sum(tensor.end - tensor.start for held in headers.values() for tensor in held)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")


def plain(one: Expected, tensor: "torch.Tensor") -> "dict[str, torch.Tensor]":
    return {one.name: tensor}


def parameters(one: Expected) -> int:
    return prod(one.shape)


def shards_in(folder: Path, index: Mapping[str, Any] | None) -> list[str]:
    """The weights' files of a model folder, by its index or the one name that needs none."""
    if index is None:
        return [WEIGHTS]
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise PackageRefusedError(f"{INDEX} has no 'weight_map' of tensors to shards; save the model again")
    shards = sorted({str(shard) for shard in weight_map.values()})
    missing = [shard for shard in shards if "/" in shard or not (folder / shard).is_file()]
    if missing:
        raise PackageRefusedError(
            f"{missing[0]} is missing, one of {len(shards)} shards that {INDEX} names; download it again"
        )
    return shards
