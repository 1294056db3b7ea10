"""Moving the range of a few large activations into the weights, where 8 bits have room for it.

A handful of a layer's inputs are tens of times as large as the others, and one scale for a whole token leaves the
others few of the 256 codes. Dividing an input by a number and multiplying the weights that read it by the same changes
nothing but the rounding.

Source: G. Xiao et al., SmoothQuant (2023), section 4, with its migration strength of one half.
"""

from dataclasses import dataclass

import torch

_SMALLEST = 1e-5


@dataclass(frozen=True)
class Smoothing:
    """What the inputs and outputs of a linear layer, or the outputs of a norm, are divided by; None leaves them."""

    inputs: torch.Tensor | None = None
    """(in,): the input comes divided by it, and the weights make up for that."""
    outputs: torch.Tensor | None = None
    """(out,): the output goes divided by it."""

    def of_linear(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Args: weight: (out, in); bias: (out,)."""
        if self.inputs is not None:
            weight = weight * self.inputs
        if self.outputs is not None:
            weight = weight / self.outputs[:, None]
            bias = None if bias is None else bias / self.outputs
        return weight, bias


NONE = Smoothing()


def divisors(activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Positive float32 numbers that leave an input and the weights that read it equally large.

    Args:
        activations: (in,), the largest magnitude seen of each input.
        weights: (in,), the largest magnitude of the weights that read each input.
    """
    return (activations.clamp_min(_SMALLEST) / weights.clamp_min(_SMALLEST)).sqrt()
