"""UpdateEndpointWeightsAndCapacities, variants and their share of the traffic, and quotas."""

from tests.conformance.case import VARIANT, Case
from tests.conformance.checks.deployments import ends_on
from tests.conformance.suite import Area
from tests.conformance.targets import SCARCE_TO_SCALE, SCARCE_TO_UPDATE, SCARCE_TYPE, Need

AREA = Area("weights and capacities")
QUOTAS = Area("quotas")
SCALE = "API reference, UpdateEndpointWeightsAndCapacities"
WEIGHT = "API reference, ProductionVariant, InitialVariantWeight"
LIMIT = "aws-samples/sagemaker-custom-project-templates#51, the refusal of a real account"
TEXT = r"^The account-level service limit '{} for endpoint usage' is 2 Instances, with current utilization of"


@AREA.check(f"{SCALE}, EndpointArn", Need.INSTANCES)
def a_change_of_capacity_is_answered_with_the_endpoints_arn(c: Case) -> None:
    endpoint = c.endpoint()
    assert c.scale(endpoint, DesiredInstanceCount=2)["EndpointArn"] == c.target.arn("endpoint", endpoint)
    c.settled(endpoint)


@AREA.check(f"{SCALE}: 'SageMaker sets the endpoint status to Updating'", Need.INSTANCES)
def a_change_of_capacity_is_first_updating(c: Case) -> None:
    endpoint = c.endpoint()
    c.scale(endpoint, DesiredInstanceCount=2)
    assert c.describe(endpoint)["EndpointStatus"] == "Updating"
    c.settled(endpoint)


@AREA.check(f"{SCALE}; ProductionVariantSummary", Need.INSTANCES)
def a_variant_grows(c: Case) -> None:
    endpoint = c.endpoint()
    c.scale(endpoint, DesiredInstanceCount=2)
    c.settled(endpoint)
    found = c.only_variant(endpoint)
    assert (found["CurrentInstanceCount"], found["DesiredInstanceCount"]) == (2, 2)
    assert len({c.facts(endpoint)["pid"] for _ in range(60)}) == 2 or c.target.url is None


@AREA.check(SCALE, Need.INSTANCES)
def a_variant_shrinks_and_serves_on(c: Case) -> None:
    endpoint = c.endpoint(c.config(InitialInstanceCount=2))
    c.scale(endpoint, DesiredInstanceCount=1)
    c.settled(endpoint)
    assert c.only_variant(endpoint)["CurrentInstanceCount"] == 1
    assert c.said(endpoint, b"hello") == "hello"


@AREA.check(
    "API reference, ProductionVariantSummary, DesiredInstanceCount: 'requested in the "
    "UpdateEndpointWeightsAndCapacities request'",
    Need.INSTANCES,
)
def while_a_variant_changes_what_was_requested_is_told(c: Case) -> None:
    endpoint = c.endpoint()
    c.scale(endpoint, DesiredInstanceCount=2)
    found = c.describe(endpoint)
    assert found["ProductionVariants"][0]["DesiredInstanceCount"] == 2, found["EndpointStatus"]
    c.settled(endpoint)


@AREA.check(
    "API reference, DescribeEndpoint, PendingDeploymentSummary: 'with a new endpoint configuration'", Need.INSTANCES
)
def a_change_of_capacity_is_no_deployment(c: Case) -> None:
    config = c.config()
    endpoint = c.endpoint(config)
    c.scale(endpoint, DesiredInstanceCount=2)
    found = c.describe(endpoint)
    assert "PendingDeploymentSummary" not in found
    ends_on(c, endpoint, config)


@AREA.check(f"{SCALE}: configs are immutable", Need.INSTANCES)
def a_change_of_capacity_leaves_the_config_as_it_was(c: Case) -> None:
    config = c.config()
    endpoint = c.endpoint(config)
    c.scale(endpoint, DesiredInstanceCount=2)
    c.settled(endpoint)
    found = c.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    assert found["ProductionVariants"][0]["InitialInstanceCount"] == 1


