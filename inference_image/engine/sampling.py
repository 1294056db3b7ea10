"""Choosing the next token of one request."""

import torch

# Far below it a temperature is 0 in float32; at it, scores a thousandth apart already differ by a factor of e ** 1000.
_GREEDY_BELOW = 1e-6


class Sampler:
    """Greedy at temperature 0 and next to it, else nucleus sampling with a generator of its own.

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
            FloatingPointError: the best score is NaN or infinite, so nothing can be drawn.
        """
        if not bool(logits.max().isfinite()):  # the maximum of scores with a NaN is NaN
            raise FloatingPointError("the model's scores for the next token are not numbers")
        if self._temperature < _GREEDY_BELOW:
            return int(logits.argmax())
        scores = logits.to("cpu", torch.float32)
        # Subtracting the maximum first keeps small temperatures from overflowing.
        probabilities = torch.softmax((scores - scores.max()) / self._temperature, dim=-1)
        ranked, tokens = probabilities.sort(descending=True)
        before = ranked.cumsum(0) - ranked
        # The likeliest stays whatever happens: a tiny top_p is 0 in float32.
        ranked[1:][before[1:] >= self._top_p] = 0.0
        return int(tokens[torch.multinomial(ranked, 1, generator=self._generator)])
