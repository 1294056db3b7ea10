"""4-bit NF4 weights in the form that transformers writes and bitsandbytes reads, made on the CPU.

Each linear matrix but the head becomes a column of bytes, two weights in each, beside what unpacks them: a scale for
every 64 weights, itself in 8 bits (double quantisation). Source: T. Dettmers et al., QLoRA (2023), sections 3 and 4;
the names are those of `QuantState.as_dict(packed=True)`.
"""

from typing import TYPE_CHECKING, Any

from release.domain.examination.architecture import Expected
from slipway.packaging.tensors import TensorSource, parameters

if TYPE_CHECKING:
    import torch

BLOCK_WEIGHTS = 64
_HEAD = "lm_head.weight"
# Scales of 256 blocks share one float32; the code book and the state's own words are a kilobyte or two.
_BYTES_PER_BLOCK, _OVERHEAD_BYTES = 1 + 4 / 256, 2048

CONFIG: dict[str, Any] = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "load_in_8bit": False,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "bnb_4bit_compute_dtype": "bfloat16",
    "bnb_4bit_quant_storage": "uint8",
    "llm_int8_enable_fp32_cpu_offload": False,
    "llm_int8_has_fp16_weight": False,
    "llm_int8_skip_modules": None,
    "llm_int8_threshold": 6.0,
}
"""`quantization_config` of config.json."""


def is_quantised(one: Expected) -> bool:
    """transformers leaves the head in the model's own dtype."""
    return one.linear and one.name != _HEAD


def stored_bytes(source: TensorSource, one: Expected) -> int:
    if not is_quantised(one):
        return source.bytes_of(one.name)
    return int(parameters(one) * (0.5 + _BYTES_PER_BLOCK / BLOCK_WEIGHTS)) + _OVERHEAD_BYTES


def store(one: Expected, tensor: "torch.Tensor") -> "dict[str, torch.Tensor]":
    """A matrix's codes and state, or the tensor as it is."""
    if not is_quantised(one):
        return {one.name: tensor}
    from bitsandbytes.functional import quantize_4bit  # noqa: PLC0415 - a second of imports

    codes, state = quantize_4bit(tensor, blocksize=BLOCK_WEIGHTS, quant_type="nf4", compress_statistics=True)
    packed: dict[str, torch.Tensor] = state.as_dict(packed=True)
    return {one.name: codes} | {f"{one.name}.{part}": value for part, value in packed.items()}
