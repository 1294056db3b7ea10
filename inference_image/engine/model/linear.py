"""Linear layers in each precision. The only place that knows how weights are stored."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody who writes torch uses

Linear = Callable[[torch.Tensor], torch.Tensor]
"""(tokens, in) to (tokens, out), both in the model's dtype."""

# Unsigned 8-bit activations, so that -1, 0 and 1 are the codes 1, 128 and 255.
_STEP, _ZERO = 1 / 127, 128
_SMALLEST = 1e-12


def dense(weight: torch.Tensor, bias: torch.Tensor | None) -> Linear:
    """Args: weight: (out, in); bias: (out,); both in the dtype of the computation."""
    return lambda x: F.linear(x, weight, bias)


def int8_is_supported() -> bool:
    """int8 needs FBGEMM's kernels, which are built for x86 only."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def int8(weight: torch.Tensor, bias: torch.Tensor | None) -> Linear:
    """8-bit weights, one scale per output; 8-bit activations, one scale per token.

    FBGEMM knows one activation scale for a whole batch. Each token's row is therefore divided by its own largest
    magnitude first, and the result multiplied by it: the arithmetic of per-token quantisation at the speed of VNNI.
    The range is fixed to [-1, 1], so a token's result does not depend on its neighbours.

    Args:
        weight: (out, in), any floating dtype.
    """
    return int8_of(*int8_codes(weight), bias)


def int8_of(codes: torch.Tensor, scales: torch.Tensor, bias: torch.Tensor | None) -> Linear:
    """As `int8`, of weights that are quantised already.

    Args:
        codes: (out, in), int8.
        scales: (out,), float32.
    """
    packed = _pack(codes, scales)
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32

    def apply(x: torch.Tensor) -> torch.Tensor:
        largest = x.abs().amax(-1, keepdim=True).clamp_min_(_SMALLEST)
        y: torch.Tensor = multiply(x * largest.reciprocal(), _STEP, _ZERO, packed).mul_(largest)
        return y if bias is None else y.add_(bias)

    return apply


def int8_codes(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of -127 to 127, (out, in), and the float32 scale of each output, (out,)."""
    exact = weight.float()
    scales = (exact.abs().amax(1) / 127).clamp_min_(_SMALLEST)
    zeros = torch.zeros(len(scales), dtype=torch.long)
    with _deprecated():
        return torch.quantize_per_channel(exact, scales.double(), zeros, 0, torch.qint8).int_repr(), scales


def _pack(codes: torch.Tensor, scales: torch.Tensor) -> Any:
    zeros = torch.zeros(len(scales), dtype=torch.long)
    engine = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        with _deprecated():
            # torch has no public way from codes to a quantised tensor.
            whole = torch._make_per_channel_quantized_tensor(codes, scales.double(), zeros, 0)  # noqa: SLF001 - see above
            return torch.ops.quantized.linear_prepack(whole, None)
    finally:
        torch.backends.quantized.engine = engine


@contextmanager
def _deprecated() -> Iterator[None]:
    """torch would replace its quantised tensors by a library that does not have this kernel; torch is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def four_bit(parts: Sequence[tuple[torch.Tensor, Any]], bias: torch.Tensor | None, dtype: torch.dtype) -> Linear:
    """bitsandbytes' 4-bit weights.

    Args:
        parts: codes and quantisation state of each matrix; their outputs are laid side by side.
        dtype: of the computation.
    """
    from bitsandbytes.autograd._functions import matmul_4bit  # noqa: PLC0415 - seconds, for such models only

    def apply(x: torch.Tensor) -> torch.Tensor:
        given = x.to(dtype)
        outputs = [matmul_4bit(given, codes.t(), quant_state=state) for codes, state in parts]
        y = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return (y if bias is None else y + bias).to(x.dtype)

    return apply
