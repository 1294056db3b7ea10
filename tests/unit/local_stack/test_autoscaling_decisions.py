"""What policies ask for, held to the examples and sentences of the Application Auto Scaling User Guide."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.autoscaling import steps, tracking
from local.autoscaling.decisions import NotScaled, Scale, Situation, decide
from local.autoscaling.records import Key, ScalableTarget, ScalingPolicy
from local.autoscaling.variants import Capacity
from local.sagemaker.errors import AwsError

KEY = Key("sagemaker", "endpoint/chat/variant/AllTraffic", "sagemaker:variant:DesiredInstanceCount")
NOW_S = 1000.0


# "Step adjustments": the guide's two policies, both with alarms on either side of a metric of 50.
OUT = {
    "AdjustmentType": "PercentChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 0},
        {"MetricIntervalLowerBound": 10, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 10},
        {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 30},
    ],
}
IN = {
    "AdjustmentType": "PercentChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": -10, "MetricIntervalUpperBound": 0, "ScalingAdjustment": 0},
        {"MetricIntervalLowerBound": -20, "MetricIntervalUpperBound": -10, "ScalingAdjustment": -10},
        {"MetricIntervalUpperBound": -20, "ScalingAdjustment": -30},
    ],
}


@pytest.mark.parametrize(
    ("config", "capacity", "value", "desired"),
    [
        pytest.param(OUT, 10, 60, 11, id="60 adds 10 percent of 10"),
        pytest.param(OUT, 11, 70, 14, id="70 adds 30 percent of 11, 3.3, rounded down"),
        pytest.param(OUT, 10, 59.9, 10, id="below 60 nothing changes"),
        pytest.param(IN, 14, 40, 13, id="40 removes 10 percent of 14, 1.4, rounded down"),
        pytest.param(IN, 13, 30, 10, id="30 removes 30 percent of 13, 3.9, rounded down"),
        pytest.param(IN, 13, 40.1, 13, id="above 40 nothing changes"),
    ],
)
def test_the_guides_steps(config: dict[str, Any], capacity: int, value: float, desired: int) -> None:
    assert steps.desired_capacity(config, capacity, value, 50) == desired


# "Scaling adjustment types": 12.7 is 12, .67 is 1, -.58 is -1, -6.67 is -6; and the example of MinAdjustmentMagnitude.
@pytest.mark.parametrize(
    ("capacity", "percent", "least", "desired"),
    [
        (127, 10, 0, 139),
        (67, 1, 0, 68),
        (58, -1, 0, 57),
        (667, -1, 0, 661),
        (4, 25, 2, 6),
    ],
)
def test_percentages_are_rounded_as_the_guide_says(capacity: int, percent: int, least: int, desired: int) -> None:
    config = {
        "AdjustmentType": "PercentChangeInCapacity",
        "MinAdjustmentMagnitude": least,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": percent}],
    }

    assert steps.desired_capacity(config, capacity, 1, 0) == desired


@pytest.mark.parametrize(
    ("kind", "adjustment", "desired"),
    [("ChangeInCapacity", 5, 8), ("ChangeInCapacity", -2, 1), ("ExactCapacity", 5, 5)],
)
def test_changes_and_exact_capacities_of_three(kind: str, adjustment: int, desired: int) -> None:
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": adjustment}

    assert steps.desired_capacity({"AdjustmentType": kind, "StepAdjustments": [step]}, 3, 1, 0) == desired


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ([(0, 10), (5, None)], "overlap"),
        ([(0, 10), (20, None)], "leave a gap"),
        ([(None, None)], "cannot both be left out"),
        ([(10, 0)], "must be greater than its lower bound"),
        ([(0, 10)], "without an upper bound"),
        ([(-10, 0)], "without a lower bound"),
        ([], "at least one step adjustment"),
    ],
)
def test_steps_that_do_not_fit_together_are_refused(bounds: list[tuple[Any, Any]], said: str) -> None:
    adjustments = [
        {
            "ScalingAdjustment": 1,
            **({} if low is None else {"MetricIntervalLowerBound": low}),
            **({} if high is None else {"MetricIntervalUpperBound": high}),
        }
        for low, high in bounds
    ]

    with pytest.raises(AwsError, match=said):
        steps.check_steps({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": adjustments})


# Target tracking: "adding capacity proportional to the metric value", rounded up so that the target is met.
@pytest.mark.parametrize(
    ("capacity", "value", "target", "desired"),
    [
        (1, 210, 70, 3),
        (1, 211, 70, 4),
        (2, 70, 70, 2),
        (10, 20, 50, 4),
        (3, 0, 50, 0),
        pytest.param(3, 1.1, 1.1, 3, id="what floats lose adds no instance"),
    ],
)
def test_target_tracking_is_proportional(capacity: int, value: float, target: float, desired: int) -> None:
    assert tracking.desired_capacity(capacity, value, target) == desired


@given(st.integers(1, 200), st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_what_target_tracking_asks_for_meets_the_target_and_one_less_would_not(
    capacity: int, value: float, target: float
) -> None:
    load = capacity * value
    desired = tracking.desired_capacity(capacity, value, target)

    assert desired >= 1
    assert load / desired <= target * (1 + 1e-6)
    assert desired == 1 or load / (desired - 1) >= target * (1 - 1e-6)


@pytest.mark.parametrize(("value", "towards"), [(71, 1), (70, 0), (63, 0), (62.9, -1)])
def test_scale_in_waits_for_more_than_ten_percent_below_the_target(value: float, towards: int) -> None:
    assert tracking.direction(value, 70) == towards


def target(**changes: Any) -> ScalableTarget:
    made = ScalableTarget(KEY, minimum=1, maximum=10, role_arn="r", created_s=0.0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def tracked(goal: float = 10, name: str = "p", **config: Any) -> ScalingPolicy:
    return ScalingPolicy(KEY, name, "TargetTrackingScaling", {"TargetValue": goal, **config}, 0.0, f"arn:{name}")


def situation(value: float, desired: int, scaled: ScalableTarget | None = None, **changes: Any) -> Situation:
    settings: dict[str, Any] = {
        "target": scaled or target(),
        "capacity": Capacity(desired, desired, "InService"),
        "value": value,
        "threshold": 10.0,
        "low_values": [(tracked(), value)],
        "now_s": NOW_S,
    }
    return Situation(**settings | changes)


@pytest.mark.parametrize(
    ("value", "desired", "decision"),
    [
        (30, 1, Scale(3, out=True)),
        (2, 4, Scale(1, out=False)),
        (10, 4, None),
        (900, 4, Scale(10, out=True)),
        (20, 10, NotScaled({"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 10, "CurrentCapacity": 10})),
        (1, 1, NotScaled({"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": 1})),
        (0, 1, NotScaled({"Code": "AlreadyAtMinCapacity", "MinCapacity": 1, "CurrentCapacity": 1})),
    ],
)
def test_a_tracked_target_moves_within_its_range(value: float, desired: int, decision: Any) -> None:
    assert decide(tracked(), situation(value, desired)) == decision


def test_suspended_directions_do_nothing() -> None:
    out = target(suspended=dict.fromkeys(target().suspended, False) | {"DynamicScalingOutSuspended": True})
    in_ = target(suspended=dict.fromkeys(target().suspended, False) | {"DynamicScalingInSuspended": True})

    assert decide(tracked(), situation(30, 1, out)) is None
    assert decide(tracked(), situation(2, 4, in_)) is None
    assert decide(tracked(), situation(30, 1, in_)) == Scale(3, out=True)


def test_an_endpoint_that_is_being_updated_is_left_alone() -> None:
    updating = Capacity(1, 1, "Updating")

    assert decide(tracked(), situation(30, 1, capacity=updating)) == NotScaled(
        {"Code": "TargetServicePutResourceAsUnscalable", "CurrentCapacity": 1}
    )


def test_a_larger_scale_out_counts_what_the_one_that_cools_down_has_added() -> None:
    """ "Define cooldown period": the capacity added by the initiating scale-out is part of the next one's."""
    policy = tracked()
    policy.base, policy.cooling_until_s = 1, NOW_S + 1

    same = decide(policy, situation(30, 3))  # the metric was measured with one instance still
    larger = decide(policy, situation(50, 3))
    policy.cooling_until_s = NOW_S
    after = decide(policy, situation(30, 3))

    assert isinstance(same, NotScaled)
    assert (larger, after) == (Scale(5, out=True), Scale(9, out=True))


