"""Keys and values on the CPU: one row per slot in virtual memory, and a pool of blocks for what is shared.

torch has no attention over scattered blocks on the CPU, and gathering them at every step costs more than attention
itself (docs/engine.md). So each running sequence lies end to end in a row as long as the context,
and the operating system pages it: memory is taken when it is first written and given back when the sequence ends.
"""

import mmap
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody who writes torch uses

from engine.model.config import ModelConfig
from engine.policy import Budget, Chunk, Seal

# From <linux/mman.h>, which Python names from 3.13 on; elsewhere pages are accounted for when they are reserved.
_NO_RESERVE = 0x4000
_Span = tuple[int, slice, slice, torch.Tensor]


class RowStore:
    """Args: tokens: the longest sequence."""

    def __init__(self, config: ModelConfig, dtype: torch.dtype, budget: Budget, tokens: int) -> None:
        slots, blocks, block_tokens = budget.slots, budget.blocks, budget.block_tokens
        self._kv_heads, self._group = config.kv_heads, config.heads // config.kv_heads
        self._size = block_tokens
        token = (2 * config.kv_heads, config.head_dim)
        token_bytes = token[0] * token[1] * dtype.itemsize
        # A row of one layer begins on a page of the operating system, so that it can be given back alone.
        self._row_tokens = -(-tokens // mmap.PAGESIZE) * mmap.PAGESIZE
        self._row_bytes = self._row_tokens * token_bytes
        self._memory = [_reserve(slots * self._row_bytes) for _ in range(config.layers)]
        self._rows = [
            torch.frombuffer(memory, dtype=dtype).view(slots, self._row_tokens, *token) for memory in self._memory
        ]  # per layer (slots, tokens, 2 * kv heads, head_dim), cpu
        self._flat = [rows.view(-1, *token) for rows in self._rows]
        block_bytes = block_tokens * token_bytes
        self._pool = torch.frombuffer(_reserve(blocks * config.layers * block_bytes), dtype=dtype).view(
            blocks, config.layers, block_tokens, *token
        )

    @staticmethod
    def token_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
        """Memory of one token, in its row and in its block."""
        return 2 * config.layers * 2 * config.kv_heads * config.head_dim * dtype.itemsize

    def open(self, slot: int, shared: Sequence[int]) -> None:
        """Lay the blocks of a known prefix at the beginning of the slot's row."""
        if not shared:
            return
        found = self._pool[torch.tensor(shared)]  # (blocks, layers, block_tokens, 2 * kv heads, head_dim)
        for layer, rows in enumerate(self._rows):
            rows[slot, : len(shared) * self._size] = found[:, layer].flatten(0, 1)

    def close(self, slot: int) -> None:
        """Give the row's memory back; it reads as zeros again, whatever was in it."""
        for memory in self._memory:
            memory.madvise(mmap.MADV_DONTNEED, slot * self._row_bytes, self._row_bytes)

    def seal(self, seals: Sequence[Seal]) -> None:
        for seal in seals:
            part = slice(seal.index * self._size, (seal.index + 1) * self._size)
            for layer, rows in enumerate(self._rows):
                self._pool[seal.block, layer] = rows[seal.slot, part]

    def aim(self, decode: Sequence[tuple[int, int]], chunks: Sequence[Chunk]) -> "RowStore":
        """Say whose tokens the next forward pass has.

        Args:
            decode: (slot, position) of those with one token, by slot; their tokens come first.
            chunks: their tokens follow, in this order.
        """
        places = [slot * self._row_tokens + position for slot, position in decode]
        for chunk in chunks:
            begin = chunk.slot * self._row_tokens + chunk.start
            places.extend(range(begin, begin + chunk.count))
        self._places = torch.tensor(places)
        self._decode = len(decode)
        self._aim_decode(decode)
        self._chunks, at = [], len(decode)
        for chunk in chunks:
            end = chunk.start + chunk.count
            seen = torch.arange(end) <= torch.arange(chunk.start, end)[:, None]  # (chunk, seen)
            self._chunks.append((chunk.slot, slice(at, at + chunk.count), slice(0, end), seen.repeat(self._group, 1)))
            at += chunk.count
        return self

    def attend(self, layer: int, queries: torch.Tensor, keys_values: torch.Tensor) -> torch.Tensor:
        """As `engine.model.decoder.Attention` has it."""
        self._flat[layer].index_copy_(0, self._places, keys_values)
        if not self._chunks:
            return self._attend_decode(layer, queries)
        out = queries.new_empty(len(queries), queries.shape[1] * queries.shape[2])
        if self._decode:
            out[: self._decode] = self._attend_decode(layer, queries[: self._decode])
        for chunk in self._chunks:
            out[chunk[1]] = self._attend_chunk(layer, queries, chunk)
        return out

    def _aim_decode(self, decode: Sequence[tuple[int, int]]) -> None:
        if not decode:
            return
        first, end = decode[0][0], decode[-1][0] + 1
        self._used = slice(first, end)
        self._seen = max(position for _slot, position in decode) + 1
        held = torch.zeros(end - first, dtype=torch.long)
        self._among = torch.tensor([slot - first for slot, _ in decode])
        held[self._among] = torch.tensor([position for _, position in decode])
        self._dense = len(decode) == end - first
        # Rows between the slots are computed and thrown away: one view costs less than gathering.
        hidden = torch.arange(self._seen) > held[:, None]
        self._mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))[:, None, None]

    def _attend_decode(self, layer: int, queries: torch.Tensor) -> torch.Tensor:
        tokens, heads, dim = queries.shape
        # Heads that share a key stand as query rows of that key's head.
        grouped = queries.reshape(tokens, self._kv_heads, self._group, dim)
        if not self._dense:
            grouped = grouped.new_zeros(self._mask.shape[0], *grouped.shape[1:]).index_copy_(0, self._among, grouped)
        rows = self._rows[layer][self._used, : self._seen].transpose(1, 2)  # (rows, 2 * kv heads, seen, head_dim)
        out = F.scaled_dot_product_attention(
            grouped, rows[:, : self._kv_heads], rows[:, self._kv_heads :], attn_mask=self._mask.to(queries.dtype)
        )
        return (out if self._dense else out[self._among]).reshape(tokens, heads * dim)

    def _attend_chunk(self, layer: int, queries: torch.Tensor, chunk: _Span) -> torch.Tensor:
        slot, tokens, seen, mask = chunk
        rows = self._rows[layer][slot, seen].transpose(0, 1)[None]  # (1, 2 * kv heads, seen, head_dim)
        asked = queries[tokens]
        count, heads, dim = asked.shape
        grouped = asked.view(count, self._kv_heads, self._group, dim).permute(1, 2, 0, 3)
        out = F.scaled_dot_product_attention(
            grouped.reshape(1, self._kv_heads, self._group * count, dim),
            rows[:, : self._kv_heads],
            rows[:, self._kv_heads :],
            attn_mask=mask,
        )
        return out.view(heads, count, dim).transpose(0, 1).reshape(count, heads * dim)


def _reserve(size: int) -> mmap.mmap:
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        # A huge page would hold a thousand tokens of one layer for a sequence of fifty.
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory
