"""The forward pass of the Llama family and StableLM, over tokens of any number of sequences at once.

There is no batch dimension: the tokens of a step stand in one row, and only attention asks whose they are.
"""

from collections.abc import Iterator
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

EMBEDDING = "model.embed_tokens.weight"
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
        self._embedding = weights.raw(EMBEDDING)
        self._cos, self._sin = _rotations(config, device, self.dtype)
        # 8-bit weights of an artifact were smoothed when they were made.
        calibrated = precision == "int8" and not config.quantised
        smooth = smoothings(config, folder) if calibrated else [UNCHANGED] * config.layers
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
            x = layer_pass(layer, x, partial(_attend, self.config, number, store, turn))
        logits: torch.Tensor = self._head(self._norm(x[wanted]))
        return logits

    def _turn(self, positions: torch.Tensor) -> Rotation:
        return self._cos[positions][:, None], self._sin[positions][:, None]


def smoothings(config: ModelConfig, folder: Path) -> Iterator[LayerSmoothing]:
    """One for each layer, from one exact pass on the CPU that holds one layer's weights at a time."""
    with torch.no_grad():
        exact = Weights(folder, torch.device("cpu"), "float32")
        tokens = calibration_tokens(config)
        store = RowStore(config, torch.float32, Budget(1, 1, 2), len(tokens))
        aimed = store.aim([], [Chunk(0, 0, len(tokens), last=True)])
        cos, sin = _rotations(config, torch.device("cpu"), torch.float32)
        turn = cos[: len(tokens), None], sin[: len(tokens), None]
        x = exact.raw(EMBEDDING)[tokens].float()
    for number in range(config.layers):
        with torch.no_grad():
            layer, seen = watched(make_layer(config, exact, number, UNCHANGED))
            x = layer_pass(layer, x, partial(_attend, config, number, aimed, turn))
            found = smoothing_of(config, exact, number, seen)
        yield found


def _attend(config: ModelConfig, number: int, store: Attention, turn: Rotation, qkv: torch.Tensor) -> torch.Tensor:
    heads = qkv.view(len(qkv), -1, config.head_dim)  # queries, then keys, then values
    turned = heads[:, : config.heads + config.kv_heads, : config.rotary_dim]
    # The signs of the rotation are in `sin`, so that swapping halves is all that is left of it.
    turned.copy_(torch.addcmul(turned * turn[0], turned.roll(config.rotary_dim // 2, -1), turn[1]))
    return store.attend(number, heads[:, : config.heads], heads[:, config.heads :])


def _rotations(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines: (context, rotary_dim) each."""
    frequencies = torch.tensor(config.inverse_frequencies, dtype=torch.float32)
    angles = torch.arange(config.context, dtype=torch.float32)[:, None] * frequencies
    cos, sin = angles.cos(), angles.sin()
    return (
        torch.cat([cos, cos], -1).to(device=device, dtype=dtype),
        torch.cat([-sin, sin], -1).to(device=device, dtype=dtype),
    )
