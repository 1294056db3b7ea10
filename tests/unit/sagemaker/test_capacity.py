"""How many instances AWS has to give."""

import pytest

from local.clock import Clock
from local.faults import FaultBoard, FleetFailure, FleetFault
from local.sagemaker.capacity import Capacity, InsufficientCapacityError

G5, G6 = "ml.g5.4xlarge", "ml.g6.4xlarge"
# Source: the failure that aws/deep-learning-containers#6673 quotes from a real account.
REASON = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."


def patient() -> None:
    """Never interrupts."""


def take_first(capacity: Capacity, *instance_types: str, within_s: float = 0) -> int:
    return capacity.take_first(instance_types, clock=Clock(3600), within_s=within_s, interrupt=patient)


def test_more_than_there_is_cannot_be_taken_and_nothing_is() -> None:
    capacity = Capacity(FaultBoard(), {G5: 2})
    capacity.take(G5)

    with pytest.raises(InsufficientCapacityError, match=REASON):
        capacity.take(G5, 2)

    assert capacity.taken(G5) == 1


def test_what_comes_back_can_be_taken_again() -> None:
    capacity = Capacity(FaultBoard(), {G5: 1})
    capacity.take(G5)
    capacity.give_back(G5)

    capacity.take(G5)

    assert capacity.taken(G5) == 1


def test_a_type_without_a_limit_has_no_end() -> None:
    capacity = Capacity(FaultBoard(), {G5: 0})
    capacity.take(G6, 1000)

    capacity.limit(G5, None)
    capacity.take(G5, 1000)

    assert (capacity.taken(G5), capacity.taken(G6)) == (1000, 1000)


def test_giving_back_twice_is_a_mistake() -> None:
    capacity = Capacity(FaultBoard())
    capacity.take(G5)
    capacity.give_back(G5)

    with pytest.raises(ValueError, match=r"1 instances of ml\.g5\.4xlarge cannot come back: 0 are taken"):
        capacity.give_back(G5)


def test_a_fault_makes_a_type_look_empty_where_it_fits() -> None:
    faults = FaultBoard()
    faults.set(FleetFault(failure=FleetFailure.NO_CAPACITY, instance_type=G5, endpoint="chat"))
    capacity = Capacity(faults)

    capacity.take(G5, place={"endpoint": "other"})
    with pytest.raises(InsufficientCapacityError, match=REASON):
        capacity.take(G5, place={"endpoint": "chat"})


def test_a_type_without_instances_falls_to_the_next() -> None:
    # Source: InstancePool.Priority of the API reference: unavailable instances are sought in the next pool.
    capacity = Capacity(FaultBoard(), {G5: 1})

    assert [take_first(capacity, G5, G6) for _ in range(3)] == [0, 1, 1]
    assert (capacity.taken(G5), capacity.taken(G6)) == (1, 2)


def test_a_shortage_in_every_pool_is_waited_out_until_the_time_is_over() -> None:
    capacity = Capacity(FaultBoard(), {G5: 0})
    clock = Clock(36_000)
    began = clock.time()

    with pytest.raises(InsufficientCapacityError, match=REASON):
        capacity.take_first([G5], clock=clock, within_s=3600, interrupt=patient)

    assert clock.time() - began >= 3600


def test_an_instance_that_comes_free_in_time_is_taken() -> None:
    capacity = Capacity(FaultBoard(), {G5: 1})
    capacity.take(G5)
    looks: list[None] = []

    def give_back_at_the_second_look() -> None:
        looks.append(None)
        if len(looks) == 2:
            capacity.give_back(G5)

    position = capacity.take_first([G5], clock=Clock(3600), within_s=86_400, interrupt=give_back_at_the_second_look)

    assert position == 0
    assert capacity.taken(G5) == 1


def test_who_interrupts_the_search_ends_it() -> None:
    capacity = Capacity(FaultBoard(), {G5: 0})

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        capacity.take_first([G5], clock=Clock(), within_s=3600, interrupt=stop)
