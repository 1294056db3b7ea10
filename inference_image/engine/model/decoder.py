"""The forward pass of the Llama family and StableLM, over tokens of any number of sequences at once.

There is no batch dimension: the tokens of a step stand in one row, and only attention asks whose they are.
"""

from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from engine.model.config import ModelConfig
from engine.model.layer import (
    UNCHANGED,
    LayerSmoothing,
    calibration_tokens,
    layer_pass,
    make_end,
    make_layer,
    smoothing_of,
    watched,
)
from engine.model.rows import RowStore
from engine.model.weights import Weights
from engine.policy import Budget, Chunk

PRECISIONS = ("int8", "float32", "bfloat16", "float16")


Rotation = tuple[torch.Tensor, torch.Tensor]
"""Cosines and signed sines of the step's positions: (tokens, 1, rotary_dim) each."""


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


class Decoder:
    """Args: precision: one of PRECISIONS; quantised artifacts keep their own weights and compute in it."""

    def __init__(self, config: ModelConfig, folder: Path, device: torch.device, precision: str) -> None:
        weights = Weights(folder, device, precision)
        self.config, self.dtype, self.device = config, weights.dtype, device
        self._embedding = weights.raw("model.embed_tokens.weight")
        self._cos, self._sin = _rotations(config, device, self.dtype)
        self._split = config.heads + config.kv_heads
        smooth = self._calibrate(folder) if precision == "int8" else [UNCHANGED] * config.layers
        self._layers = [make_layer(config, weights, number, one) for number, one in enumerate(smooth)]
        self._norm, self._head = make_end(config, weights)

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
        turn = self._turn(positions)
        for number, layer in enumerate(self._layers):
            x = layer_pass(layer, x, partial(self._attend, number, store, turn))
        logits: torch.Tensor = self._head(self._norm(x[wanted]))
        return logits

    def _turn(self, positions: torch.Tensor) -> Rotation:
        return self._cos[positions][:, None], self._sin[positions][:, None]

    def _attend(self, number: int, store: Attention, turn: Rotation, qkv: torch.Tensor) -> torch.Tensor:
        config = self.config
        heads = qkv.view(len(qkv), -1, config.head_dim)  # queries, then keys, then values
        turned = heads[:, : self._split, : config.rotary_dim]
        # The signs of the rotation are in `sin`, so that swapping halves is all that is left of it.
        turned.copy_(torch.addcmul(turned * turn[0], turned.roll(config.rotary_dim // 2, -1), turn[1]))
        return store.attend(number, heads[:, : config.heads], heads[:, config.heads :])

    @torch.no_grad()
    def _calibrate(self, folder: Path) -> list[LayerSmoothing]:
        """One for each layer, from one exact pass that holds one layer's weights at a time."""
        config, exact = self.config, Weights(folder, self.device, "float32")
        tokens = calibration_tokens(config)
        store = RowStore(config, torch.float32, Budget(1, 1, 2), len(tokens))
        aimed = store.aim([], [Chunk(0, 0, len(tokens), last=True)])
        turn = self._turn(torch.arange(len(tokens)))
        x = self._embedding[tokens].float()
        found = []
        for number in range(config.layers):
            layer, seen = watched(make_layer(config, exact, number, UNCHANGED))
            x = layer_pass(layer, x, partial(self._attend, number, aimed, turn))
            found.append(smoothing_of(config, exact, number, seen))
        return found


def _rotations(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines: (context, rotary_dim) each."""
    frequencies = torch.tensor(config.inverse_frequencies, dtype=torch.float32)
    angles = torch.arange(config.context, dtype=torch.float32)[:, None] * frequencies
    cos, sin = angles.cos(), angles.sin()
    return (
        torch.cat([cos, cos], -1).to(device=device, dtype=dtype),
        torch.cat([-sin, sin], -1).to(device=device, dtype=dtype),
    )
