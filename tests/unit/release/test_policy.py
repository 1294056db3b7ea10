"""Budgets and freezes fail closed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from release.domain.policy import Freeze, Policy, policy_problems
from release.domain.price import Price

NOW = datetime(2026, 12, 24, 12, tzinfo=UTC)
PRICE = Price(Decimal("4.00"), Decimal("9.50"), Decimal("2.03"), Decimal("1481.90"), "2026-11-23")
HOUR = timedelta(hours=1)


def problems(policy: Policy, price: Price | None = PRICE) -> list[str]:
    return policy_problems(policy, price, "there is no price for ml.z9.large", NOW)


def test_no_policy_forbids_nothing() -> None:
    assert problems(Policy()) == []
    assert problems(Policy(), None) == []


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        pytest.param(Policy(rollout_dollars=Decimal("9.50")), True, id="a rollout just in its budget"),
        pytest.param(Policy(rollout_dollars=Decimal("9.49")), False, id="a rollout that may pass it by a cent"),
        pytest.param(Policy(month_dollars=Decimal("1481.90")), True, id="a month just in its budget"),
        pytest.param(Policy(month_dollars=Decimal(1481)), False, id="a month over it"),
    ],
)
def test_a_budget_holds_to_the_cent(policy: Policy, *, allowed: bool) -> None:
    assert (problems(policy) == []) is allowed


def test_the_sentence_has_the_number_the_limit_and_what_to_do() -> None:
    (sentence,) = problems(Policy(month_dollars=Decimal(1000)))

    assert sentence == (
        "the fleet costs $1,481.90 a month and the budget monthDollars is $1,000: raise it in the settings, or plan "
        "fewer instances, a cheaper type or shorter waits"
    )


def test_a_budget_refuses_what_has_no_price() -> None:
    (sentence,) = problems(Policy(rollout_dollars=Decimal(1000)), None)

    assert sentence.endswith("nobody can say whether it is kept: there is no price for ml.z9.large")


@pytest.mark.parametrize(
    ("since", "until", "frozen"),
    [
        pytest.param(NOW - HOUR, NOW + HOUR, True, id="in the midst"),
        pytest.param(NOW, NOW + HOUR, True, id="from its first instant"),
        pytest.param(NOW - HOUR, NOW, False, id="until its last, which is over"),
        pytest.param(NOW + HOUR, NOW + 2 * HOUR, False, id="before it"),
    ],
)
def test_a_freeze_holds_from_its_begin_to_its_end(since: datetime, until: datetime, *, frozen: bool) -> None:
    found = problems(Policy(freezes=(Freeze(since, until, "holidays"),)))

    assert (found != []) is frozen


def test_a_freeze_says_until_when_and_why() -> None:
    (sentence,) = problems(Policy(freezes=(Freeze(NOW, NOW + HOUR, "holidays"),)))

    assert sentence == "the endpoint is frozen until 2026-12-24T13:00:00Z: holidays; start the rollout again then"


def test_a_freeze_that_would_never_hold_is_no_freeze() -> None:
    with pytest.raises(ValueError, match="'holidays' ends at 2026-12-24T12:00:00Z, not after it begins"):
        Freeze(NOW, NOW, "holidays")


def test_everything_that_forbids_is_told_at_once() -> None:
    policy = Policy(Decimal(1), Decimal(1), (Freeze(NOW, NOW + HOUR, "one"), Freeze(NOW, NOW + HOUR, "two")))

    assert len(problems(policy)) == 4
