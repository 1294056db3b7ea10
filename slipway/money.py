"""What a release costs: on demand, by the hour, at prices that carry a date and a source."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from release.domain.price import HOURS_OF_A_MONTH, PriceList, UnknownPriceError, built_in_prices, parse_prices, to_cents
from slipway.aws import Aws
from slipway.aws_errors import error_code, translated
from slipway.errors import UsageError
from slipway.fleets import Fleets


@dataclass(frozen=True)
class Bill:
    """US dollars of a fleet, rounded up to the cent; None where an instance type has no price, for the reason given."""

    instances: Mapping[str, int]
    """Instances by type."""
    hour_dollars: Decimal | None
    month_dollars: Decimal | None
    unpriced: str = ""


@dataclass(frozen=True)
class EndpointCost:
    """What an endpoint costs now, while a rollout is under way, and at the most that autoscaling may reach.

    Args:
        now: every instance that SageMaker bills at this moment, green's included.
        steady: the fleet that serves.
        at_most: the live release's first instance type times its `maxInstanceCount`; None before a first release.
        rollout: the estimate of the rollout under way, `events/table/rollout`; None without one.
    """

    endpoint: str
    release_id: str
    now: Bill
    steady: Bill
    at_most: Bill | None
    rollout: Mapping[str, Any] | None
    prices_as_of: str
    prices_region: str
    prices_source: str


def prices_of(aws: Aws) -> PriceList:
    """The stack's own price list over the one that comes with Slipway.

    Raises:
        UsageError: the stack's price parameter cannot be read as a price list.
    """
    name = f"/{aws.stack}/prices"
    with translated():
        try:
            text = aws.ssm.get_parameter(Name=name)["Parameter"].get("Value", "")
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return built_in_prices()
            raise
    try:
        return parse_prices(text).over(built_in_prices())
    except ValueError as error:
        raise UsageError(f"the price list in {name} cannot be read: {error}; mend that parameter") from error


def bill_of(instances: Mapping[str, int], prices: PriceList) -> Bill:
    try:
        hour = sum((prices.of(kind) * count for kind, count in instances.items()), Decimal(0))
    except UnknownPriceError as unknown:
        return Bill(instances, None, None, str(unknown))
    return Bill(instances, to_cents(hour), to_cents(hour * HOURS_OF_A_MONTH))


def bill_of_config(config: Mapping[str, Any], prices: PriceList, *, count: str = "instanceCount") -> Bill:
    """Args: count: the config's field with the number of instances."""
    return bill_of({config["instanceTypes"][0]: int(config[count])}, prices)


def billed_now(fleets: Fleets | None) -> tuple[dict[str, int], dict[str, int]]:
    """Instances by type of the fleet that serves, and of both fleets together."""
    if fleets is None:
        return {}, {}
    steady = dict(fleets.blue.instance_types) if fleets.blue else {}
    both = dict(steady)
    for kind, count in (fleets.green.instance_types if fleets.green else {}).items():
        both[kind] = both.get(kind, 0) + count
    return steady, both
