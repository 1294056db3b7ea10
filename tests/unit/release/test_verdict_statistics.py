"""Every formula against scipy, and against the numbers of the papers where those give some."""

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, fisher_exact, mannwhitneyu

from release.domain.evidence import Share
from release.domain.verdict_statistics import (
    Look,
    binomial_at_least,
    difference_at_most,
    fisher_greater,
    rank_sum_greater,
    wilson_bounds,
)

RATES = st.floats(0.0001, 0.9999)
MISSES = st.sampled_from([0.05, 0.025, 0.01, 0.001])
# Few distinct values make many ties.
LATENCIES = st.lists(st.integers(1, 60).map(float), min_size=20, max_size=90)


@st.composite
def shares(draw: st.DrawFn, most: int = 3_000) -> Share:
    trials = draw(st.integers(1, most))
    return Share(draw(st.integers(0, trials)), trials)


@given(shares(), shares())
def test_fisher_is_scipy_s(green: Share, blue: Share) -> None:
    table = [[green.hits, green.trials - green.hits], [blue.hits, blue.trials - blue.hits]]

    assert fisher_greater(green, blue) == pytest.approx(fisher_exact(table, "greater").pvalue, rel=1e-6, abs=1e-280)


def test_the_lady_tasted_tea_by_chance_once_in_seventy_times() -> None:
    """Fisher, The Design of Experiments (1935), chapter 2: four of four cups right among eight."""
    assert fisher_greater(Share(4, 4), Share(0, 4)) == pytest.approx(1 / 70)


@given(shares(), RATES)
def test_a_binomial_tail_is_scipy_s(share: Share, rate: float) -> None:
    expected = float(binom.sf(share.hits - 1, share.trials, rate))

    assert binomial_at_least(share, rate) == pytest.approx(expected, rel=1e-6, abs=1e-280)


def test_tails_of_a_busy_endpoint_are_finite_and_right() -> None:
    green, blue = Share(10_400, 1_000_000), Share(90_000, 9_000_000)
    table = [[green.hits, green.trials - green.hits], [blue.hits, blue.trials - blue.hits]]

    assert fisher_greater(green, blue) == pytest.approx(fisher_exact(table, "greater").pvalue, rel=1e-3)
    assert binomial_at_least(Share(1, 1_000_000), 0.05) == 1.0


@given(shares(), MISSES)
def test_wilson_s_bounds_are_scipy_s(share: Share, miss: float) -> None:
    interval = binomtest(share.hits, share.trials).proportion_ci(1 - 2 * miss, method="wilson")

    assert wilson_bounds(share, miss) == pytest.approx((interval.low, interval.high), abs=1e-9)


@pytest.mark.parametrize(
    ("green", "blue", "upper"),
    [
        pytest.param(Share(56, 70), Share(48, 80), 0.3339, id="a"),
        pytest.param(Share(9, 10), Share(3, 10), 0.8090, id="b"),
        pytest.param(Share(10, 10), Share(0, 20), 1.0000, id="f"),
        pytest.param(Share(0, 10), Share(0, 20), 0.2775, id="e"),
    ],
)
def test_differences_are_bounded_as_in_newcombe_s_table(green: Share, blue: Share, upper: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table II, method 10, upper limits of 95 % two-sided."""
    assert difference_at_most(green, blue, 0.025) == pytest.approx(upper, abs=5e-5)


@given(LATENCIES, LATENCIES)
def test_rank_sums_are_scipy_s(green: list[float], blue: list[float]) -> None:
    assume(len({*green, *blue}) > 1)
    expected = mannwhitneyu(green, blue, alternative="greater", method="asymptotic")

    found = rank_sum_greater(green, blue)

    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)
    assert found.superiority == pytest.approx(expected.statistic / (len(green) * len(blue)))


def test_equal_values_tell_nothing() -> None:
    assert rank_sum_greater([5.0] * 30, [5.0] * 30).p == 1.0


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=60, unique=True), st.floats(0.0001, 0.2))
def test_all_looks_together_never_spend_more_than_the_budget(instants: list[float], whole: float) -> None:
    ends = sorted(instants)
    starts = [0.0, *ends[:-1]]

    spent = sum(Look(over, previous).error_budget(whole) for previous, over in zip(starts, ends, strict=True))

    assert spent == pytest.approx(whole * ends[-1] ** 2)
    assert spent <= whole * (1 + 1e-9)


def test_nothing_seen_bounds_nothing() -> None:
    assert wilson_bounds(Share(0, 0), 0.05) == (0.0, 1.0)
    assert Share(0, 0).rate == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: Share(3, 2), id="more hits than trials"),
        pytest.param(lambda: Share(-1, 2), id="hits below nothing"),
        pytest.param(lambda: Look(0.5, 0.5), id="a look that takes no time"),
        pytest.param(lambda: Look(1.1), id="a look after the bake"),
        pytest.param(lambda: binomial_at_least(Share(1, 2), 1.0), id="a rate that is certain"),
        pytest.param(lambda: rank_sum_greater([1.0] * 19, [1.0] * 30), id="too few to rank"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="need"):
        wrong()
