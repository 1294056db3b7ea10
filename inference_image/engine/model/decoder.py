"""The forward pass of the Llama family and StableLM, over tokens of any number of sequences at once.

There is no batch dimension: the tokens of a step stand in one row, and only attention asks whose they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody who writes torch uses

from engine.model.config import ModelConfig
from engine.model.linear import Linear
from engine.model.weights import Weights

PRECISIONS = ("int8", "float32", "bfloat16", "float16")

Norm = Callable[[torch.Tensor], torch.Tensor]


class Attention(Protocol):
    """The store of keys and values, aimed at the sequences of one step."""

    def attend(self, layer: int, queries: torch.Tensor, keys_values: torch.Tensor) -> torch.Tensor:
        """Write the step's keys and values, then let each token see its own sequence up to itself.

        Args:
            queries: (tokens, heads, head_dim).
            keys_values: (tokens, 2 * kv_heads, head_dim), keys before values.

        Returns:
            (tokens, heads * head_dim).
        """


@dataclass(frozen=True)
class _Layer:
    norm: Norm
    qkv: Linear
    out: Linear
    mlp_norm: Norm | None
    """None where attention and MLP share one."""
    gate_up: Linear
    down: Linear


class Decoder:
    """Args: precision: one of PRECISIONS; quantised artifacts keep their own weights and compute in it."""

    def __init__(self, config: ModelConfig, folder: Path, device: torch.device, precision: str) -> None:
        weights = Weights(folder, device, precision)
        self.config, self.dtype, self.device = config, weights.dtype, device
        self._embedding = weights.raw("model.embed_tokens.weight")
        self._layers = [_layer(config, weights, f"model.layers.{number}") for number in range(config.layers)]
        self._norm = _norm(config, weights, "model.norm")
        self._head = weights.linear(["model.embed_tokens" if config.tied else "lm_head"])
        self._cos, self._sin = _rotations(config, device, self.dtype)
        self._split = config.heads + config.kv_heads

    @torch.inference_mode()
    def forward(
        self, tokens: torch.Tensor, positions: torch.Tensor, store: Attention, wanted: torch.Tensor
    ) -> torch.Tensor:
        """Logits after the wanted tokens: (wanted, vocabulary), the model's dtype.

        Args:
            tokens: (tokens,) int64, on the device.
            positions: (tokens,) int64, each token's place in its sequence.
            wanted: int64 indices into `tokens`.
        """
        x = self._embedding[tokens].to(self.dtype)  # (tokens, hidden)
        cos, sin = self._cos[positions][:, None], self._sin[positions][:, None]  # (tokens, 1, rotary_dim)
        for number, layer in enumerate(self._layers):
            normed = layer.norm(x)
            attended = layer.out(self._attend(number, layer.qkv(normed), cos, sin, store))
            if layer.mlp_norm is None:
                x = x + attended + _mlp(layer, normed)
            else:
                x = x + attended
                x = x + _mlp(layer, layer.mlp_norm(x))
        logits: torch.Tensor = self._head(self._norm(x[wanted]))
        return logits

    def _attend(
        self, number: int, qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, store: Attention
    ) -> torch.Tensor:
        config = self.config
        heads = qkv.view(len(qkv), -1, config.head_dim)  # queries, then keys, then values
        turned = heads[:, : self._split, : config.rotary_dim]
        # The signs of the rotation are in `sin`, so that swapping halves is all that is left of it.
        turned.copy_(torch.addcmul(turned * cos, turned.roll(config.rotary_dim // 2, -1), sin))
        return store.attend(number, heads[:, : config.heads], heads[:, config.heads :])


def _mlp(layer: _Layer, x: torch.Tensor) -> torch.Tensor:
    gate, up = layer.gate_up(x).chunk(2, -1)
    return layer.down(F.silu(gate).mul_(up))


def _layer(config: ModelConfig, weights: Weights, name: str) -> _Layer:
    attention, mlp = f"{name}.self_attn", f"{name}.mlp"
    return _Layer(
        norm=_norm(config, weights, f"{name}.input_layernorm"),
        qkv=weights.linear([f"{attention}.{one}_proj" for one in "qkv"], bias=config.qkv_bias),
        out=weights.linear([f"{attention}.o_proj"], bias=config.out_bias),
        mlp_norm=None if config.parallel else _norm(config, weights, f"{name}.post_attention_layernorm"),
        gate_up=weights.linear([f"{mlp}.gate_proj", f"{mlp}.up_proj"], bias=config.mlp_bias),
        down=weights.linear([f"{mlp}.down_proj"], bias=config.mlp_bias),
    )


def _norm(config: ModelConfig, weights: Weights, name: str) -> Norm:
    shape, weight, eps = (config.hidden,), weights.tensor(f"{name}.weight"), config.norm_eps
    if config.norm == "rms":
        return lambda x: F.rms_norm(x, shape, weight, eps)
    bias = weights.tensor(f"{name}.bias")
    return lambda x: F.layer_norm(x, shape, weight, bias, eps)


def _rotations(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines: (context, rotary_dim) each."""
    frequencies = torch.tensor(config.inverse_frequencies, dtype=torch.float32)
    angles = torch.arange(config.context, dtype=torch.float32)[:, None] * frequencies
    cos, sin = angles.cos(), angles.sin()
    return (
        torch.cat([cos, cos], -1).to(device=device, dtype=dtype),
        torch.cat([-sin, sin], -1).to(device=device, dtype=dtype),
    )
