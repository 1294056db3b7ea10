"""Dollars: exact until the last rounding, which goes up."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.domain.price import (
    PriceList,
    UnknownPriceError,
    Usage,
    built_in_prices,
    cost,
    parse_prices,
    to_cents,
)

PRICES = PriceList(
    "2026-11-23", "us-east-1", "a test", {"ml.a.large": Decimal("0.0001"), "ml.b.large": Decimal("2.03")}
)
LIST: dict[str, Any] = {
    "date": "2026-11-23",
    "region": "us-east-1",
    "source": "a bill",
    "hourlyDollars": {"ml.a.b": "1"},
}


@pytest.mark.parametrize(
    ("usages", "dollars"),
    [
        pytest.param([], "0.00", id="nothing"),
        pytest.param([Usage("ml.b.large", 1, 3600)], "2.03", id="an hour"),
        pytest.param([Usage("ml.b.large", 2, 5400)], "6.09", id="two for an hour and a half"),
        pytest.param([Usage("ml.b.large", 1, 1)], "0.01", id="a second is 0.06 cents, rounded up"),
        pytest.param([Usage("ml.a.large", 1, 1)], "0.01", id="never nothing for something"),
        pytest.param([Usage("ml.b.large", 1, 1)] * 10, "0.01", id="rounded once, not ten times"),
    ],
)
def test_cost_is_rounded_up_to_the_cent_once(usages: list[Usage], dollars: str) -> None:
    assert str(cost(usages, PRICES)) == dollars


@given(st.integers(0, 100), st.integers(0, 90_000), st.integers(0, 50), st.integers(0, 5_000))
def test_more_instances_and_more_time_never_cost_less(count: int, seconds: int, more: int, longer: int) -> None:
    less = cost([Usage("ml.b.large", count, seconds)], PRICES)

    assert less <= cost([Usage("ml.b.large", count + more, seconds + longer)], PRICES)
    # Exact in whole numbers: 203 cents by 3600 s, rounded up.
    assert less * 100 == -(-203 * count * seconds // 3600)


def test_a_month_has_730_hours() -> None:
    """The AWS Pricing Calculator's month: 2.03 x 730."""
    assert to_cents(Decimal("2.03") * 730) == Decimal("1481.90")


def test_the_list_that_comes_with_slipway_names_its_date_and_source() -> None:
    prices = built_in_prices()

    assert date.fromisoformat(prices.as_of) >= date(2026, 11, 23)
    assert prices.source
    assert prices.region == "us-east-1"
    # The template's default type, at the price of AWS's list.
    assert prices.of("ml.g5.4xlarge") == Decimal("2.03")


def test_a_type_without_a_price_is_named_with_where_to_add_it() -> None:
    with pytest.raises(UnknownPriceError, match=r"no price for ml\.z9\.large .* add it to the price parameter"):
        PRICES.of("ml.z9.large")


def test_the_account_s_own_list_lies_over_the_other() -> None:
    own = parse_prices(json.dumps(LIST | {"hourlyDollars": {"ml.b.large": "1.01"}})).over(PRICES)

    assert (own.of("ml.b.large"), own.of("ml.a.large"), own.source) == (Decimal("1.01"), Decimal("0.0001"), "a bill")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("nonsense", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param(json.dumps({**LIST, "currency": "EUR"}), id="a field more"),
        pytest.param(json.dumps({k: v for k, v in LIST.items() if k != "date"}), id="no date"),
        pytest.param(json.dumps(LIST | {"date": "last year"}), id="a date that is none"),
        *(
            pytest.param(json.dumps(LIST | {"hourlyDollars": {"ml.a.b": price}}), id=repr(price))
            for price in (2.03, "0", "-1", "NaN", "Infinity", "two", None)
        ),
    ],
)
def test_a_list_that_cannot_be_trusted_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"price|fields|isoformat|JSON|Expecting"):
        parse_prices(wrong)
