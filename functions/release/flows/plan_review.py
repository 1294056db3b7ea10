"""What a plan needs, takes and costs, and who forbids it: quotas, SageMaker's bounds, budgets, freezes."""

from dataclasses import dataclass
from decimal import Decimal

from release.contracts.config import Config
from release.contracts.settings import PolicySettings
from release.contracts.table import EstimateItem, PriceItem, ReleaseItem, RolloutItem
from release.domain.gates import why_no_preflight
from release.domain.plan import Plan, time_problem
from release.domain.plan_capacity import ALL_INSTANCES, Demand, Room, capacity_problem, quota_of_type, room_for
from release.domain.plan_estimate import Estimate, Fleets, estimate_of
from release.domain.policy import Freeze, Policy, policy_problems
from release.domain.price import Price, PriceList, built_in_prices
from release.domain.turns import ROLLBACK
from release.errors import InvalidInputError
from release.flows.stamps import read_stamp
from release.ports import Clock, Policies, Prices, Quotas, ReleaseTable


@dataclass(frozen=True, slots=True)
class Findings:
    """`problems` hold one sentence each; empty: the plan may be carried out."""

    estimate: EstimateItem
    sentence: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanReview:
    table: ReleaseTable
    quotas: Quotas
    prices: Prices
    policies: Policies
    now: Clock

    def demand(self, release: ReleaseItem, blue: int) -> Demand:
        """What green may be and what serves now: the live release's first type, and green's where none is recorded."""
        types = release.config.instance_types
        endpoint = self.table.endpoint(release.endpoint)
        live_id = endpoint.live_release_id if endpoint else None
        live = self.table.release(release.endpoint, live_id) if live_id else None
        return Demand(types, live.config.instance_types[0] if live else types[0], blue)

    def room(self, demand: Demand) -> Room | None:
        names = {quota_of_type(kind) for kind in demand.types} | {ALL_INSTANCES}
        return room_for(demand, self.quotas.applied(names))

    def review(
        self, rollout: RolloutItem, release: ReleaseItem, plan: Plan, demand: Demand, room: Room | None
    ) -> Findings:
        """Estimate the plan and collect every reason against it.

        Raises:
            InvalidInputError: policy or prices cannot be read; what forbids nothing must say so.
        """
        config, way_back = release.config, rollout.kind == ROLLBACK
        left = room.instances if room else None
        estimate = estimate_of(
            plan,
            Fleets(demand.types, demand.blue_type, config.instance_count),
            self._prices(rollout),
            preflight=not why_no_preflight(plan, wanted=config.preflight, way_back=way_back, room=left),
            bring_up_s=config.bring_up_at_most_s,
        )
        bounds = (
            capacity_problem(plan, demand, room, config.instance_count),
            time_problem(plan),
            _count_problem(config),
        )
        # A way back must not be held by what its release once cost, nor by a calendar.
        forbidden = [] if way_back else self._forbidden(release.endpoint, estimate)
        problems = tuple(problem for problem in (*bounds, *forbidden) if problem)
        return Findings(_item(estimate), estimate.sentence(), problems)

    def _prices(self, rollout: RolloutItem) -> PriceList:
        try:
            return self.prices.current()
        except InvalidInputError:
            # Nor may a list that nobody can read hold a way back.
            if rollout.kind != ROLLBACK:
                raise
            return built_in_prices()

    def _forbidden(self, endpoint: str, estimate: Estimate) -> list[str]:
        policy = policy_of(self.policies.policy(endpoint))
        return policy_problems(policy, estimate.price, estimate.unpriced, self.now())


def policy_of(settings: PolicySettings) -> Policy:
    """Raises InvalidInputError: a freeze that never holds, or an instant that is in no calendar."""
    budget = settings.budget
    try:
        freezes = tuple(
            Freeze(read_stamp(one.since), read_stamp(one.until), one.reason) for one in settings.freezes or ()
        )
    except ValueError as error:
        raise InvalidInputError(f"the policy in the endpoint's settings cannot be read: {error}; mend it") from error
    return Policy(
        _dollars(budget.rollout_dollars if budget else None),
        _dollars(budget.month_dollars if budget else None),
        freezes,
    )


def _dollars(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _count_problem(config: Config) -> str | None:
    least, count, most = config.min_instance_count or 1, config.instance_count, config.max_instance_count
    if count > most:
        return (
            f"instanceCount is {count} and maxInstanceCount {most}, above which scaling may not go: "
            "lower the one or raise the other"
        )
    if least > most:
        return (
            f"minInstanceCount is {least} and maxInstanceCount {most}: scaling has no room; lower the one or raise "
            "the other"
        )
    return None


def _item(estimate: Estimate) -> EstimateItem:
    return EstimateItem.parse(
        {
            "shifts": estimate.shifts,
            "gates": list(estimate.gates),
            "expectedSeconds": estimate.timing.expected_s,
            "atMostSeconds": estimate.timing.at_most_s,
            **({"price": _price_item(estimate.price).wire()} if estimate.price else {}),
        }
    )


def _price_item(price: Price) -> PriceItem:
    return PriceItem(
        rollout_dollars=str(price.rollout),
        rollout_at_most_dollars=str(price.rollout_at_most),
        hour_dollars=str(price.hour),
        month_dollars=str(price.month),
        prices_as_of=price.as_of,
    )