def test_the_guides_step_of_two_and_then_of_three_adds_one_while_it_cools_down() -> None:
    config = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 2},
            {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
        ],
    }
    policy = ScalingPolicy(KEY, "s", "StepScaling", config, 0.0, "arn:s", base=4, cooling_until_s=NOW_S + 1)

    assert isinstance(decide(policy, situation(15, 6)), NotScaled)
    assert decide(policy, situation(25, 6)) == Scale(7, out=True)


def test_scale_in_waits_for_its_cooldown_and_scale_out_does_not() -> None:
    cooling = target(scaled_in_until_s=math.inf)

    assert decide(tracked(), situation(2, 4, cooling)) is None
    assert decide(tracked(), situation(30, 4, cooling)) == Scale(10, out=True)


def test_scale_in_needs_every_policy_to_be_ready_and_takes_the_largest_capacity() -> None:
    """ "Multiple scaling policies"."""
    other = tracked(100, "other")
    waiting = situation(2, 8, low_values=[(tracked(), 2.0), (other, None)])
    ready = situation(2, 8, low_values=[(tracked(), 2.0), (other, 50.0)])

    assert decide(tracked(), waiting) is None
    assert decide(tracked(), ready) == Scale(4, out=False)


def test_a_policy_that_may_not_scale_in_does_not() -> None:
    assert decide(tracked(DisableScaleIn=True), situation(2, 4)) is None


@given(st.integers(1, 10), st.floats(0, 1e4), st.integers(1, 10), st.integers(1, 10))
def test_no_decision_leaves_the_range(desired: int, value: float, minimum: int, maximum: int) -> None:
    ranged = target(minimum=min(minimum, maximum), maximum=max(minimum, maximum))
    decision = decide(tracked(), situation(value, desired, ranged))

    if isinstance(decision, Scale):
        assert ranged.minimum <= decision.count <= ranged.maximum
        assert (decision.count > desired) is decision.out
