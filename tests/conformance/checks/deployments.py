"""UpdateEndpoint: every traffic routing, its bounds, and what an update keeps of what serves."""

import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.conformance.case import LONG_S, SHORT_S, Case, blue_green, guarded, instances, percent, rolling
from tests.conformance.suite import Area
from tests.conformance.targets import Need

UPDATES = Area("blue/green")
BOUNDS = Area("deployment bounds")
KEPT = Area("retained properties")
ROLLING = Area("rolling")
BETWEEN_CALLS_S = 0.02
UPDATE = "API reference, UpdateEndpoint"
GUIDE = "developer guide, deployment-guardrails-blue-green"
ROUTING = "API reference, TrafficRoutingConfig"
DESCRIBE = "API reference, DescribeEndpoint"


def answers(c: Case, endpoint: str) -> Callable[[], set[str]]:
    """Everything that the endpoint has answered so far to calls one after the other; asking stops them."""
    seen: set[str] = set()
    over = threading.Event()

    def talk() -> None:
        while not over.is_set():
            try:
                seen.add(c.said(endpoint))
            except ClientError as error:
                seen.add(f"error: {error}")
            over.wait(BETWEEN_CALLS_S)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()

    def stop() -> set[str]:
        over.set()
        thread.join()
        return seen

    c.at_end(stop)
    return stop


def ends_on(c: Case, endpoint: str, config: str) -> dict[str, Any]:
    found = c.settled(endpoint)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", config), found.get("FailureReason")
    return found


