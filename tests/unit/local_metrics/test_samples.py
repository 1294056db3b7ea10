"""Samples, their statistics, and where a store finds them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.metrics.samples import Samples, StatisticSet, statistic
from local.metrics.store import MetricId, MetricStore, Window

METRIC = MetricId.of("n", "m", [{"Name": "a", "Value": "1"}])


def of(*values: float) -> Samples:
    return Samples(Counter(values))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sum", 10.0),
        ("Average", 2.5),
        ("Minimum", 1.0),
        ("Maximum", 4.0),
        ("SampleCount", 4.0),
        ("p0", 1.0),
        ("p50", 2.5),  # the median of 1, 2, 3, 4
        ("p100", 4.0),
    ],
)
def test_a_statistic_of_one_two_three_four(name: str, value: float) -> None:
    assert statistic(of(4, 1, 3, 2), name) == pytest.approx(value)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 100))
def test_a_percentile_is_numpys(values: list[float], percent: int) -> None:
    assert statistic(of(*values), f"p{percent}") == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)


@pytest.mark.parametrize("name", ["tm90", "IQM", "p101", "pp", "PR(1:2)"])
def test_a_statistic_that_is_not_computed_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not computed here; use Sum"):
        statistic(of(1), name)


def test_sets_count_in_every_statistic_but_percentiles() -> None:
    samples = Samples(Counter({10.0: 1}), [StatisticSet(count=4, sum=20, minimum=1, maximum=9)])

    assert [statistic(samples, name) for name in ("Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50")] == [
        30,
        6,
        1,
        10,
        5,
        None,
    ]


def test_a_set_of_equal_values_has_percentiles() -> None:
    """ "CloudWatch statistics definitions": where SampleCount is 1, or Min and Max are equal."""
    assert statistic(Samples(sets=[StatisticSet(3, 21, 7, 7)]), "p99") == 7


def test_nothing_has_no_statistic() -> None:
    assert statistic(Samples(), "Sum") is None


def test_a_standard_metric_is_kept_by_the_minute_and_a_fine_one_by_the_second() -> None:
    store, fine = MetricStore(), MetricId.of("n", "fine")
    store.add(METRIC, 145.7, of(1), unit=None)
    store.add(fine, 145.7, of(1), unit=None, high_resolution=True)
    ten_seconds = Window(120.0, 10, 6)

    assert store.series(METRIC, ten_seconds, "Sum") == (1, None, None, None, None, None)
    assert store.series(fine, ten_seconds, "Sum") == (None, None, 1, None, None, None)
    assert store.series(fine, Window(143.0, 1, 4), "Sum") == (None, None, 1, None)


def test_a_period_begins_with_its_first_second_and_ends_before_its_last() -> None:
    store = MetricStore()
    for at_s in (0, 60, 120):
        store.add(METRIC, at_s, of(1), unit=None)

    assert store.series(METRIC, Window(0.0, 60, 2), "SampleCount") == (1, 1)


def test_units_are_kept_apart_and_read_together_if_none_is_asked_for() -> None:
    store = MetricStore()
    store.add(METRIC, 0, of(1), unit="Seconds")
    store.add(METRIC, 0, of(1000), unit="Milliseconds")

    assert store.series(METRIC, Window(0.0, 60, 1), "Sum", "Seconds") == (1,)
    assert store.series(METRIC, Window(0.0, 60, 1), "Sum") == (1001,)


@given(st.lists(st.integers(0, 600), max_size=40))
def test_late_samples_are_found_as_if_they_had_come_in_time(seconds: list[int]) -> None:
    store = MetricStore()
    for second in seconds:
        store.add(METRIC, second, of(1), unit=None, high_resolution=True)
    found = store.series(METRIC, Window(0.0, 60, 11), "SampleCount")

    assert found == tuple(sum(s // 60 == minute for s in seconds) or None for minute in range(11))
