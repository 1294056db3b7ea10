"""Alarm states, held to the tables of "Configuring how CloudWatch alarms treat missing data"."""

import pytest

from local.alarm_rules import EXTRA_PERIODS, MissingData, Rule, State, evaluate, statistic

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
    assert statistic([4.0, 1.0, 3.0, 2.0], name) == pytest.approx(value)


@pytest.mark.parametrize("name", ["tm90", "IQM", "p101", "pp"])
def test_a_statistic_that_is_not_evaluated_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"statistic {name} is not evaluated"):
        statistic([1.0], name)
