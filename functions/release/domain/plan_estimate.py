"""How long a plan takes and what it costs, before anything is created.

Billing, as SageMaker's guide on blue/green deployments tells it: both fleets for the whole update where it bakes or
shifts in parts, one fleet where all traffic moves at once and nothing bakes.
"""

from dataclasses import dataclass
from decimal import Decimal

from release.domain.plan import (
    BRING_UP_S,
    Plan,
    Strategy,
    expected_execution_s,
    green_at_once,
    max_execution_s,
    needed_execution_s,
    shifts,
    waits_s,
)
from release.domain.price import HOURS_OF_A_MONTH, Price, PriceList, UnknownPriceError, Usage, cost, to_cents

_PROBING_S = 60  # golden prompts against the preflight's one instance
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Fleets:
    """What is paid for.

    Args:
        green_types: the release's instance types in order of preference, one or more.
        blue_type: of what serves now; green's first where nobody knows.
        instance_count: of a first release; later the fleet keeps its size.
    """

    green_types: tuple[str, ...]
    blue_type: str
    instance_count: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: as a rule, and until SageMaker gives up. The preflight is in both."""

    expected_s: int
    at_most_s: int

    def sentence(self) -> str:
        return f"about {_minutes(self.expected_s)} min, {_minutes(self.at_most_s)} min at most"


@dataclass(frozen=True, slots=True)
class Estimate:
    """`gates` in their order: examine, preflight, bake. `price` is None for the reason `unpriced`."""

    shifts: int
    gates: tuple[str, ...]
    timing: Timing
    price: Price | None
    unpriced: str = ""

    def sentence(self) -> str:
        moves = "1 shift" if self.shifts == 1 else f"{self.shifts} shifts"
        dollars = self.price.sentence() if self.price else self.unpriced
        return f"{moves}, gates {', '.join(self.gates)}; {self.timing.sentence()}; {dollars}"


def _minutes(seconds: int) -> int:
    return -(-seconds // _MINUTE_S)


def gates_of(plan: Plan, *, preflight: bool) -> tuple[str, ...]:
    """A first release has nothing that it could bake beside."""
    baked = ("bake",) if waits_s(plan) and plan.strategy is not Strategy.FIRST_RELEASE else ()
    return ("examine", *(("preflight",) if preflight else ()), *baked)


def timing_of(plan: Plan, *, preflight: bool, bring_up_s: int) -> Timing:
    expected_s, at_most_s = expected_execution_s(plan), max_execution_s(plan, bring_up_s)
    if plan.strategy is Strategy.FIRST_RELEASE:
        at_most_s = needed_execution_s(plan, bring_up_s)  # CreateEndpoint has no limit of its own
    if "preflight" in gates_of(plan, preflight=preflight):
        alone_s = _preflight_s(bring_up_s)
        expected_s, at_most_s = expected_s + min(_preflight_s(BRING_UP_S), alone_s), at_most_s + alone_s
    return Timing(min(expected_s, at_most_s), at_most_s)


def _preflight_s(bring_up_s: int) -> int:
    return bring_up_s + _PROBING_S


def estimate_of(plan: Plan, fleets: Fleets, prices: PriceList, *, preflight: bool, bring_up_s: int) -> Estimate:
    """The whole estimate; an instance type without a price leaves the price open.

    Args:
        bring_up_s: seconds until instances serve or never will.
    """
    timing = timing_of(plan, preflight=preflight, bring_up_s=bring_up_s)
    gates = gates_of(plan, preflight=preflight)
    longest_alone_s = _preflight_s(bring_up_s)
    alone_s = (min(_preflight_s(BRING_UP_S), longest_alone_s), longest_alone_s) if "preflight" in gates else (0, 0)
    try:
        price = _price_of(plan, fleets, prices, timing, alone_s)
    except UnknownPriceError as unknown:
        return Estimate(shifts(plan), gates, timing, None, str(unknown))
    return Estimate(shifts(plan), gates, timing, price)


def _price_of(plan: Plan, fleets: Fleets, prices: PriceList, timing: Timing, alone_s: tuple[int, int]) -> Price:
    """As a rule with green's first type; at most with the dearest of them, for as long as SageMaker may take."""
    first, dearest = fleets.green_types[0], max(fleets.green_types, key=prices.of)
    expected = cost(_usages(plan, fleets, first, timing.expected_s, alone_s[0]), prices)
    at_most = cost(_usages(plan, fleets, dearest, timing.at_most_s, alone_s[1]), prices)
    hour = prices.of(first) * (plan.fleet_size or fleets.instance_count)
    month = to_cents(hour * Decimal(HOURS_OF_A_MONTH))
    return Price(expected, at_most, to_cents(hour), month, prices.as_of)


def _usages(plan: Plan, fleets: Fleets, green_type: str, whole_s: int, preflight_s: int) -> list[Usage]:
    """What is billed from the begin to the end. Blue is billed through the preflight too."""
    shift_s = whole_s - preflight_s
    green, size = green_at_once(plan, fleets.instance_count), plan.fleet_size
    alone = [Usage(green_type, 1, preflight_s), Usage(fleets.blue_type, size, preflight_s)]
    if not waits_s(plan) and plan.strategy in {Strategy.FIRST_RELEASE, Strategy.ALL_AT_ONCE}:
        return [*alone, Usage(green_type, green, shift_s)]
    if plan.strategy is Strategy.ROLLING:
        # Blue's instances become green's, batch by batch: half of the time each, and the batch beside them.
        half_s = -(-shift_s // 2)
        mixed = [Usage(fleets.blue_type, size, half_s), Usage(green_type, size, half_s)]
        return [*alone, *mixed, Usage(green_type, green, shift_s)]
    return [*alone, Usage(fleets.blue_type, size, shift_s), Usage(green_type, green, shift_s)]
