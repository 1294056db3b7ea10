"""What instances cost. Prices are data with a date and a source; the arithmetic is exact until the last rounding."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import cache
from pathlib import Path

HOURS_OF_A_MONTH = 730
"""As the AWS Pricing Calculator counts a month: 365 days x 24 hours / 12."""
_SECONDS_OF_AN_HOUR = 3600
_CENT = Decimal("0.01")
_DATA = Path(__file__).with_name("prices.json")
_FIELDS = {"date", "region", "source", "hourlyDollars"}


class UnknownPriceError(ValueError):
    """There is no price for an instance type; the sentence names it and says where one belongs."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """On-demand prices of SageMaker hosting.

    Args:
        as_of: ISO date at which they were collected.
        region: whose prices they are.
        source: where they come from.
        hourly: US dollars by instance and hour; SageMaker bills by the second.
    """

    as_of: str
    region: str
    source: str
    hourly: Mapping[str, Decimal]

    def of(self, instance_type: str) -> Decimal:
        """Dollars of one instance for one hour.

        Raises:
            UnknownPriceError: the list does not have it.
        """
        if instance_type not in self.hourly:
            raise UnknownPriceError(
                f"there is no price for {instance_type} in the list of {self.as_of}; add it to the price parameter"
            )
        return self.hourly[instance_type]

    def over(self, other: "PriceList") -> "PriceList":
        """This list, and the other's prices for what it does not have."""
        return PriceList(self.as_of, self.region, self.source, {**other.hourly, **self.hourly})


def parse_prices(text: str) -> PriceList:
    """Read a price list.

    Raises:
        ValueError: no JSON object of exactly date, region, source and hourlyDollars, or a price that is no positive
            decimal in quotes. Numbers of JSON are refused: they would be binary fractions.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or found.keys() != _FIELDS or not isinstance(found["hourlyDollars"], dict):
        raise ValueError(f"a price list has exactly the fields {', '.join(sorted(_FIELDS))}")
    date.fromisoformat(found["date"])
    hourly = {instance_type: _price(instance_type, value) for instance_type, value in found["hourlyDollars"].items()}
    return PriceList(found["date"], str(found["region"]), str(found["source"]), hourly)


def _price(instance_type: str, value: object) -> Decimal:
    try:
        price = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and price > 0):
        raise ValueError(
            f"the price of {instance_type} is {value!r}; write dollars by the hour in quotes, such as '2.03'"
        )
    return price


@cache
def built_in_prices() -> PriceList:
    """The list that comes with Slipway."""
    return parse_prices(_DATA.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Usage:
    """`count` instances of a type, each billed for so many seconds."""

    instance_type: str
    count: int
    seconds: int


def cost(usages: Sequence[Usage], prices: PriceList) -> Decimal:
    """Dollars for all of them, rounded up to the cent, so that rounding never hides a cost.

    Raises:
        UnknownPriceError: as PriceList.of.
    """
    whole = sum((prices.of(one.instance_type) * one.count * one.seconds for one in usages), Decimal(0))
    return to_cents(whole / _SECONDS_OF_AN_HOUR)


def to_cents(dollars: Decimal) -> Decimal:
    return dollars.quantize(_CENT, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars, each rounded up to the cent.

    Args:
        rollout: both fleets for as long as the rollout is expected to take, and the preflight.
        rollout_at_most: the same for as long as SageMaker may take before it gives up.
        hour, month: of the fleet that stays, a month having HOURS_OF_A_MONTH.
        as_of: the date of the prices.
    """

    rollout: Decimal
    rollout_at_most: Decimal
    hour: Decimal
    month: Decimal
    as_of: str

    def sentence(self) -> str:
        return (
            f"${self.rollout:,} for the rollout, ${self.rollout_at_most:,} at most; then ${self.hour:,} an hour, "
            f"${self.month:,} a month, at the prices of {self.as_of}"
        )
