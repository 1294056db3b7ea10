"""Alarm states, held to the tables of "Configuring how CloudWatch alarms treat missing data"."""

import pytest

from local.alarm_rules import EXTRA_PERIODS, MissingData, Rule, State, evaluate, is_low_sample

RETAIN = None  # the tables' "Retain current state"
OK, ALARM, NO_DATA = State.OK, State.ALARM, State.INSUFFICIENT_DATA
TREATMENTS = (MissingData.MISSING, MissingData.IGNORE, MissingData.BREACHING, MissingData.NOT_BREACHING)

# M of N, the datapoints as the guide draws them, then the state for missing, ignore, breaching, notBreaching.
TABLES = [
    (3, 3, "0 - X - X", (OK, OK, OK, OK)),
    (3, 3, "- - - - 0", (OK, OK, OK, OK)),
    (3, 3, "- - - - -", (NO_DATA, RETAIN, ALARM, OK)),
    (3, 3, "0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
    (3, 3, "- - X - -", (ALARM, RETAIN, ALARM, OK)),
    (2, 3, "0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
    (2, 3, "0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
    (2, 3, "0 - X - -", (OK, OK, ALARM, OK)),
    (2, 3, "- - - - 0", (OK, OK, ALARM, OK)),
    (2, 3, "- - - X -", (ALARM, RETAIN, ALARM, OK)),
]


@pytest.mark.parametrize("current", list(State))
@pytest.mark.parametrize(
    ("needed", "periods", "drawn", "treatment", "state"),
    [
        pytest.param(needed, periods, drawn, treatment, state, id=f"{needed} of {periods}, {drawn}, {treatment}")
        for needed, periods, drawn, states in TABLES
        for treatment, state in zip(TREATMENTS, states, strict=True)
    ],
)
def test_missing_data_is_treated_as_the_users_guide_draws_it(  # noqa: PLR0913, PLR0917 - the table's columns
    needed: int, periods: int, drawn: str, treatment: MissingData, state: State | None, current: State
) -> None:
    values = {"0": 0.0, "X": 1.0, "-": None}
    rule = Rule("GreaterThanOrEqualToThreshold", 1.0, periods, needed, treatment)

    assert evaluate([values[mark] for mark in drawn.split()], rule, current) is (state or current)


@pytest.mark.parametrize(
    ("comparison", "breaching", "fine"),
    [
        ("GreaterThanOrEqualToThreshold", [5.0, 5.1], [4.9]),
        ("GreaterThanThreshold", [5.1], [5.0, 4.9]),
        ("LessThanThreshold", [4.9], [5.0, 5.1]),
        ("LessThanOrEqualToThreshold", [5.0, 4.9], [5.1]),
    ],
)
def test_a_value_breaches_on_the_side_that_the_comparison_names(
    comparison: str, breaching: list[float], fine: list[float]
) -> None:
    rule = Rule(comparison, 5.0, 1, 1)
    none: list[float | None] = [None] * EXTRA_PERIODS

    assert {evaluate([*none, value], rule, OK) for value in breaching} == {ALARM}
    assert {evaluate([*none, value], rule, ALARM) for value in fine} == {OK}


def test_a_lone_late_breach_does_not_decide_for_three() -> None:
    rule = Rule("GreaterThanThreshold", 0.0, 3, 3)

    assert evaluate([None, None, None, None, 1.0], rule, OK) is OK


@pytest.mark.parametrize(
    ("percent", "samples", "low"),
    [
        pytest.param(99, 999, True, id="p99 needs 1000 samples, as the guide says"),
        pytest.param(99, 1000, False, id="p99 has its 1000 samples"),
        pytest.param(99.9, 9999, True, id="p99.9 needs 10000"),
        pytest.param(99.9, 10000, False, id="p99.9 has its 10000"),
        pytest.param(50, 19, True, id="the median needs 20"),
        pytest.param(50, 20, False, id="the median has its 20"),
        pytest.param(10, 99, True, id="p10 needs 10/0.1"),
        pytest.param(10, 100, False, id="p10 has its 100"),
    ],
)
def test_a_percentile_needs_ten_samples_beyond_it(percent: float, samples: float, low: bool) -> None:  # noqa: FBT001
    assert is_low_sample(percent, samples) is low
