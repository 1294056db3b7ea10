"""What int8 costs in quality: our forward pass in both precisions over the same text, token by token.

The text is what float32 says to the prompts of `benchmarks.serving`, as in the measurement that chose the method.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import NEW_TOKENS, prompts
from slipway.packaging.example_model import default_cache, prepare_example_model

sys.path.insert(0, str(Path(__file__).parents[1] / "inference_image"))

import torch

from engine.model.config import read_config
from engine.model.decoder import Decoder
from engine.model.rows import RowStore
from engine.policy import Budget, Chunk


class Reader:
    """All logits of one text, read in one chunk."""

    def __init__(self, folder: Path, precision: str) -> None:
        config, budget = read_config(folder), Budget(slots=1, blocks=1, step_tokens=2)
        self._decoder = Decoder(config, folder, torch.device("cpu"), precision)
        self._store = RowStore(config, self._decoder.dtype, budget, 512)

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """(tokens, vocabulary)."""
        every = torch.arange(len(ids))
        aimed = self._store.aim([], [Chunk(0, 0, len(ids), last=True)])
        return self._decoder.forward(torch.tensor(ids), every, aimed, every)


def compare(exact: torch.Tensor, other: torch.Tensor, ids: Sequence[int]) -> dict[str, float]:
    """Divergence in nats, share of equal likeliest tokens, and the text's loss under each."""
    p, q = exact.log_softmax(-1)[:-1], other.log_softmax(-1)[:-1]
    said = torch.tensor(ids[1:])[:, None]
    return {
        "kl": float((p.exp() * (p - q)).sum(-1).mean()),
        "top1": float((p.argmax(-1) == q.argmax(-1)).float().mean()),
        "nll": -float(p.gather(1, said).mean()),
        "nll_int8": -float(q.gather(1, said).mean()),
    }


def main() -> int:
    folder = prepare_example_model(default_cache(), print)
    exact, other = Reader(folder, "float32"), Reader(folder, "int8")
    rows: list[dict[str, Any]] = []
    for prompt in prompts(folder, 6):
        ids = list(prompt)
        while len(ids) < len(prompt) + NEW_TOKENS:
            ids.append(int(exact.logits(ids)[-1].argmax()))
        rows.append(compare(exact.logits(ids), other.logits(ids), ids))
    print(json.dumps({key: round(statistics.mean(row[key] for row in rows), 4) for key in rows[0]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
