"""Keys and values of all slots, one row per slot."""

from typing import Any

import torch
from transformers.cache_utils import Cache

_GROWTH_TOKENS = 256


class SlotCache(Cache):
    """Rows of different length in one rectangle per layer, behind transformers' own cache interface.

    The forward pass of a decoder calls `update` and nothing else when it is given positions and a 4-D mask.
    The rectangle grows to what the running requests reserved and is given back when nothing runs.
    """

    def __init__(self, config: Any, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(layers=[])
        self._layer_count = int(config.num_hidden_layers)
        self._heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
        self._head_dim = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        self._dtype, self._device = dtype, device
        self._keys: list[torch.Tensor] = []  # per layer (rows, kv heads, tokens, head_dim)
        self._values: list[torch.Tensor] = []  # the same
        self._rows = self._starts = torch.zeros(0, dtype=torch.long)
        self._visible = 0

    @property
    def bytes_per_token(self) -> int:
        return 2 * self._layer_count * self._heads * self._head_dim * self._dtype.itemsize

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and tokens per row."""
        return (self._keys[0].shape[0], self._keys[0].shape[2]) if self._keys else (0, 0)

    def reshape(self, rows: int, tokens: int) -> None:
        """Make room for `rows` rows of `tokens` tokens, keeping what is written; 0 rows give everything back."""
        if rows == 0:
            self._keys, self._values = [], []
            return
        have_rows, have_tokens = self.shape
        if rows <= have_rows and tokens <= have_tokens:
            return
        tokens = -(-max(tokens, have_tokens) // _GROWTH_TOKENS) * _GROWTH_TOKENS
        for tensors in (self._keys, self._values):
            for layer in range(self._layer_count):
                grown = torch.zeros(
                    max(rows, have_rows), self._heads, tokens, self._head_dim, dtype=self._dtype, device=self._device
                )
                if have_rows:
                    grown[:have_rows, :, :have_tokens] = tensors[layer]
                    tensors[layer] = grown
                else:
                    tensors.append(grown)

    def clear(self, row: int) -> None:
        """Masked positions weigh zero, but zero times a NaN of an earlier request would still be NaN."""
        for tensor in (*self._keys, *self._values):
            tensor[row].zero_()

    def aim(self, rows: torch.Tensor, starts: torch.Tensor, visible: int) -> "SlotCache":
        """Say where the next forward pass writes.

        Args:
            rows: (n,) int64, a contiguous run of rows.
            starts: (n,) int64, the position of each row's first new token.
            visible: tokens of each row that attention sees.
        """
        self._rows, self._starts, self._visible = rows, starts, visible
        return self

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write (n, kv heads, new tokens, head_dim) and return what attention sees of the same rows."""
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        positions = self._starts[:, None] + torch.arange(key_states.shape[2], device=self._device)
        # Indexing rows and positions together puts tokens before heads, hence the transposes.
        keys[self._rows[:, None], :, positions] = key_states.transpose(1, 2)
        values[self._rows[:, None], :, positions] = value_states.transpose(1, 2)
        first = int(self._rows[0])
        used = slice(first, first + len(self._rows))
        return keys[used, :, : self._visible], values[used, :, : self._visible]

    def get_seq_length(self, layer_idx: int = 0, *_args: Any, **_kwargs: Any) -> int:
        """Unused: positions and mask come from the runner."""
        return 0 * layer_idx
