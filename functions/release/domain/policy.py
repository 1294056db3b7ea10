"""What an endpoint's owner allows: budgets, and times without releases. What cannot be decided is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from release.domain.price import Price


@dataclass(frozen=True, slots=True)
class Freeze:
    """No releases from `since`, included, to `until`, excluded; both aware.

    Raises:
        ValueError: it ends before it begins, and so would never hold.
    """

    since: datetime
    until: datetime
    reason: str

    def __post_init__(self) -> None:
        if self.until <= self.since:
            raise ValueError(
                f"the freeze {self.reason!r} ends at {self.until:%FT%TZ}, not after it begins at {self.since:%FT%TZ}"
            )


@dataclass(frozen=True, slots=True)
class Policy:
    """Dollars; None sets no limit."""

    rollout_dollars: Decimal | None = None
    month_dollars: Decimal | None = None
    freezes: tuple[Freeze, ...] = ()

    @property
    def has_budget(self) -> bool:
        return self.rollout_dollars is not None or self.month_dollars is not None


def policy_problems(policy: Policy, price: Price | None, unpriced: str, now: datetime) -> list[str]:
    """Why the policy does not allow a rollout now, one sentence each; empty if it does.

    A way back is never held by a policy: the caller does not ask for rollbacks.

    Args:
        price: None for the reason `unpriced`; a budget then refuses, because nobody can say that it is kept.
    """
    return [*_frozen(policy, now), *(_unpriced(policy, unpriced) if price is None else _over_budget(policy, price))]


def _frozen(policy: Policy, now: datetime) -> Iterator[str]:
    for freeze in policy.freezes:
        if freeze.since <= now < freeze.until:
            yield f"the endpoint is frozen until {freeze.until:%FT%TZ}: {freeze.reason}; start the rollout again then"


def _unpriced(policy: Policy, unpriced: str) -> Iterator[str]:
    if policy.has_budget:
        yield f"the endpoint has a budget and nobody can say whether it is kept: {unpriced}"


def _over_budget(policy: Policy, price: Price) -> Iterator[str]:
    budgets = (
        ("the rollout may cost", price.rollout_at_most, policy.rollout_dollars, "rolloutDollars"),
        ("the fleet costs", price.month, policy.month_dollars, "monthDollars"),
    )
    for what, dollars, limit, name in budgets:
        if limit is not None and dollars > limit:
            unit = " a month" if name == "monthDollars" else ""
            yield (
                f"{what} ${dollars:,}{unit} and the budget {name} is ${limit:,}: raise it in the settings, or plan "
                "fewer instances, a cheaper type or shorter waits"
            )
