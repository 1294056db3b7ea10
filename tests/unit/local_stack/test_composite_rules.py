"""Rules of composite alarms, held to the examples of PutCompositeAlarm in the CloudWatch API Reference."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.alarm_rules import State
from local.composite_rules import CompositeRuleError, children, holds, parse

OK, ALARM, NO_DATA = State.OK, State.ALARM, State.INSUFFICIENT_DATA


@pytest.mark.parametrize(
    ("rule", "states", "result"),
    [
        ("ALARM(Cpu) AND ALARM(Disk)", {"Cpu": ALARM, "Disk": ALARM}, True),
        ("ALARM(Cpu) AND ALARM(Disk)", {"Cpu": ALARM, "Disk": OK}, False),
        ("ALARM(Cpu) AND NOT ALARM(Deploying)", {"Cpu": ALARM, "Deploying": OK}, True),
        ("ALARM(Cpu) AND NOT ALARM(Deploying)", {"Cpu": ALARM, "Deploying": ALARM}, False),
        ("(ALARM(Cpu) OR ALARM(Disk)) AND OK(Net)", {"Cpu": OK, "Disk": ALARM, "Net": OK}, True),
        ("(ALARM(Cpu) OR ALARM(Disk)) AND OK(Net)", {"Cpu": OK, "Disk": ALARM, "Net": NO_DATA}, False),
        ('INSUFFICIENT_DATA("with a space")', {"with a space": NO_DATA}, True),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:by-arn)", {"by-arn": ALARM}, True),
        ("TRUE", {}, True),
        ("false", {}, False),
        ("NOT FALSE AND TRUE", {}, True),
        pytest.param("TRUE OR FALSE AND FALSE", {}, True, id="AND binds tighter than OR"),
        pytest.param(
            "OK(gone) OR ALARM(gone) OR INSUFFICIENT_DATA(gone)", {}, False, id="of what is gone nothing holds"
        ),
    ],
)
def test_a_rule_holds_by_the_states_of_its_alarms(rule: str, states: dict[str, State], result: bool) -> None:  # noqa: FBT001
    assert holds(parse(rule), states.get) is result


def test_the_children_of_a_rule_are_the_alarms_that_it_names() -> None:
    assert children(parse('ALARM("a b") OR NOT (OK(c) AND TRUE) OR ALARM(c)')) == {"a b", "c"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("ALARM(a) ALARM(b)", "is not expected at the end"),
        ("ALARM(a) AND", "is missing"),
        ("(ALARM(a)", "closing bracket"),
        ("AT_LEAST(2, ALARM, (a, b))", "is not understood"),
        ("PANIC(a)", "is not understood"),
        (" OR ".join(f"ALARM(a{n})" for n in range(101)), "has 101 alarms; the limit is 100"),
        ("NOT " * 500 + "TRUE", "has 501 elements; the limit is 500"),
    ],
)
def test_a_rule_that_cannot_be_read_says_where(rule: str, said: str) -> None:
    with pytest.raises(CompositeRuleError, match=said):
        parse(rule)


def _spelled(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    both = st.tuples(inner, st.sampled_from(["AND", "OR"]), inner)
    return both.map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})") | inner.map(lambda part: f"NOT {part}")


RULES = st.recursive(st.sampled_from(["ALARM(a)", "ALARM(b)", "OK(a)", "TRUE", "FALSE"]), _spelled, max_leaves=8)


@given(RULES)
def test_a_rule_agrees_with_python(rule: str) -> None:
    as_python = rule.lower().replace("alarm(a)", "(a == ALARM)").replace("alarm(b)", "(b == ALARM)")
    as_python = as_python.replace("ok(a)", "(a == OK)").replace("true", "True").replace("false", "False")
    parsed = parse(rule)

    for a, b in itertools.product(State, State):
        names = {"a": a, "b": b, "ALARM": ALARM, "OK": OK}
        assert holds(parsed, {"a": a, "b": b}.get) is eval(as_python, {}, names)  # noqa: S307 - built above