@AREA.check(f"{SCALE}, DesiredWeight", Need.INSTANCES)
def a_weight_changes_alone(c: Case) -> None:
    endpoint = c.endpoint()
    c.scale(endpoint, DesiredWeight=2.5)
    c.settled(endpoint)
    found = c.only_variant(endpoint)
    assert (found["CurrentWeight"], found["DesiredWeight"], found["CurrentInstanceCount"]) == (2.5, 2.5, 1)


@AREA.check(f"{SCALE}, DesiredWeightsAndCapacities: variants of the endpoint", Need.INSTANCES)
def a_variant_that_does_not_exist_is_not_scaled(c: Case) -> None:
    endpoint = c.endpoint()
    with c.refused("ValidationException"):
        c.scale(endpoint, VariantName="Another", DesiredInstanceCount=2)
    assert c.describe(endpoint)["EndpointStatus"] == "InService"


@AREA.check("API reference, InvokeEndpoint, TargetVariant: it overrides the weights", Need.INSTANCES)
def a_caller_may_choose_the_variant(c: Case) -> None:
    endpoint = c.endpoint(c.two_variants(InitialVariantWeight=0))
    for variant in ("one", "two"):
        assert c.invoke(endpoint, TargetVariant=variant)["InvokedProductionVariant"] == variant
    with c.refused("ValidationError"):
        c.invoke(endpoint, TargetVariant="three")


@AREA.check(f"{WEIGHT}: 'the ratio of the VariantWeight to the sum of all'", Need.INSTANCES)
def a_variant_without_weight_gets_no_traffic(c: Case) -> None:
    endpoint = c.endpoint(c.two_variants(InitialVariantWeight=0))
    assert {c.invoke(endpoint)["InvokedProductionVariant"] for _ in range(30)} == {"two"}


@AREA.check(f"{WEIGHT}: 'the ratio of the VariantWeight to the sum of all'", Need.INSTANCES)
def variants_get_traffic_by_their_weight(c: Case) -> None:
    endpoint = c.endpoint(c.two_variants(InitialVariantWeight=3))
    one = sum(c.invoke(endpoint)["InvokedProductionVariant"] == "one" for _ in range(200))
    # Binomial with 200 and 3/4: mean 150, deviation 6.1; outside of five deviations once in 1.7 million runs.
    assert 119 <= one <= 181, f"{one} of 200 calls went to the variant with three quarters of the weight"


@AREA.check(f"{SCALE}, DesiredWeight of one of two variants", Need.INSTANCES)
def a_change_of_weight_moves_the_traffic(c: Case) -> None:
    endpoint = c.endpoint(c.two_variants())
    c.scale(endpoint, VariantName="one", DesiredWeight=0)
    c.settled(endpoint)
    assert {c.invoke(endpoint)["InvokedProductionVariant"] for _ in range(30)} == {"two"}


@QUOTAS.check(LIMIT, Need.KNOWN_QUOTA)
def an_endpoint_beyond_the_quota_is_refused(c: Case) -> None:
    config = c.config(InstanceType=SCARCE_TYPE, InitialInstanceCount=3)
    with c.refused("ResourceLimitExceeded", TEXT.format(SCARCE_TYPE)):
        c.create_endpoint(config)


@QUOTAS.check(f"{LIMIT}; developer guide, blue/green: both fleets stand", Need.KNOWN_QUOTA)
def green_beside_blue_needs_quota_for_both(c: Case) -> None:
    first, second = (c.config(InstanceType=SCARCE_TO_UPDATE, InitialInstanceCount=count) for count in (1, 2))
    endpoint = c.endpoint(first)
    with c.refused("ResourceLimitExceeded"):
        c.update(endpoint, second)
    ends_on(c, endpoint, first)


@QUOTAS.check(LIMIT, Need.KNOWN_QUOTA)
def scaling_out_beyond_the_quota_is_refused(c: Case) -> None:
    endpoint = c.endpoint(c.config(InstanceType=SCARCE_TO_SCALE))
    with c.refused("ResourceLimitExceeded"):
        c.scale(endpoint, VariantName=VARIANT, DesiredInstanceCount=3)


@QUOTAS.check("API reference, CreateEndpointConfig: it launches nothing, so no quota of instances counts")
def a_config_beyond_the_quota_may_be_made(c: Case) -> None:
    c.config(InstanceType=SCARCE_TYPE, InitialInstanceCount=1000)
