"""Choosing the next token of one request."""

import torch


class Sampler:
    """Greedy at temperature 0, else nucleus sampling with a generator of its own.

    A request with a seed gets the same tokens whoever runs beside it, as far as its logits are the same.

    Args:
        temperature: >= 0; logits are divided by it.
        top_p: in (0, 1]; the smallest set of tokens whose probability reaches it is kept.
        seed: None draws one.
    """

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def choose(self, logits: torch.Tensor) -> int:
        """Draw from logits of shape (vocabulary,), any device.

        Raises:
            FloatingPointError: the logits hold NaN.
        """
        if bool(logits.isnan().any()):
            raise FloatingPointError("the model's scores for the next token are not numbers")
        if self._temperature == 0:
            return int(logits.argmax())
        scores = logits.to("cpu", torch.float32)
        # Subtracting the maximum first keeps tiny temperatures from overflowing.
        probabilities = torch.softmax((scores - scores.max()) / self._temperature, dim=-1)
        ranked, tokens = probabilities.sort(descending=True)
        before = ranked.cumsum(0) - ranked
        ranked[before >= self._top_p] = 0.0
        return int(tokens[torch.multinomial(ranked, 1, generator=self._generator)])
