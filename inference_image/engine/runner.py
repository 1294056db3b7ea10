"""The device side of a step: forward passes over an unmodified transformers model."""

from collections.abc import Sequence
from typing import Any

import torch

from engine.kv_cache import SlotCache
from engine.protocol import Submit
from engine.sampling import Sampler


class Runner:
    """Runs the plan of the schedule. One thread calls it.

    Args:
        model: a causal language model of transformers in eval mode.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = model.device
        self.cache = SlotCache(model.config.get_text_config(), model.dtype, model.device)
        self._samplers: dict[int, Sampler] = {}
        self._length: dict[int, int] = {}
        """Tokens of the slot whose keys and values are written."""
        self._next: dict[int, int] = {}
        """Token that the slot's next step reads."""

    def shape(self, rows: int, row_tokens: int) -> None:
        self.cache.reshape(rows, row_tokens)

    def open(self, slot: int, request: Submit) -> None:
        self._samplers[slot] = Sampler(request.temperature, request.top_p, request.seed)
        self._length[slot] = 0

    def close(self, slot: int) -> None:
        self._samplers.pop(slot, None)
        self._length.pop(slot, None)
        self._next.pop(slot, None)
        self.cache.clear(slot)

    def prefill(self, slot: int, ids: Sequence[int], *, last: bool) -> int | FloatingPointError | None:
        """Read the next part of the slot's prompt.

        Returns:
            the first token of the answer, or why there is none, if this is the prompt's last part; else None.
        """
        start = self._length[slot]
        end = start + len(ids)
        positions = torch.arange(start, end, device=self._device)  # (time,), int64
        seen = torch.arange(end, device=self._device)
        mask = (seen[None, :] <= positions[:, None])[None, None]  # (1, 1, time, seen), bool
        logits = self._forward(torch.tensor([list(ids)]), positions[None], mask, [slot], end)
        self._length[slot] = end
        return self._choose(slot, logits[0]) if last else None

    def decode(self, slots: Sequence[int]) -> dict[int, int | FloatingPointError]:
        """One token for each slot; an error in the place of a token concerns that slot only."""
        rows = max(slots) + 1
        # Rows between the slots are computed and thrown away: one contiguous view costs less than gathering.
        tokens = torch.tensor([[self._next.get(row, 0)] for row in range(rows)])
        # They write where their own next token will go, so that nothing they hold is touched.
        positions = torch.tensor([self._length.get(row, 0) for row in range(rows)])
        visible = int(positions.max()) + 1
        seen = torch.arange(visible)
        mask = (seen[None, :] <= positions[:, None])[:, None, None]  # (rows, 1, 1, seen), bool
        logits = self._forward(tokens, positions[:, None].to(self._device), mask.to(self._device), range(rows), visible)
        for slot in slots:
            self._length[slot] += 1
        return {slot: self._choose(slot, logits[slot]) for slot in slots}

    def _choose(self, slot: int, logits: torch.Tensor) -> int | FloatingPointError:
        try:
            self._next[slot] = self._samplers[slot].choose(logits)
        except FloatingPointError as error:
            return error
        return self._next[slot]

    @torch.inference_mode()
    def _forward(
        self, tokens: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, rows: Sequence[int], visible: int
    ) -> torch.Tensor:
        """Logits after each row's last token: (rows, vocabulary), the model's dtype."""
        cache = self.cache.aim(torch.tensor(list(rows), device=self._device), positions[:, 0], visible)
        output = self._model(
            input_ids=tokens.to(self._device),
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits
