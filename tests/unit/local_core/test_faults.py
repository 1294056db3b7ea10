"""The board of faults: which one strikes, how often, and what is told of it."""

from collections.abc import Callable

import pytest

from local.faults import (
    ApiFailure,
    ApiFault,
    EndpointFailure,
    EndpointFault,
    EventFailure,
    EventFault,
    Fault,
    FaultBoard,
    FleetFailure,
    FleetFault,
    UnknownFaultError,
)


def test_a_fault_strikes_only_what_its_patterns_name() -> None:
    board = FaultBoard()
    fault = ApiFault(service="sagemaker", operation="Create*")
    board.set(fault)

    assert board.strike(ApiFault, service="sagemaker", operation="CreateModel", caller="x") == fault
    assert board.strike(ApiFault, service="sagemaker", operation="DescribeModel", caller="x") is None
    assert board.strike(ApiFault, service="states", operation="CreateModel", caller="x") is None
    assert board.strike(EventFault, source="aws.sagemaker") is None


def test_a_fault_lets_its_first_occasions_pass_and_is_spent_after_its_times() -> None:
    board = FaultBoard()
    fault_id = board.set(ApiFault(after=2, times=3))

    struck = [board.strike(ApiFault, service="s3") is not None for _ in range(7)]

    assert struck == [False, False, True, True, True, False, False]
    assert board.all()[fault_id][1] == 3


def test_a_place_gets_only_the_failures_that_it_can_carry_out() -> None:
    board = FaultBoard()
    board.set(FleetFault(failure=FleetFailure.SLOW, delay_s=3.0))

    assert board.strike(FleetFault, FleetFailure.NO_CAPACITY, endpoint="chat") is None
    found = board.strike(FleetFault, FleetFailure.SLOW, FleetFailure.HANGS, endpoint="chat")
    assert found is not None
    assert found.delay_s == 3.0


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (ApiFault, ApiFailure.LATE),
        (FleetFault, FleetFailure.SLOW),
        (EndpointFault, EndpointFailure.MAINTENANCE),
        (EndpointFault, EndpointFailure.OUT_OF_SERVICE),
        (EventFault, EventFailure.DELAYED),
    ],
)
def test_a_failure_that_is_nothing_but_a_delay_needs_one(kind: Callable[..., Fault], failure: str) -> None:
    with pytest.raises(ValueError, match=f"{failure} needs a delay_s above 0"):
        kind(failure=failure)


def test_what_a_place_does_not_know_fits_only_the_star() -> None:
    board = FaultBoard()
    board.set(ApiFault(caller="*role/judge*"))

    assert board.strike(ApiFault, service="s3", operation="GetObject") is None


def test_the_first_that_was_set_strikes_first_and_gives_way_when_spent() -> None:
    board = FaultBoard()
    first, second = ApiFault(times=1), ApiFault(failure=ApiFailure.DENIED)
    board.set(first)
    board.set(second)

    assert [board.strike(ApiFault), board.strike(ApiFault)] == [first, second]


def test_a_cleared_fault_strikes_no_more_and_an_unknown_one_is_named() -> None:
    board = FaultBoard()
    fault_id = board.set(ApiFault())
    board.set(EventFault())
    board.clear(fault_id)

    assert board.strike(ApiFault) is None
    with pytest.raises(UnknownFaultError, match=f"no fault {fault_id!r}; set are: fault-2"):
        board.clear(fault_id)
    board.clear()
    assert board.all() == {}
