"""What an invocation adds to CloudWatch.

Names and units: "SageMaker AI endpoint invocation metrics" of SageMaker's guide.
"""

from datetime import UTC, datetime

import pytest

from local.sagemaker.data_plane.metrics import Invocation, metric_data

AT = datetime(2026, 11, 23, 12, 0, 1, 500, tzinfo=UTC)
BY_VARIANT = [{"Name": "EndpointName", "Value": "chat"}, {"Name": "VariantName", "Value": "v"}]
BY_CONFIG = [*BY_VARIANT, {"Name": "EndpointConfigName", "Value": "c"}]
UNITS = {
    "Invocations": "None",
    "InvocationsPerInstance": "None",
    "Invocation4XXErrors": "None",
    "Invocation5XXErrors": "None",
    "InvocationModelErrors": "None",
    "ModelLatency": "Microseconds",
    "OverheadLatency": "Microseconds",
}


def invocation(status: int, *, broken: bool = False, abandoned: bool = False, instances: int = 1) -> Invocation:
    return Invocation(
        *("chat", "v", "c", status),
        model_us=2000,
        overhead_us=30,
        at=AT,
        instances=instances,
        broken=broken,
        abandoned=abandoned,
    )


def samples(invocations: list[Invocation], metric: str) -> list[tuple[float, int]]:
    data = [datum for datum in metric_data(invocations) if datum["MetricName"] == metric]
    assert [datum["Dimensions"] for datum in data] == [BY_VARIANT, BY_CONFIG]
    assert data[0]["Values"] == data[1]["Values"]
    return list(zip(data[0]["Values"], data[0]["Counts"], strict=True))


def test_names_and_units_are_sagemakers() -> None:
    assert {datum["MetricName"]: datum["Unit"] for datum in metric_data([invocation(200)])} == UNITS


def test_without_invocations_there_is_nothing_to_publish() -> None:
    assert metric_data([]) == []


def test_every_request_is_a_sample_of_every_metric_so_that_averages_are_rates() -> None:
    seen = [invocation(200), invocation(200), invocation(404), invocation(500)]

    assert samples(seen, "Invocations") == [(1, 4)]
    assert samples(seen, "Invocation4XXErrors") == [(0, 3), (1, 1)]
    assert samples(seen, "Invocation5XXErrors") == [(0, 3), (1, 1)]
    assert samples(seen, "InvocationModelErrors") == [(0, 2), (1, 2)]
    assert samples(seen, "ModelLatency") == [(2000, 4)]


@pytest.mark.parametrize(("instances", "sent"), [(1, 1), (4, 0.25), (0, 1)])
def test_an_invocation_counts_its_share_of_the_active_instances(instances: int, sent: float) -> None:
    """1/numberOfInstances is sent on each request: ScalingPolicyMetric in the API reference."""
    assert samples([invocation(200, instances=instances)], "InvocationsPerInstance") == [(sent, 1)]


def test_no_answer_at_all_counts_as_5xx() -> None:
    assert samples([invocation(0, broken=True)], "Invocation5XXErrors") == [(1, 1)]


def test_an_answer_that_breaks_off_is_a_model_error_but_no_5xx() -> None:
    assert samples([invocation(200, broken=True)], "Invocation5XXErrors") == [(0, 1)]
    assert samples([invocation(200, broken=True)], "InvocationModelErrors") == [(1, 1)]


def test_a_client_that_left_is_no_error_of_the_model() -> None:
    gone = [invocation(0, abandoned=True)]

    assert samples(gone, "Invocations") == [(1, 1)]
    assert samples(gone, "Invocation5XXErrors") == [(0, 1)]
    assert samples(gone, "InvocationModelErrors") == [(0, 1)]


def test_more_values_than_a_datum_takes_are_spread_over_several() -> None:
    seen = [Invocation("chat", "v", "c", 200, number, 0, AT) for number in range(200)]

    sizes = [len(datum["Values"]) for datum in metric_data(seen) if datum["MetricName"] == "ModelLatency"]

    assert sizes == [150, 50, 150, 50]
