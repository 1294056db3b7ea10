"""The statistics behind a verdict: exact where counts are small, one-sided throughout, by the standard library alone.

A p-value here is the chance of evidence at least this bad for green if green were no worse than the hypothesis says.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from release.domain.evidence import Share

_NEGLIGIBLE = 1e-18  # a tail's further terms, as parts of its sum

LEAST_FOR_RANKS = 20
"""Points in each arm from which the normal approximation of the rank sum holds. Source: Mann and Whitney, Annals of
Mathematical Statistics 18 (1947), 50-60, find it good from 8 on; ties ask for more."""


@dataclass(frozen=True, slots=True)
class RankSum:
    """`p` as above; `superiority` is the part of all pairs in which green's value is the larger, ties counted half."""

    p: float
    superiority: float


def fisher_greater(green: Share, blue: Share) -> float:
    """P-value of "green's rate is not above blue's", given how many hits both have together.

    Source:
        R. A. Fisher, Journal of the Royal Statistical Society 98 (1935), 39-82. Exact for every size.
    """
    hits, misses = green.hits + blue.hits, green.trials + blue.trials - green.hits - blue.hits
    highest = min(hits, green.trials)

    def ratio(k: int) -> float:
        return (hits - k) * (green.trials - k) / ((k + 1) * (misses - green.trials + k + 1))

    log_first = (
        _log_choose(hits, green.hits)
        + _log_choose(misses, green.trials - green.hits)
        - _log_choose(hits + misses, green.trials)
    )
    return _tail(log_first, (ratio(k) for k in range(green.hits, highest)))


def binomial_at_least(share: Share, rate: float) -> float:
    """Chance of so many hits or more where each trial hits with probability `rate`, 0 < rate < 1.

    Raises:
        ValueError: rate outside (0, 1).
    """
    if not 0 < rate < 1:
        raise ValueError(f"need 0 < rate < 1; got {rate}")
    if share.hits == 0:
        return 1.0
    odds = rate / (1 - rate)
    log_first = (
        _log_choose(share.trials, share.hits)
        + share.hits * math.log(rate)
        + (share.trials - share.hits) * math.log1p(-rate)
    )
    return _tail(log_first, ((share.trials - k) / (k + 1) * odds for k in range(share.hits, share.trials)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _tail(log_first: float, ratios: Iterator[float]) -> float:
    """Sum of a distribution's terms, each given by its ratio to the one before; in parts of the first."""
    total = term = 1.0
    for ratio in ratios:
        term *= ratio
        total += term
        # Past the mode every term is smaller than the one before.
        if ratio < 1 and term < total * _NEGLIGIBLE:
            break
    return min(1.0, math.exp(log_first + math.log(total)))


def wilson_bounds(share: Share, miss: float) -> tuple[float, float]:
    """Bounds of the rate behind a share, each one crossed with probability `miss`; (0, 1) where nothing was tried.

    Source:
        E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if share.trials == 0:
        return 0.0, 1.0
    z, n, rate = NormalDist().inv_cdf(1 - miss), share.trials, share.rate
    centre = rate + z * z / (2 * n)
    margin = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Rounding can push a bound a few ulps past the rate itself.
    return max(0.0, min(rate, (centre - margin) / scale)), min(1.0, max(rate, (centre + margin) / scale))


def difference_at_most(green: Share, blue: Share, miss: float) -> float:
    """Upper bound of green's rate less blue's, crossed with probability `miss`.

    Source:
        R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10: two Wilson intervals joined.
    """
    over = wilson_bounds(green, miss)[1] - green.rate
    under = blue.rate - wilson_bounds(blue, miss)[0]
    return green.rate - blue.rate + math.hypot(over, under)


def rank_sum_greater(green: Sequence[float], blue: Sequence[float]) -> RankSum:
    """Whether green's values tend to be larger: the Mann-Whitney U test, corrected for ties and continuity.

    Raises:
        ValueError: fewer than LEAST_FOR_RANKS values in an arm.

    Source:
        Mann and Whitney 1947, see LEAST_FOR_RANKS; Kayenta's canary judge rests on the same test.
    """
    m, n = len(green), len(blue)
    if min(m, n) < LEAST_FOR_RANKS:
        raise ValueError(f"need {LEAST_FOR_RANKS} values in each arm; got {m} and {n}")
    ranks, ties = _ranks([*green, *blue])
    u = sum(ranks[value] for value in green) - m * (m + 1) / 2
    spread = math.sqrt(m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1))))
    # All values equal: nothing tells green from blue.
    p = 0.5 * math.erfc((u - m * n / 2 - 0.5) / (spread * math.sqrt(2))) if spread > 0 else 1.0
    return RankSum(p, u / (m * n))


def _ranks(values: Sequence[float]) -> tuple[dict[float, float], int]:
    """Mean rank of each value, and the sum of t³ - t over its ties of t values."""
    ranks, before, ties = {}, 0, 0
    for value, count in sorted(Counter(values).items()):
        ranks[value] = before + (count + 1) / 2
        before += count
        ties += count**3 - count
    return ranks, ties


@dataclass(frozen=True, slots=True)
class Look:
    """One of a judge's looks at a bake: which part of it is over now, and was at the look before.

    Raises:
        ValueError: not 0 <= previous < over <= 1.
    """

    over: float
    previous: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.previous < self.over <= 1:
            raise ValueError(f"need 0 <= previous < over <= 1; got {self.previous} and {self.over}")

    def error_budget(self, whole: float) -> float:
        """The part of the bake's error budget that this look may spend.

        Whoever looks often and stops at the first p-value below 5 % stops nearly every good canary. The parts of all
        looks add up to `whole`, so that the chance of one false alarm among all of them stays below it, however the
        looks depend on each other. Late looks, which have seen the most, get the largest parts.

        Source:
            Lan and DeMets, Biometrika 70 (1983), 659-663, with the power family's exponent 2 of Kim and DeMets,
            Biometrika 74 (1987), 149-154; used with Boole's inequality, which needs no joint distribution.
        """
        return whole * (self.over**2 - self.previous**2)
