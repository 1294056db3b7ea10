"""The device side of a step: from the plan's counters to tensors and back to tokens."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from engine.device import Drawn, OutOfDeviceMemoryError
from engine.model.decoder import Attention, Decoder
from engine.policy import Chunk, Opened, Plan, Seal
from engine.protocol import Submit
from engine.sampling import Guide, Sampler, choose

MakeGuide = Callable[[str], Guide]


class Store(Protocol):
    """Keys and values of all slots; `model.rows.RowStore` on the CPU. A paged store of the GPU goes in its place."""

    def open(self, slot: int, shared: Sequence[int]) -> None: ...
    def close(self, slot: int) -> None: ...
    def seal(self, seals: Sequence[Seal]) -> None: ...
    def aim(self, decode: Sequence[tuple[int, int]], chunks: Sequence[Chunk]) -> Attention: ...


class Runner:
    """Runs the plans of the schedule. One thread calls it.

    Args:
        guide: makes the guide of a JSON schema.
        block_tokens: of the budget.
    """

    def __init__(self, decoder: Decoder, store: Store, guide: MakeGuide, block_tokens: int) -> None:
        self._decoder, self._store, self._guide, self._block_tokens = decoder, store, guide, block_tokens
        self._samplers: dict[int, Sampler] = {}
        self._ids: dict[int, list[int]] = {}
        """Prompt and answer; keys and values of all but the last are written once the prompt is read."""

    def open(self, opened: Opened, request: Submit, prompt: Sequence[int]) -> None:
        guide = None if request.json_schema is None else self._guide(request.json_schema)
        self._samplers[opened.slot] = Sampler(request, prompt, guide)
        self._ids[opened.slot] = list(prompt)
        self._store.open(opened.slot, opened.blocks[: opened.cached_tokens // self._block_tokens])

    def close(self, slot: int) -> None:
        del self._samplers[slot], self._ids[slot]
        self._store.close(slot)

    def step(self, plan: Plan) -> dict[int, Drawn | FloatingPointError]:
        """As `engine.device.Device` has it."""
        speakers = [*plan.decode, *(chunk.slot for chunk in plan.chunks if chunk.last)]
        try:
            logits = self._forward(plan)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise OutOfDeviceMemoryError(str(error)) from error
            raise
        self._store.seal(plan.seals)
        drawn = choose(logits[: len(speakers)], [self._samplers[slot] for slot in speakers])
        for slot, one in zip(speakers, drawn, strict=True):
            if isinstance(one, Drawn):
                self._ids[slot].append(one.token)
        return dict(zip(speakers, drawn, strict=True))

    def _forward(self, plan: Plan) -> torch.Tensor:
        """Logits of the speakers in their order; of some token if nobody speaks yet."""
        decode = [(slot, len(self._ids[slot]) - 1) for slot in plan.decode]
        tokens = [self._ids[slot][-1] for slot in plan.decode]
        positions = [position for _slot, position in decode]
        wanted = list(range(len(decode)))
        for chunk in plan.chunks:
            places = range(chunk.start, chunk.start + chunk.count)
            tokens += self._ids[chunk.slot][chunk.start : places.stop]
            positions += places
            if chunk.last:
                wanted.append(len(tokens) - 1)
        device = self._decoder.device
        return self._decoder.forward(
            torch.tensor(tokens, device=device),
            torch.tensor(positions, device=device),
            self._store.aim(decode, plan.chunks),
            torch.tensor(wanted or [0], device=device),
        )
