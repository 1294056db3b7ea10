"""One layer of a decoder: which tensors it is made of, and how its activations are smoothed for 8 bits."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody who writes torch uses

from engine.model.config import ModelConfig
from engine.model.linear import Linear
from engine.model.smoothing import Smoothing, divisors
from engine.model.weights import Weights

Norm = Callable[[torch.Tensor], torch.Tensor]

_CALIBRATION_TOKENS = 64
END_NORM = "model.norm"
# Its multiples fall all over a vocabulary.
_PRIME = 7919


@dataclass(frozen=True)
class Layer:
    norm: Norm
    qkv: Linear
    out: Linear
    mlp_norm: Norm | None
    """None where attention and MLP share one."""
    gate_up: Linear
    down: Linear


@dataclass(frozen=True)
class LayerSmoothing:
    """What activations of a layer are divided by; None leaves them."""

    qkv: torch.Tensor | None = None
    """(hidden,)"""
    out: torch.Tensor | None = None
    """(kv_heads * head_dim,): heads that share a value share its divisor."""
    gate_up: torch.Tensor | None = None
    """(hidden,)"""
    down: torch.Tensor | None = None
    """(intermediate,)"""


UNCHANGED = LayerSmoothing()


@dataclass(frozen=True)
class Product:
    """One linear layer of several matrices that read the same input, and how it is smoothed."""

    names: list[str]
    bias: bool
    smooth: Smoothing


def products(config: ModelConfig, number: int, smooth: LayerSmoothing) -> dict[str, Product]:
    """The four products of a layer. Values and the MLP's upper half divide by what the layer behind multiplies with."""
    qkv, out, gate_up, down = _names(number)
    values = (
        None if smooth.out is None else _behind_ones(smooth.out, (config.heads + config.kv_heads) * config.head_dim)
    )
    upper = None if smooth.down is None else _behind_ones(smooth.down, len(smooth.down))
    return {
        "qkv": Product(qkv, config.qkv_bias, Smoothing(smooth.qkv, values)),
        "out": Product(out, config.out_bias, Smoothing(_per_head(config, smooth.out))),
        "gate_up": Product(gate_up, config.mlp_bias, Smoothing(smooth.gate_up, upper)),
        "down": Product(down, config.mlp_bias, Smoothing(smooth.down)),
    }


def norms(config: ModelConfig, number: int, smooth: LayerSmoothing) -> dict[str, torch.Tensor | None]:
    """What each norm of a layer divides by, by the norm's name."""
    name = f"model.layers.{number}"
    first = {f"{name}.input_layernorm": smooth.qkv}
    return first if config.parallel else first | {f"{name}.post_attention_layernorm": smooth.gate_up}


def make_layer(config: ModelConfig, weights: Weights, number: int, smooth: LayerSmoothing) -> Layer:
    """A norm divides by what the layer behind it multiplies with."""
    made = {
        key: weights.linear(one.names, bias=one.bias, smooth=one.smooth)
        for key, one in products(config, number, smooth).items()
    }
    norm, *mlp_norm = (_norm(config, weights, name, divisor) for name, divisor in norms(config, number, smooth).items())
    return Layer(norm=norm, mlp_norm=mlp_norm[0] if mlp_norm else None, **made)


def layer_pass(layer: Layer, x: torch.Tensor, attend: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """The residual stream, (tokens, hidden), behind the layer.

    Args:
        attend: from queries, keys and values side by side to (tokens, heads * head_dim).
    """
    normed = layer.norm(x)
    attended = layer.out(attend(layer.qkv(normed)))
    if layer.mlp_norm is None:
        return x + attended + _mlp(layer, normed)
    x = x + attended
    return x + _mlp(layer, layer.mlp_norm(x))


def make_end(config: ModelConfig, weights: Weights) -> tuple[Norm, Linear]:
    """The last norm and the head."""
    return _norm(config, weights, END_NORM), weights.linear([head_of(config)])


def head_of(config: ModelConfig) -> str:
    return "model.embed_tokens" if config.tied else "lm_head"


def calibration_tokens(config: ModelConfig) -> torch.Tensor:
    """Tokens from everywhere in the vocabulary; which inputs of a layer are large hardly depends on the text."""
    return torch.arange(min(_CALIBRATION_TOKENS, config.context)) * _PRIME % config.vocabulary


def watched(layer: Layer) -> tuple[Layer, dict[str, torch.Tensor]]:
    """The same layer, which notes the largest magnitude of each input of its four products."""
    seen: dict[str, torch.Tensor] = {}

    def watch(name: str, linear: Linear) -> Linear:
        def apply(x: torch.Tensor) -> torch.Tensor:
            seen[name] = x.abs().amax(0)
            return linear(x)

        return apply

    products = {name: watch(name, getattr(layer, name)) for name in ("qkv", "out", "gate_up", "down")}
    return replace(layer, **products), seen


def smoothing_of(config: ModelConfig, weights: Weights, number: int, seen: dict[str, torch.Tensor]) -> LayerSmoothing:
    """Args: seen: by `watched`."""
    qkv, out, gate_up, down = (weights.largest(names) for names in _names(number))
    if config.parallel:
        qkv = gate_up = torch.maximum(qkv, gate_up)
    return LayerSmoothing(
        qkv=divisors(seen["qkv"], qkv),
        out=divisors(_shared(config, seen["out"]), _shared(config, out)),
        gate_up=divisors(seen["gate_up"], gate_up),
        down=divisors(seen["down"], down),
    )


def _mlp(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    gate, up = layer.gate_up(x).chunk(2, -1)
    return layer.down(F.silu(gate).mul_(up))


def _names(number: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """Of the matrices of queries, keys and values; of attention's output; of gate and up; of down."""
    attention, mlp = f"model.layers.{number}.self_attn", f"model.layers.{number}.mlp"
    return (
        [f"{attention}.{one}_proj" for one in "qkv"],
        [f"{attention}.o_proj"],
        [f"{mlp}.gate_proj", f"{mlp}.up_proj"],
        [f"{mlp}.down_proj"],
    )


def _behind_ones(divisor: torch.Tensor, count: int) -> torch.Tensor:
    return torch.cat([torch.ones(count), divisor])


def _per_head(config: ModelConfig, shared: torch.Tensor | None) -> torch.Tensor | None:
    """(kv_heads * head_dim,) to (heads * head_dim,)."""
    if shared is None:
        return None
    group = config.heads // config.kv_heads
    return shared.view(config.kv_heads, 1, config.head_dim).expand(-1, group, -1).flatten()


def _shared(config: ModelConfig, largest: torch.Tensor) -> torch.Tensor:
    """(heads * head_dim,) to (kv_heads * head_dim,): the largest of the heads that share a value."""
    return largest.view(config.kv_heads, -1, config.head_dim).amax(1).flatten()


def _norm(config: ModelConfig, weights: Weights, name: str, divisor: torch.Tensor | None = None) -> Norm:
    shape, eps, parts = (config.hidden,), config.norm_eps, norm_tensors(config, weights, name, divisor)
    weight = parts[f"{name}.weight"]
    if config.norm == "rms":
        return lambda x: F.rms_norm(x, shape, weight, eps)
    bias = parts[f"{name}.bias"]
    return lambda x: F.layer_norm(x, shape, weight, bias, eps)


def norm_tensors(
    config: ModelConfig, weights: Weights, name: str, divisor: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Weight and, but for RMS norms, bias, divided."""
    parts = ("weight",) if config.norm == "rms" else ("weight", "bias")
    found = {f"{name}.{part}": weights.tensor(f"{name}.{part}") for part in parts}
    return found if divisor is None else {part: tensor / divisor for part, tensor in found.items()}
