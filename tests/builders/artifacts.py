"""Small artifacts that keep every rule, to be broken in one place by a test."""

import io
import json
import tarfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "vocab_size": 4,
    "tie_word_embeddings": True,
}
"""A Llama of one layer: two query heads of four dimensions share one head of keys and values."""

_LAYER = "model.layers.0."
SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "model.embed_tokens.weight": (4, 8),
        f"{_LAYER}input_layernorm.weight": (8,),
        f"{_LAYER}self_attn.q_proj.weight": (8, 8),
        f"{_LAYER}self_attn.k_proj.weight": (4, 8),
        f"{_LAYER}self_attn.v_proj.weight": (4, 8),
        f"{_LAYER}self_attn.o_proj.weight": (8, 8),
        f"{_LAYER}post_attention_layernorm.weight": (8,),
        f"{_LAYER}mlp.gate_proj.weight": (16, 8),
        f"{_LAYER}mlp.up_proj.weight": (16, 8),
        f"{_LAYER}mlp.down_proj.weight": (8, 16),
        "model.norm.weight": (8,),
    }
)
TOKENIZER: dict[str, Any] = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}}, "added_tokens": [{"id": 3}]}
TEMPLATE = "{% for message in messages %}{{ message['content'] | trim }}{% endfor %}"


def header_of(shapes: Mapping[str, tuple[int, ...]], dtype: str = "F32", itemsize: int = 4) -> dict[str, Any]:
    """A safetensors header of tensors end to end."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        start, size = end, itemsize
        for dimension in shape:
            size *= dimension
        end = start + size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    return header


def safetensors(tensors: Mapping[str, tuple[int, ...]] = SHAPES) -> bytes:
    """A file of float32 zeros, laid out by the format's description: length, JSON header, bytes."""
    header = header_of(tensors)
    text = json.dumps(header).encode()
    data = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    return len(text).to_bytes(8, "little") + text + bytes(data)


def artifact(marker: str = "one") -> dict[str, bytes]:
    """A whole artifact; another marker makes another artifact."""
    return {
        "config.json": json.dumps(CONFIG | {"marker": marker}).encode(),
        "tokenizer.json": json.dumps(TOKENIZER).encode(),
        "chat_template.jinja": TEMPLATE.encode(),
        "model.safetensors": safetensors(),
    }


def sharded() -> dict[str, bytes]:
    """Two shards: `model-2.safetensors` holds the last norm, `model-1.safetensors` everything else."""
    last = {"model.norm.weight": SHAPES["model.norm.weight"]}
    first = {name: shape for name, shape in SHAPES.items() if name not in last}
    weight_map = dict.fromkeys(first, "model-1.safetensors") | dict.fromkeys(last, "model-2.safetensors")
    whole = artifact() | {
        "model-1.safetensors": safetensors(first),
        "model-2.safetensors": safetensors(last),
        "model.safetensors.index.json": json.dumps({"weight_map": weight_map}).encode(),
    }
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
