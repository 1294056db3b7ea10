"""An artifact in the shape of StableLM-3B-4e1t, whose weights are a hole in a file."""

import json
from pathlib import Path
from typing import Any

from tests.builders.artifacts import TEMPLATE, header_of

CONFIG: dict[str, Any] = {
    "architectures": ["StableLmForCausalLM"],
    "model_type": "stablelm",
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "partial_rotary_factor": 0.25,
    "rope_theta": 10000,
    "tie_word_embeddings": False,
    "use_qkv_bias": False,
    "vocab_size": 50304,
}
"""Of the model's own config.json, what says something of its shape."""

PARAMETERS = 2_795_443_200
"""As its model card says."""


def shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor, as transformers names it."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (50304, 2560), "lm_head.weight": (50304, 2560)}
    for layer in (f"model.layers.{number}" for number in range(32)):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found |= {f"{layer}.{norm}.weight": (2560,), f"{layer}.{norm}.bias": (2560,)}
        found |= {f"{layer}.self_attn.{one}_proj.weight": (2560, 2560) for one in "qkvo"}
        found |= {f"{layer}.mlp.{one}_proj.weight": (6912, 2560) for one in ("gate", "up")}
        found |= {f"{layer}.mlp.down_proj.weight": (2560, 6912)}
    return found | {"model.norm.weight": (2560,), "model.norm.bias": (2560,)}


def lay_out(folder: Path) -> None:
    """Write the artifact; its weights take 5.6 GB in name and some kilobytes on disk."""
    folder.mkdir(parents=True)
    header = header_of(shapes(), "BF16", 2)
    text = json.dumps(header).encode()
    size = max(entry["data_offsets"][1] for entry in header.values())
    with (folder / "model.safetensors").open("wb") as weights:
        weights.write(len(text).to_bytes(8, "little") + text)
        weights.truncate(8 + len(text) + size)
    vocabulary = {f"token{number}": number for number in range(50254)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
