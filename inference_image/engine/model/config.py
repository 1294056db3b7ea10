"""What `config.json` says of a model, as far as the forward pass needs it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifact.folder import ArtifactRefusedError

_ARCHITECTURES = {"LlamaForCausalLM": "rms", "StableLmForCausalLM": "layer"}


@dataclass(frozen=True)
class ModelConfig:
    """One decoder of the Llama family or StableLM."""

    norm: str
    """`rms`, or `layer` with bias."""
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rotary_dim: int
    """Leading dimensions of a head that are rotated."""
    inverse_frequencies: tuple[float, ...]
    """rotary_dim / 2 angles per position."""
    norm_eps: float
    context: int
    tied: bool
    """The head reads the embedding's weights."""
    parallel: bool
    """Attention and MLP read the same normed input, and both are added to it."""
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    quantised: str
    """`four_bit`: bitsandbytes' NF4 or FP4 weights; `int8`: compressed-tensors' 8-bit ones; empty: plain weights."""


def read_config(folder: Path) -> ModelConfig:
    """Raises ArtifactRefusedError: naming what the engine cannot compute."""
    raw = json.loads((folder / "config.json").read_bytes())
    try:
        return _read(raw)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ArtifactRefusedError(
            f"config.json is no {_architecture(raw)}: {type(error).__name__} {error}; save the model again"
        ) from error


def _read(raw: Mapping[str, Any]) -> ModelConfig:
    norm = _ARCHITECTURES.get(_architecture(raw))
    if norm is None:
        raise ArtifactRefusedError(
            f"config.json names the architecture {_architecture(raw)!r}; this engine knows {', '.join(_ARCHITECTURES)}"
        )
    _refuse_variants(raw)
    stable = norm == "layer"
    heads = int(raw["num_attention_heads"])
    head_dim = int(raw.get("head_dim") or raw["hidden_size"] // heads)
    rope = _rope(raw)
    # The defaults are those of transformers' configuration classes.
    share = rope.get("partial_rotary_factor", raw.get("partial_rotary_factor")) or (0.25 if stable else 1.0)
    rotary = int(head_dim * float(share))
    attention_bias = bool(raw.get("attention_bias", False))
    return ModelConfig(
        norm=norm,
        vocabulary=int(raw["vocab_size"]),
        hidden=int(raw["hidden_size"]),
        layers=int(raw["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(raw.get("num_key_value_heads") or heads),
        head_dim=head_dim,
        rotary_dim=rotary,
        inverse_frequencies=_inverse_frequencies(rope, rotary),
        norm_eps=float(raw.get("layer_norm_eps", 1e-5) if stable else raw.get("rms_norm_eps", 1e-6)),
        context=int(raw["max_position_embeddings"]),
        tied=bool(raw.get("tie_word_embeddings", False)),
        parallel=stable and bool(raw.get("use_parallel_residual", False)),
        qkv_bias=bool(raw.get("use_qkv_bias", False)) if stable else attention_bias,
        out_bias=attention_bias and not stable,
        mlp_bias=bool(raw.get("mlp_bias", False)) and not stable,
        quantised=_quantised(raw),
    )


def _architecture(raw: Mapping[str, Any]) -> str:
    named = raw.get("architectures") or ["none"]
    return str(named[0])


def _refuse_variants(raw: Mapping[str, Any]) -> None:
    if raw.get("hidden_act", "silu") != "silu":
        raise ArtifactRefusedError(f"config.json asks for the activation {raw['hidden_act']!r}; this engine knows silu")
    if raw.get("qk_layernorm"):
        raise ArtifactRefusedError("config.json asks for qk_layernorm, which this engine does not compute")


def _quantised(raw: Mapping[str, Any]) -> str:
    quantisation = raw.get("quantization_config") or {}
    if not quantisation:
        return ""
    method = quantisation.get("quant_method")
    if method == "bitsandbytes" and quantisation.get("load_in_4bit"):
        return "four_bit"
    if method == "compressed-tensors" and is_int8(quantisation):
        return "int8"
    raise ArtifactRefusedError(
        f"config.json asks for {method} quantisation; this engine reads 4-bit bitsandbytes weights, "
        "int-quantized W8A8 ones of compressed-tensors and plain ones"
    )


def is_int8(quantisation: Mapping[str, Any]) -> bool:
    """8-bit weights with one scale per output and 8-bit activations with one scale per token, in every product."""
    groups = quantisation.get("config_groups") or {}
    return (
        quantisation.get("format") == "int-quantized"
        and not quantisation.get("ignore")
        and not quantisation.get("kv_cache_scheme")
        and len(groups) == 1
        and all(
            group.get("targets") == ["Linear"]
            and _is(group.get("weights"), strategy="channel", dynamic=False)
            and _is(group.get("input_activations"), strategy="token", dynamic=True)
            for group in groups.values()
        )
    )


def _is(scheme: Mapping[str, Any] | None, *, strategy: str, dynamic: bool) -> bool:
    wanted = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": strategy, "dynamic": dynamic}
    return scheme is not None and {name: scheme.get(name) for name in wanted} == wanted


def _rope(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """One form of the two that transformers has written: `rope_parameters` since 5.0, `rope_theta` and
    `rope_scaling` before."""
    rope = {"rope_theta": raw.get("rope_theta", 10000.0), **(raw.get("rope_scaling") or {})}
    return {**rope, **(raw.get("rope_parameters") or {})}


def _inverse_frequencies(rope: Mapping[str, Any], rotary: int) -> tuple[float, ...]:
    theta, kind = float(rope["rope_theta"]), rope.get("rope_type", rope.get("type", "default"))
    plain = [theta ** (-2 * pair / rotary) for pair in range(rotary // 2)]
    if kind == "default":
        return tuple(plain)
    if kind == "linear":
        return tuple(one / float(rope["factor"]) for one in plain)
    if kind == "llama3":
        return tuple(_llama3(one, rope) for one in plain)
    raise ArtifactRefusedError(
        f"config.json asks for rotary embeddings of type {kind!r}; this engine knows default, linear and llama3"
    )


def _llama3(frequency: float, rope: Mapping[str, Any]) -> float:
    """Long wavelengths are stretched by `factor`, short ones kept, those between interpolated.

    Source: `_compute_llama3_parameters` of transformers, which follows Meta's Llama 3.1 release.
    """
    factor, low, high = float(rope["factor"]), float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    turns = float(rope["original_max_position_embeddings"]) * frequency / (2 * math.pi)
    blend = min(1.0, max(0.0, (turns - low) / (high - low)))
    return (1 - blend) * frequency / factor + blend * frequency
