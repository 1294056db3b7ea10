"""The events of deployments, held to the examples of the developer guide's page on SageMaker's events."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.twin import Twin

STATE = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"
# The members of the three examples, by hand from the page.
DETAIL = {
    "EndpointName",
    "EndpointArn",
    "EndpointConfigName",
    "ProductionVariants",
    "EndpointStatus",
    "CreationTime",
    "LastModifiedTime",
    "Tags",
}
VARIANT = {"VariantName", "CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount"}
PENDING = {"EndpointConfigName", "StartTime", "ProductionVariants"}
STATUS = {"Status", "StatusMessage", "StartTime"}


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path, scale=1000)
    twin.config("old", v=3)
    tags = [{"Key": "team", "Value": "chat"}]
    twin.call("CreateEndpoint", EndpointName="chat", EndpointConfigName="old", Tags=tags)
    twin.settled()
    twin.config("new", v=3)
    yield twin
    twin.stop()


def details(twin: Twin, kind: str) -> list[dict[str, Any]]:
    return [detail for detail_type, detail in twin.events if detail_type == kind]


def canary(wait_s: int = 600) -> dict[str, Any]:
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": wait_s, "CanarySize": size}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 600}}


def test_a_state_change_has_the_members_of_the_example(twin: Twin) -> None:
    in_service = details(twin, STATE)[-1]

    assert set(in_service) == DETAIL
    assert in_service["EndpointStatus"] == "IN_SERVICE"
    assert in_service["Tags"] == {"team": "chat"}
    assert [set(variant) for variant in in_service["ProductionVariants"]] == [VARIANT]


def test_times_are_milliseconds_since_the_epoch(twin: Twin) -> None:
    described, told = twin.describe(), details(twin, STATE)[-1]

    assert told["CreationTime"] == int(described["CreationTime"] * 1000)
    assert isinstance(told["LastModifiedTime"], int)


def test_a_canary_that_bakes_is_told_as_in_the_example(twin: Twin) -> None:
    twin.update("new", canary())
    twin.until(lambda: twin.stage()[0] == "Baking" and "canary" in twin.stage()[1])

    told = details(twin, DEPLOYMENT)[-1]
    (pending,) = told["PendingDeploymentSummary"]["ProductionVariants"]
    (status,) = pending["VariantStatus"]
    assert set(told) == DETAIL | {"PendingDeploymentSummary"}
    assert set(told["PendingDeploymentSummary"]) == PENDING
    assert set(pending) == VARIANT | {"VariantStatus"}
    assert set(status) == STATUS
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("UPDATING", "old")
    assert told["PendingDeploymentSummary"]["EndpointConfigName"] == "new"
    assert status["StatusMessage"] == (
        "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."
    )
    assert isinstance(status["StartTime"], int)


def test_every_stage_of_a_deployment_is_told_in_order(twin: Twin) -> None:
    twin.update("new", canary(wait_s=20))
    twin.settled()

    told = [
        (status["Status"], status["StatusMessage"])
        for detail in details(twin, DEPLOYMENT)
        for variant in detail.get("PendingDeploymentSummary", {"ProductionVariants": []})["ProductionVariants"]
        for status in variant["VariantStatus"]
    ]
    assert list(dict.fromkeys(told)) == [
        ("Creating", "Launching 3 instance(s)."),
        ("ActivatingTraffic", "Activating traffic on canary capacity of 1 instance(s)."),
        (
            "Baking",
            "Baking for 20 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s).",
        ),
        ("ActivatingTraffic", "Activating traffic on full capacity of 3 instance(s)."),
        (
            "Baking",
            "Baking for 20 seconds (WaitIntervalInSeconds) with traffic enabled on full capacity of 3 instance(s).",
        ),
        (
            "Baking",
            "Baking for 600 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 3 instance(s).",
        ),
    ]
    blue = [d["ProductionVariants"][0].get("VariantStatus", [{}])[0] for d in details(twin, DEPLOYMENT)]
    assert [status.get("StatusMessage") for status in blue if status] == ["Terminating 3 instance(s)."]


def test_new_capacity_on_the_same_config_is_told_as_in_the_example(twin: Twin) -> None:
    twin.scale(DesiredInstanceCount=6)
    twin.settled()

    told = [detail for detail in details(twin, DEPLOYMENT) if detail["EndpointStatus"] == "UPDATING"][-1]
    (variant,) = told["ProductionVariants"]
    assert set(told) == DETAIL
    assert variant["VariantStatus"][0]["Status"] == "Updating"
    assert variant["VariantStatus"][0]["StatusMessage"] == "Scaling out desired instance count to 6."


def test_an_update_without_a_policy_sends_no_deployment_events(twin: Twin) -> None:
    """The guide sends them where deployment guardrails apply."""
    twin.update("new")
    twin.settled()

    assert not details(twin, DEPLOYMENT)
