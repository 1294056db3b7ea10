"""Small artifacts that keep every rule, to be broken in one place by a test."""

import io
import json
import tarfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def safetensors(tensors: Mapping[str, tuple[int, ...]] = MappingProxyType({"weight": (2, 3)})) -> bytes:
    """A file of float32 zeros, laid out by the format's description: length, JSON header, bytes."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in tensors.items():
        start, size = end, 4
        for dimension in shape:
            size *= dimension
        end = start + size
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


def artifact(marker: str = "one") -> dict[str, bytes]:
    """A whole artifact; another marker makes another artifact."""
    return {
        "config.json": json.dumps({"model_type": "llama", "marker": marker}).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": safetensors(),
    }


def sharded() -> dict[str, bytes]:
    shards = {"model-1.safetensors": safetensors({"a": (1,)}), "model-2.safetensors": safetensors({"b": (1,)})}
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    whole = artifact() | shards | {"model.safetensors.index.json": json.dumps(index).encode()}
    del whole["model.safetensors"]
    return whole


def tarball(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, body in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()
