"""Whether the account may have green beside blue.

SageMaker counts an account's instances by type and in all, over every endpoint; what other endpoints use of a quota is
theirs to change at any moment, and only UpdateEndpoint knows it. Blue and green of this endpoint are known, and a quota
that is too small for these two is too small whatever the others do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from release.domain.plan import Plan, Strategy, green_at_once

ALL_INSTANCES = "Number of instances across active endpoints"


@dataclass(frozen=True, slots=True)
class Demand:
    """`types` serve green, any of them; `blue` instances of `blue_type` serve now, 0 before the first release."""

    types: tuple[str, ...]
    blue_type: str
    blue: int


@dataclass(frozen=True, slots=True)
class Room:
    """Instances that the quotas leave for green, and the quota that leaves the fewest."""

    instances: int
    quota: str
    value: int


def quota_of_type(instance_type: str) -> str:
    """Service Quotas' name of it."""
    return f"{instance_type} for endpoint usage"


def room_for(demand: Demand, quotas: Mapping[str, int]) -> Room | None:
    """What the quotas leave beside blue; None if none of them is known.

    Args:
        quotas: applied values by name; a name that is missing has no quota in this account.
    """
    by_type = [room for kind in dict.fromkeys(demand.types) if (room := _of_type(kind, demand, quotas))]
    found = [_together(by_type)] if by_type else []
    if ALL_INSTANCES in quotas:
        found.append(Room(max(0, quotas[ALL_INSTANCES] - demand.blue), ALL_INSTANCES, quotas[ALL_INSTANCES]))
    return min(found, key=lambda room: room.instances, default=None)


def _of_type(kind: str, demand: Demand, quotas: Mapping[str, int]) -> Room | None:
    name = quota_of_type(kind)
    if name not in quotas:
        return None
    used = demand.blue if kind == demand.blue_type else 0
    return Room(max(0, quotas[name] - used), name, quotas[name])


def _together(rooms: list[Room]) -> Room:
    """An endpoint with instance pools takes what each of its types has left."""
    names = " and ".join(room.quota for room in rooms)
    return Room(sum(room.instances for room in rooms), names, sum(room.value for room in rooms))


def capacity_problem(plan: Plan, demand: Demand, room: Room | None, instance_count: int) -> str | None:
    """Why the account cannot have what the plan needs at once, and what to do; None if it can, as far as is known."""
    needed = green_at_once(plan, instance_count)
    if room is None or needed <= room.instances:
        return None
    beside = f"{needed} of green beside {demand.blue} of blue" if demand.blue else f"{needed} instances"
    found = f"the quota {room.quota!r} is {room.value} and this rollout needs {beside}"
    return f"{found}: {_way_out(plan, demand, room)}"


def _way_out(plan: Plan, demand: Demand, room: Room) -> str:
    raising = "request an increase in Service Quotas"
    if plan.strategy not in {Strategy.FIRST_RELEASE, Strategy.ROLLING} and demand.blue > 1 and room.instances:
        return f"{raising}, or let the strategy be auto or rolling, which replaces batch by batch"
    if demand.blue:
        return f"{raising}, or delete the endpoint and start the rollout again, which serves nobody meanwhile"
    return f"{raising}, or lower instanceCount"
