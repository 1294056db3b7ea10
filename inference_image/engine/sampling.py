"""Choosing the next tokens of a step."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import torch

from engine.device import Drawn
from engine.protocol import Submit

# Far below it a temperature is 0 in float32; at it, scores a thousandth apart already differ by a factor of e ** 1000.
_GREEDY_BELOW = 1e-6
# Finding the first few of fifty thousand is ten times as fast as sorting all, and they nearly always suffice.
_FIRST_LOOK = 128
_STRIDE = 256
_NO_NUMBERS = "the model's scores for the next token are not numbers"


class Guide(Protocol):
    """What an answer may go on with; `engine.guide.JsonGuide` is the real one."""

    def forbid(self, scores: torch.Tensor) -> None:
        """Set the scores, (vocabulary,), of tokens that cannot follow to minus infinity."""

    def accept(self, token: int) -> None: ...


class Sampler:
    """What one request wants and has said so far.

    A request with a seed gets the same tokens whoever runs beside it, as far as its logits are the same. Scores are
    changed in this order: penalties, guide, temperature, top-k, top-p, min-p. Log probabilities are the model's own,
    before any of it.
    """

    def __init__(self, request: Submit, prompt: Sequence[int] = (), guide: Guide | None = None) -> None:
        self.request = request
        self.greedy = request.temperature < _GREEDY_BELOW
        self._guide = guide
        self._said: Counter[int] = Counter()
        self._repeated = set(prompt) if request.repetition_penalty != 1.0 else set()
        # A seed in the sense of "the same again", not of a secret.
        self._chance = random.Random(request.seed)  # noqa: S311 - draws tokens of a text, no secret
        self._penalised = (request.presence_penalty, request.frequency_penalty, request.repetition_penalty) != (0, 0, 1)

    @property
    def untouched(self) -> bool:
        """The scores are used as the model gives them."""
        return not self._penalised and self._guide is None

    def draw(self) -> float:
        """Uniform in [0, 1)."""
        return self._chance.random()

    def adjust(self, scores: torch.Tensor) -> None:
        """Apply penalties and guide to (vocabulary,) scores, in place.

        Source:
            presence and frequency as OpenAI's API reference has them, over the answer; repetition as in
            N. S. Keskar et al., CTRL (2019), section 4.1, over prompt and answer.
        """
        if self._penalised:
            self._penalise(scores)
        if self._guide is not None:
            self._guide.forbid(scores)

    def accept(self, token: int) -> None:
        if self._penalised:
            self._said[token] += 1
            self._repeated.add(token)
        if self._guide is not None:
            self._guide.accept(token)

    def _penalise(self, scores: torch.Tensor) -> None:
        request = self.request
        if request.repetition_penalty != 1.0 and self._repeated:
            at = torch.tensor(sorted(self._repeated), device=scores.device)
            found = scores[at]
            scores[at] = torch.where(found > 0, found / request.repetition_penalty, found * request.repetition_penalty)
        if self._said:
            at = torch.tensor(list(self._said), device=scores.device)
            counts = torch.tensor(list(self._said.values()), device=scores.device, dtype=scores.dtype)
            scores[at] -= request.presence_penalty + request.frequency_penalty * counts


@torch.inference_mode()
def choose(logits: torch.Tensor, samplers: Sequence[Sampler]) -> list[Drawn | FloatingPointError]:
    """One token for each row of (rows, vocabulary) logits, any device; an error in the place of a token is one row's.

    A row is an error if its best score is NaN or infinite, so that nothing can be drawn.
    """
    touched = [row for row, sampler in enumerate(samplers) if not sampler.untouched]
    scores = logits.float()
    original = scores.clone() if touched and any(one.request.logprobs is not None for one in samplers) else scores
    for row in touched:
        samplers[row].adjust(scores[row])
    chosen = _likeliest(scores)
    # The likeliest of scores with a NaN is the NaN.
    sound = [math.isfinite(value) for value in scores[range(len(chosen)), chosen].tolist()]
    rows = [row for row, sampler in enumerate(samplers) if sound[row] and not sampler.greedy]
    if rows:
        for row, token in zip(rows, _sample(scores[rows], [samplers[row] for row in rows]), strict=True):
            chosen[row] = token
    return [
        _drawn(original[row], chosen[row], sampler) if sound[row] else FloatingPointError(_NO_NUMBERS)
        for row, sampler in enumerate(samplers)
    ]


def _likeliest(scores: torch.Tensor) -> list[int]:
    """The largest in each row, as `argmax`, but in two steps: only the maximum alone is vectorised."""
    rows, vocabulary = scores.shape
    stride = _STRIDE if vocabulary % _STRIDE == 0 else vocabulary
    parts = scores.view(rows, vocabulary // stride, stride)
    part = parts.amax(-1).argmax(-1)
    inside = parts[torch.arange(rows, device=scores.device), part].argmax(-1)
    tokens: list[int] = (part * stride + inside).tolist()
    return tokens


def _drawn(scores: torch.Tensor, token: int, sampler: Sampler) -> Drawn:
    sampler.accept(token)
    wanted = sampler.request.logprobs
    if wanted is None:
        return Drawn(token)
    logprobs = scores.log_softmax(-1)
    values, tokens = logprobs.topk(wanted)
    return Drawn(token, float(logprobs[token]), tuple(zip(tokens.tolist(), values.tolist(), strict=True)))


def _sample(scores: torch.Tensor, samplers: Sequence[Sampler]) -> list[int]:
    asked = [sampler.request for sampler in samplers]
    heat = torch.tensor([[one.temperature] for one in asked], dtype=torch.float32, device=scores.device)
    # Subtracting the maximum first keeps small temperatures from overflowing.
    probabilities = torch.softmax((scores - scores.amax(-1, keepdim=True)) / heat, -1)  # (rows, vocabulary)
    tokens: list[int] = []
    vocabulary = probabilities.shape[1]
    ranked, order = probabilities.topk(min(_FIRST_LOOK, vocabulary), -1)
    seen = ranked.sum(-1).tolist()
    for row, one in enumerate(asked):
        unlimited = one.top_p >= 1.0 and not one.top_k and one.min_p <= 0.0
        suffices = one.top_p < seen[row] or 0 < one.top_k <= ranked.shape[1]
        if unlimited:
            kept, names = probabilities[row], None
        elif suffices:
            kept, names = ranked[row], order[row]
        else:
            kept, names = probabilities[row].sort(descending=True)
        at = _pick(kept if names is None else _nucleus(kept, one), samplers[row].draw())
        tokens.append(at if names is None else int(names[at]))
    return tokens


def _nucleus(ranked: torch.Tensor, request: Submit) -> torch.Tensor:
    """Zero what top-k, top-p and min-p drop of descending probabilities; the likeliest always stays."""
    kept = ranked.clone()
    if request.top_k:
        kept[request.top_k :] = 0.0
    # top-p looks at what top-k has left, scaled to one.
    before = (kept.cumsum(0) - kept) / kept.sum()
    # A tiny top_p is 0 in float32, hence from the second on.
    kept[1:][(before[1:] >= request.top_p) | (ranked[1:] < request.min_p * ranked[0])] = 0.0
    return kept


def _pick(weights: torch.Tensor, uniform: float) -> int:
    """The index at which the sum of weights first exceeds that share of the whole; never one of weight zero."""
    sums = weights.double().cumsum(0)
    at = int(torch.searchsorted(sums, uniform * float(sums[-1]), right=True))
    # Rounding may reach the very end, behind which nothing has weight.
    return at if at < len(weights) and weights[at] > 0 else int(weights.argmax())
