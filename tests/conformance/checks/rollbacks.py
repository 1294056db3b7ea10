"""Rollbacks: by alarm, by a fleet that does not come up, and what a caller sees of them."""

from typing import Any

from botocore.exceptions import ClientError

from tests.conformance.case import LONG_S, SHORT_S, Case, blue_green, guarded, instances
from tests.conformance.checks.deployments import answers, ends_on
from tests.conformance.suite import Area
from tests.conformance.targets import RARE_TYPE, Need

AREA = Area("rollback")
ALARMS = "API reference, AutoRollbackConfig: 'If any alarms are tripped during a deployment, SageMaker rolls back'"
SILENT = "terraform-provider-aws#39099 and #48997: InService on the old config after an update that failed"
GUIDE = "developer guide, deployment-guardrails-configuration"


def refusal(c: Case, endpoint: str, config: str, policy: dict[str, Any]) -> str:
    """The code that the call fails with; empty if it succeeds."""
    try:
        c.update(endpoint, config, policy)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@AREA.check(ALARMS, Need.INSTANCES)
def an_alarm_in_the_bake_brings_blue_back(c: Case) -> None:
    alarm, models = c.alarm(), [c.model(), c.model()]
    blue, green = (c.config(model) for model in models)
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green(wait_s=LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)
    assert {c.said(endpoint) for _ in range(10)} == {models[0]}


@AREA.check(f"{GUIDE}: up to 10 alarms, any of which rolls back", Need.INSTANCES)
def the_second_of_two_alarms_counts_as_well(c: Case) -> None:
    alarms, blue, green = [c.alarm(), c.alarm()], c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green(wait_s=LONG_S), *alarms))
    c.baking(endpoint)
    c.set_alarm(alarms[1], "ALARM")
    ends_on(c, endpoint, blue)


@AREA.check("developer guide, deployment-guardrails-blue-green-canary: an alarm in the canary's bake", Need.INSTANCES)
def an_alarm_brings_a_canary_back(c: Case) -> None:
    alarm = c.alarm()
    blue, green = (c.config(InitialInstanceCount=2) for _ in range(2))
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green("CANARY", LONG_S, CanarySize=instances(1)), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)


@AREA.check("developer guide, deployment-guardrails-blue-green-linear: an alarm in a step's bake", Need.INSTANCES)
def an_alarm_brings_a_linear_update_back(c: Case) -> None:
    alarm = c.alarm()
    blue, green = (c.config(InitialInstanceCount=2) for _ in range(2))
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green("LINEAR", LONG_S, LinearStepSize=instances(1)), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)


@AREA.check("developer guide, deployment-guardrails-blue-green: blue serves until green is proved", Need.INSTANCES)
def a_rollback_fails_nobody(c: Case) -> None:
    alarm, models = c.alarm(), [c.model(), c.model()]
    blue, green = (c.config(model) for model in models)
    endpoint = c.endpoint(blue)
    heard = answers(c, endpoint)
    c.update(endpoint, green, guarded(blue_green(wait_s=LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)
    assert heard() <= set(models)


@AREA.check(SILENT, Need.INSTANCES)
def boto3s_waiter_takes_a_rollback_for_a_success(c: Case) -> None:
    alarm, blue, green = c.alarm(), c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green(wait_s=LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    pace = {"Delay": 1, "MaxAttempts": 600}
    c.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=endpoint, WaiterConfig=pace)
    assert c.describe(endpoint)["EndpointConfigName"] == blue


@AREA.check("API reference, DescribeEndpoint, PendingDeploymentSummary", Need.INSTANCES)
def after_a_rollback_nothing_is_pending(c: Case) -> None:
    alarm, blue, green = c.alarm(), c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green(wait_s=LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    assert "PendingDeploymentSummary" not in ends_on(c, endpoint, blue)


@AREA.check(SILENT, Need.INSTANCES)
def a_green_that_never_answers_pings_leaves_blue(c: Case) -> None:
    model = c.model()
    blue = c.config(model)
    endpoint = c.endpoint(blue)
    c.update(endpoint, c.config(c.model(START="exit"), ContainerStartupHealthCheckTimeoutInSeconds=60))
    ends_on(c, endpoint, blue)
    assert c.said(endpoint) == model


@AREA.check(SILENT, Need.INSTANCES)
def an_endpoint_may_be_updated_after_a_rollback(c: Case) -> None:
    alarm, blue = c.alarm(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, c.config(), guarded(blue_green(wait_s=LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)
    better = c.config()
    c.update(endpoint, better)
    assert "FailureReason" not in ends_on(c, endpoint, better)


@AREA.check(f"{ALARMS}; whether the call or the deployment fails is not documented", Need.INSTANCES)
def an_alarm_before_the_update_keeps_blue(c: Case) -> None:
    alarm, blue, green = c.alarm("ALARM"), c.config(), c.config()
    endpoint = c.endpoint(blue)
    assert refusal(c, endpoint, green, guarded(blue_green(wait_s=SHORT_S), alarm)) in {"", "ValidationException"}
    ends_on(c, endpoint, blue)


@AREA.check(f"{GUIDE}: the alarms exist; whether the call or the deployment fails is not documented", Need.INSTANCES)
def an_alarm_that_does_not_exist_keeps_blue(c: Case) -> None:
    blue, green = c.config(), c.config()
    endpoint = c.endpoint(blue)
    assert refusal(c, endpoint, green, guarded(blue_green(wait_s=SHORT_S), c.name("absent"))) in {
        "",
        "ValidationException",
    }
    ends_on(c, endpoint, blue)


@AREA.check(f"{ALARMS}: the deployment's own alarms and no others", Need.INSTANCES)
def an_alarm_that_is_not_named_rolls_nothing_back(c: Case) -> None:
    c.alarm("ALARM")
    endpoint, green = c.endpoint(), c.config()
    c.update(endpoint, green, guarded(blue_green(wait_s=SHORT_S), c.alarm()))
    ends_on(c, endpoint, green)


@AREA.check(f"{ALARMS}: 'during a deployment'", Need.INSTANCES)
def an_alarm_after_the_deployment_rolls_nothing_back(c: Case) -> None:
    alarm, endpoint, green = c.alarm(), c.endpoint(), c.config()
    c.update(endpoint, green, guarded(blue_green(), alarm))
    ends_on(c, endpoint, green)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, green)


@AREA.check("developer guide, deployment-guardrails: without capacity for green the update fails", Need.FAULTS)
def a_green_without_capacity_leaves_blue(c: Case) -> None:
    blue = c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, c.config(InstanceType=RARE_TYPE, InitialInstanceCount=2))
    ends_on(c, endpoint, blue)


@AREA.check("API reference, DescribeEndpoint, FailureReason; aws/deep-learning-containers#6673", Need.FAULTS)
def a_first_fleet_without_capacity_fails_the_endpoint(c: Case) -> None:
    endpoint = c.create_endpoint(c.config(InstanceType=RARE_TYPE, InitialInstanceCount=2))
    found = c.settled(endpoint)
    assert found["EndpointStatus"] == "Failed"
    assert "capacity" in found["FailureReason"], found["FailureReason"]
