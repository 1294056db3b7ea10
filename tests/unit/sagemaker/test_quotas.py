"""The account's quotas: their names, their words, what counts against them."""

from collections import Counter

import pytest

from local.sagemaker.control.quotas import (
    ACTIVE_INSTANCES,
    ENDPOINT_CONFIGS,
    ENDPOINTS,
    INSTANCES_OF_AN_ENDPOINT,
    Demand,
    Quotas,
    UnknownQuotaError,
)
from local.sagemaker.errors import AwsError

G5, G6 = "ml.g5.4xlarge", "ml.g6.4xlarge"
G5_QUOTA, G6_QUOTA = f"{G5} for endpoint usage", f"{G6} for endpoint usage"


def quotas(**values: float) -> Quotas:
    names = {"g5": G5_QUOTA, "g6": G6_QUOTA, "active": ACTIVE_INSTANCES, "endpoint": INSTANCES_OF_AN_ENDPOINT}
    return Quotas(lambda: 0.0, {names[short]: value for short, value in values.items()})


def demand(count: int, *types: str) -> Demand:
    return Demand(types or (G5,), count)


def test_the_refusal_is_in_awss_words() -> None:
    with pytest.raises(AwsError) as caught:
        quotas(g5=2).check_instances(Counter({G5: 1}), [demand(2)])

    # Source: CreateEndpoint's answer in public error reports, as of ml.g6.48xlarge on a new account.
    assert caught.value.code == "ResourceLimitExceeded"
    assert caught.value.message == (
        "The account-level service limit 'ml.g5.4xlarge for endpoint usage' is 2 Instances, with current utilization "
        "of 1 Instances and a request delta of 2 Instances. Please use AWS Service Quotas to request an increase for "
        "this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota."
    )


@pytest.mark.parametrize(
    ("used", "demands", "refused"),
    [
        pytest.param(0, [demand(3)], False, id="all of it"),
        pytest.param(1, [demand(3)], True, id="one more than it"),
        pytest.param(3, [demand(0)], False, id="nothing more"),
        pytest.param(4, [demand(0)], False, id="nothing more, where more is in use than a lower quota allows"),
        pytest.param(0, [demand(2), demand(2)], True, id="two variants of one type together"),
        pytest.param(0, [demand(2), demand(2, G6)], False, id="two types apart"),
        pytest.param(3, [demand(3, G5, G6)], False, id="a pool without room and one with"),
        pytest.param(1, [demand(5, G5, G6)], False, id="the room of both pools"),
        pytest.param(1, [demand(6, G5, G6)], True, id="more than the room of both pools"),
        pytest.param(0, [demand(3), demand(4, G5, G6)], True, id="a pool whose room another variant takes"),
    ],
)
def test_instances_are_counted_by_type(used: int, demands: list[Demand], refused: bool) -> None:  # noqa: FBT001 - a table's cell
    def ask() -> None:
        quotas(g5=3, g6=3).check_instances(Counter({G5: used}), demands)

    if refused:
        with pytest.raises(AwsError, match=r"'ml\.g5\.4xlarge for endpoint usage' is 3 Instances"):
            ask()
    else:
        ask()


def test_all_types_together_have_a_quota_too() -> None:
    # Source: the same refusal with 'Number of instances across active endpoints' in public error reports.
    with pytest.raises(AwsError, match=r"'Number of instances across active endpoints' is 3 Instances, with .* of 2 "):
        quotas(active=3).check_instances(Counter({G5: 1, G6: 1}), [demand(1), demand(1, G6)])


@pytest.mark.parametrize("name", [ENDPOINTS, ENDPOINT_CONFIGS])
def test_a_limit_of_the_twin_alone_is_off_until_it_is_set(name: str) -> None:
    quotas().check_count(name, 10_000)

    with pytest.raises(AwsError, match=f"'{name}' is 2 {name}, with current utilization of 2 {name}"):
        Quotas(lambda: 0.0, {name: 2}).check_count(name, 2)


def test_one_endpoint_has_a_limit_where_it_is_set() -> None:
    quotas().check_endpoint(10_000)

    with pytest.raises(AwsError, match="'Instances of one endpoint' is 4 Instances"):
        quotas(endpoint=4).check_endpoint(5)


def test_service_quotas_hears_of_awss_quotas_alone() -> None:
    names = [quota.name for quota in quotas().published()]

    assert {G5_QUOTA, ACTIVE_INSTANCES} < set(names)
    assert not {ENDPOINTS, ENDPOINT_CONFIGS, INSTANCES_OF_AN_ENDPOINT} & set(names)


def test_codes_are_awss_where_they_are_known_and_differ_everywhere() -> None:
    found = {quota.name: quota.code for quota in quotas().published()}

    # Source: `aws service-quotas list-service-quotas --service-code sagemaker` in us-east-1, in public audits.
    assert found[G5_QUOTA] == "L-C1B9A48D"
    assert found["ml.g6e.2xlarge for endpoint usage"] == "L-F8D7F460"
    assert found[ACTIVE_INSTANCES] == "L-7A3DF611"
    assert len(set(found.values())) == len(found)


def test_a_change_counts_from_its_time_on() -> None:
    time = 0.0
    changing = Quotas(lambda: time, {G5_QUOTA: 1})
    changing.set(G5_QUOTA, 4, since=60.0)

    before, time = changing.value(G5_QUOTA), 60.0

    assert (before, changing.value(G5_QUOTA)) == (1, 4)


@pytest.mark.parametrize("name", ["ml.g5.4xlarge", "ml.g5.9000xlarge for endpoint usage"])
def test_a_quota_that_nobody_has_cannot_be_set(name: str) -> None:
    with pytest.raises(UnknownQuotaError, match=name):
        Quotas(lambda: 0.0, {name: 1})


def test_no_quota_has_this_code() -> None:
    with pytest.raises(UnknownQuotaError, match="L-00000000"):
        quotas().by_code("L-00000000")