@UPDATES.check(f"{UPDATE}, EndpointArn", Need.INSTANCES)
def an_update_is_answered_with_the_endpoints_arn(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    assert c.update(endpoint, green)["EndpointArn"] == c.target.arn("endpoint", endpoint)
    c.settled(endpoint)


@UPDATES.check(f"{UPDATE}: 'it sets the endpoint status to Updating'", Need.INSTANCES)
def an_update_is_first_updating_and_then_in_service(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    c.update(endpoint, green, blue_green(wait_s=SHORT_S))
    assert c.describe(endpoint)["EndpointStatus"] == "Updating"
    ends_on(c, endpoint, green)


@UPDATES.check(f"{UPDATE}: 'there is no availability loss'", Need.INSTANCES)
def an_update_without_a_policy_changes_the_model_and_fails_nobody(c: Case) -> None:
    models = [c.model(), c.model()]
    blue, green = (c.config(model) for model in models)
    endpoint = c.endpoint(blue)
    heard = answers(c, endpoint)
    c.update(endpoint, green)
    ends_on(c, endpoint, green)
    c.until(lambda: c.said(endpoint) == models[1], "green answers")
    assert heard() <= set(models)


@UPDATES.check(
    f"{DESCRIBE}, PendingDeploymentSummary, and EV's example of a canary: the old config still stands", Need.INSTANCES
)
def while_green_bakes_the_old_config_stands_and_the_new_is_pending(c: Case) -> None:
    blue, green = c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, blue_green(wait_s=LONG_S))
    c.baking(endpoint)
    found = c.describe(endpoint)
    assert found["EndpointConfigName"] == blue
    assert found["PendingDeploymentSummary"]["EndpointConfigName"] == green


@UPDATES.check(f"{DESCRIBE}, PendingDeploymentSummary: only while updating", Need.INSTANCES)
def after_an_update_nothing_is_pending(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    c.update(endpoint, green)
    assert "PendingDeploymentSummary" not in ends_on(c, endpoint, green)


@UPDATES.check(f"{DESCRIBE}, LastModifiedTime", Need.INSTANCES)
def an_update_is_a_modification(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    before = c.describe(endpoint)
    c.update(endpoint, green)
    after = ends_on(c, endpoint, green)
    assert after["CreationTime"] == before["CreationTime"]
    assert after["LastModifiedTime"] > before["LastModifiedTime"]


@UPDATES.check("API reference, PendingProductionVariantSummary and ProductionVariantStatus", Need.INSTANCES)
def a_pending_variant_tells_its_instances_and_stage(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    c.update(endpoint, green, blue_green(wait_s=LONG_S))
    c.baking(endpoint)
    (pending,) = c.describe(endpoint)["PendingDeploymentSummary"]["ProductionVariants"]
    assert (pending["DesiredInstanceCount"], pending["CurrentInstanceCount"]) == (1, 1)
    assert pending["VariantStatus"][0]["StartTime"].tzinfo


@UPDATES.check(
    f"{GUIDE}-all-at-once: '100% of the traffic is shifted to the green fleet' before it bakes", Need.INSTANCES
)
def all_at_once_only_green_answers_while_it_bakes(c: Case) -> None:
    green_model = c.model()
    endpoint, green = c.endpoint(), c.config(green_model)
    c.update(endpoint, green, blue_green(wait_s=LONG_S))
    c.baking(endpoint)
    assert {c.said(endpoint) for _ in range(20)} == {green_model}


@UPDATES.check(f"{GUIDE}-all-at-once, baking period", Need.INSTANCES)
def an_update_with_a_bake_is_seen_baking(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    c.update(endpoint, green, blue_green(wait_s=SHORT_S))
    c.baking(endpoint)
    ends_on(c, endpoint, green)


@UPDATES.check(f"{GUIDE}-canary: the canary takes a portion of the traffic, blue the rest", Need.INSTANCES)
def under_a_canary_both_fleets_answer(c: Case) -> None:
    models = [c.model(), c.model()]
    blue, green = (c.config(model, InitialInstanceCount=2) for model in models)
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, blue_green("CANARY", LONG_S, CanarySize=instances(1)))
    c.baking(endpoint)
    # One instance in two gets the canary's half: 60 answers of one fleet alone have a chance of 2 in 2^60.
    assert {c.said(endpoint) for _ in range(60)} == set(models)


@UPDATES.check(f"{GUIDE}-canary: after the baking period all traffic shifts to green", Need.INSTANCES)
def a_canary_that_bakes_well_becomes_the_fleet(c: Case) -> None:
    model = c.model()
    endpoint = c.endpoint(c.config(InitialInstanceCount=2))
    green = c.config(model, InitialInstanceCount=2)
    c.update(endpoint, green, blue_green("CANARY", SHORT_S, CanarySize=percent(50)))
    c.baking(endpoint)
    ends_on(c, endpoint, green)
    assert {c.said(endpoint) for _ in range(10)} == {model}
    assert c.only_variant(endpoint)["CurrentInstanceCount"] == 2


@UPDATES.check(f"{GUIDE}-linear: traffic shifts in n steps, with a baking period in between", Need.INSTANCES)
def a_linear_update_reaches_green_in_steps(c: Case) -> None:
    models = [c.model(), c.model()]
    blue, green = (c.config(model, InitialInstanceCount=2) for model in models)
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, blue_green("LINEAR", 2 * SHORT_S, LinearStepSize=percent(50)))
    c.baking(endpoint)
    assert {c.said(endpoint) for _ in range(60)} == set(models)
    ends_on(c, endpoint, green)
    assert {c.said(endpoint) for _ in range(10)} == {models[1]}


@UPDATES.check("API reference, BlueGreenUpdatePolicy, TerminationWaitInSeconds: the old fleet waits", Need.INSTANCES)
def the_old_fleet_waits_to_be_terminated(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    policy = blue_green()
    policy["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] = LONG_S
    c.update(endpoint, green, policy)
    model = c.sagemaker.describe_endpoint_config(EndpointConfigName=green)["ProductionVariants"][0]["ModelName"]
    c.until(lambda: c.said(endpoint) == model, "green answers")
    assert c.describe(endpoint)["EndpointStatus"] == "Updating"


@UPDATES.check(f"{DESCRIBE}, LastDeploymentConfig", Need.INSTANCES)
def the_last_deployment_config_is_told(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config()
    c.update(endpoint, green, blue_green(wait_s=60))
    found = ends_on(c, endpoint, green)["LastDeploymentConfig"]
    traffic = found["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert traffic.items() >= {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}.items()


@UPDATES.check("developer guide, deployment-guardrails-exclusions: variant names must match", Need.INSTANCES)
def green_has_blues_variant_names(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config(VariantName="Another")
    with c.refused("ValidationException"):
        c.update(endpoint, green, blue_green(wait_s=60))


@UPDATES.check(f"{UPDATE}: a new fleet of the new config's instances", Need.INSTANCES)
def green_may_have_another_instance_type(c: Case) -> None:
    endpoint, green = c.endpoint(), c.config(InstanceType="ml.c5.large")
    c.update(endpoint, green)
    ends_on(c, endpoint, green)


def _bound(name: str, source: str, policy: dict[str, Any], count: int) -> None:
    """A policy that an endpoint of so many instances refuses."""

    def ask(c: Case) -> None:
        endpoint, green = c.endpoint(c.config(InitialInstanceCount=count)), c.config(InitialInstanceCount=count)
        with c.refused("ValidationException"):
            c.update(endpoint, green, policy)
        assert c.describe(endpoint)["EndpointStatus"] == "InService"

    BOUNDS.add(name, source, ask, Need.INSTANCES)


CANARY = f"{ROUTING}, CanarySize: 'less than or equal to 50% of the variant's total instance count'"
LINEAR = f"{ROUTING}, LinearStepSize: '10-50% of the variant's total instance count'"
BATCH = "API reference, RollingUpdatePolicy, MaximumBatchSize: 'between 5% to 50%'"
_bound("a canary of 51 % is refused", CANARY, blue_green("CANARY", 60, CanarySize=percent(51)), 2)
_bound("a canary of two instances in three is refused", CANARY, blue_green("CANARY", 60, CanarySize=instances(2)), 3)
_bound("a canary without a size is refused", f"{GUIDE}-canary: CanarySize is set", blue_green("CANARY", 60), 2)
_bound("a linear step of 9 % is refused", LINEAR, blue_green("LINEAR", 60, LinearStepSize=percent(9)), 2)
_bound("a linear step of 51 % is refused", LINEAR, blue_green("LINEAR", 60, LinearStepSize=percent(51)), 2)
_bound(
    "a linear step of two instances in three is refused",
    LINEAR,
    blue_green("LINEAR", 60, LinearStepSize=instances(2)),
    3,
)
_bound(
    "a linear update without a step is refused", f"{GUIDE}-linear: LinearStepSize is set", blue_green("LINEAR", 60), 2
)
_bound("a batch of 4 % is refused", BATCH, rolling(percent(4)), 2)
_bound("a batch of 51 % is refused", BATCH, rolling(percent(51)), 2)
_bound("a batch of two instances in three is refused", BATCH, rolling(instances(2)), 3)
_bound(
    "two policies at once are refused",
    "API reference, DeploymentConfig: 'Only one update policy should be used'",
    {**blue_green(), **rolling(percent(50))},
    2,
)


@BOUNDS.check(CANARY, Need.INSTANCES)
def a_canary_of_half_the_instances_is_taken(c: Case) -> None:
    endpoint, green = c.endpoint(c.config(InitialInstanceCount=2)), c.config(InitialInstanceCount=2)
    c.update(endpoint, green, blue_green("CANARY", 0, CanarySize=percent(50)))
    ends_on(c, endpoint, green)


@KEPT.check(f"{UPDATE}, RetainAllVariantProperties: 'The default is false'", Need.INSTANCES)
def an_update_takes_count_and_weight_from_the_new_config(c: Case) -> None:
    endpoint, green = c.endpoint(c.config(InitialInstanceCount=2)), c.config(InitialVariantWeight=5)
    c.update(endpoint, green)
    ends_on(c, endpoint, green)
    found = c.only_variant(endpoint)
    assert (found["CurrentInstanceCount"], found["CurrentWeight"]) == (1, 5.0)


def _changed(c: Case) -> str:
    """An endpoint with two instances and a weight of 3, of a config that says one and 1."""
    endpoint = c.endpoint()
    c.scale(endpoint, DesiredInstanceCount=2)
    c.settled(endpoint)
    c.scale(endpoint, DesiredWeight=3)
    c.settled(endpoint)
    return endpoint


@KEPT.check(f"{UPDATE}, RetainAllVariantProperties true", Need.INSTANCES)
def an_update_may_keep_count_and_weight(c: Case) -> None:
    endpoint, green = _changed(c), c.config(InitialVariantWeight=5)
    c.update(endpoint, green, RetainAllVariantProperties=True)
    ends_on(c, endpoint, green)
    found = c.only_variant(endpoint)
    assert (found["CurrentInstanceCount"], found["CurrentWeight"]) == (2, 3.0)


def _excluded(kind: str, expected: tuple[int, float]) -> None:
    def ask(c: Case) -> None:
        endpoint, green = _changed(c), c.config(InitialVariantWeight=5)
        excluded = [{"VariantPropertyType": kind}]
        c.update(endpoint, green, RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded)
        ends_on(c, endpoint, green)
        found = c.only_variant(endpoint)
        assert (found["CurrentInstanceCount"], found["CurrentWeight"]) == expected

    KEPT.add(f"{kind} may be taken from the new config", f"API reference, VariantProperty, {kind}", ask, Need.INSTANCES)


_excluded("DesiredInstanceCount", (1, 3.0))
_excluded("DesiredWeight", (2, 5.0))


@KEPT.check(f"{UPDATE}, RetainDeploymentConfig: 'reuse the last deployment configuration'", Need.INSTANCES)
def an_update_may_use_the_last_policy_again(c: Case) -> None:
    endpoint = c.endpoint()
    green = c.config()
    c.update(endpoint, green, blue_green(wait_s=SHORT_S))
    ends_on(c, endpoint, green)
    again = c.config()
    c.update(endpoint, again, RetainDeploymentConfig=True)
    c.baking(endpoint)
    ends_on(c, endpoint, again)


@ROLLING.check("developer guide, deployment-guardrails-rolling: batch by batch, then the new fleet", Need.INSTANCES)
def a_rolling_update_ends_with_the_new_fleet(c: Case) -> None:
    models = [c.model(), c.model()]
    blue, green = (c.config(model, InitialInstanceCount=2) for model in models)
    endpoint = c.endpoint(blue)
    heard = answers(c, endpoint)
    c.update(endpoint, green, rolling(percent(50)))
    ends_on(c, endpoint, green)
    assert {c.said(endpoint) for _ in range(10)} == {models[1]}
    assert heard() <= set(models)


@ROLLING.check(
    "API reference, RollingUpdatePolicy, WaitIntervalInSeconds: a baking period for each batch", Need.INSTANCES
)
def both_fleets_answer_while_a_batch_bakes(c: Case) -> None:
    models = [c.model(), c.model()]
    blue, green = (c.config(model, InitialInstanceCount=2) for model in models)
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, rolling(instances(1), LONG_S))
    c.baking(endpoint)
    assert {c.said(endpoint) for _ in range(60)} == set(models)


@ROLLING.check("developer guide, deployment-guardrails-rolling: an alarm rolls the update back", Need.INSTANCES)
def an_alarm_rolls_a_rolling_update_back(c: Case) -> None:
    alarm, models = c.alarm(), [c.model(), c.model()]
    blue, green = (c.config(model, InitialInstanceCount=2) for model in models)
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(rolling(percent(50), LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)
    assert {c.said(endpoint) for _ in range(10)} == {models[0]}
    assert c.only_variant(endpoint)["CurrentInstanceCount"] == 2
