"""The events of an endpoint's life, held to the contract and told in order."""

import json
from pathlib import Path
from typing import Any

import jsonschema

from tests.integration.sagemaker.conftest import Aws

CONTRACTS = Path(__file__).parents[3] / "events" / "aws"
STATE = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"


def told(aws: Aws) -> list[tuple[str, str, str, str | None]]:
    """Every event's kind, status, config and stage of the first pending variant."""
    return [
        (kind, detail["EndpointStatus"], detail["EndpointConfigName"], _stage(detail)) for kind, detail in aws.events
    ]


def _stage(detail: dict[str, Any]) -> str | None:
    pending = detail.get("PendingDeploymentSummary", {"ProductionVariants": [{}]})
    statuses = pending["ProductionVariants"][0].get("VariantStatus", [{"Status": None}])
    stage: str | None = statuses[0]["Status"]
    return stage


def test_every_change_is_told_in_the_spelling_of_events(aws: Aws) -> None:
    aws.alarm("guard")
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), alarm="guard")
    aws.settled()
    aws.sagemaker.delete_endpoint(EndpointName="chat")
    aws.until(lambda: not aws.sagemaker.list_endpoints()["Endpoints"])

    assert told(aws) == [
        (STATE, "CREATING", "one", "Creating"),
        (STATE, "IN_SERVICE", "one", None),
        (STATE, "UPDATING", "one", "Creating"),
        (DEPLOYMENT, "UPDATING", "one", "Creating"),
        (DEPLOYMENT, "UPDATING", "one", "Creating"),
        (DEPLOYMENT, "UPDATING", "one", "ActivatingTraffic"),
        (DEPLOYMENT, "UPDATING", "one", "ActivatingTraffic"),  # and blue is Deleting
        (STATE, "IN_SERVICE", "two", None),
        (DEPLOYMENT, "IN_SERVICE", "two", None),
        (STATE, "DELETING", "two", None),
    ]


def test_a_rollback_is_told_and_ends_on_the_old_config(aws: Aws) -> None:
    aws.alarm("guard")
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600, alarm="guard")
    aws.until(aws.baking)

    aws.alarm("guard", "ALARM")

    aws.settled()
    assert told(aws)[-4:] == [
        (DEPLOYMENT, "UPDATING", "one", "Baking"),
        (DEPLOYMENT, "UPDATING", "one", "Deleting"),
        (STATE, "IN_SERVICE", "one", None),
        (DEPLOYMENT, "IN_SERVICE", "one", None),
    ]


def test_events_keep_the_contract(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"))
    aws.settled()

    files = {STATE: "sagemaker-endpoint-state-change", DEPLOYMENT: "sagemaker-endpoint-deployment-state-change"}
    for kind, detail in aws.events:
        schema = json.loads((CONTRACTS / f"{files[kind]}.schema.json").read_text())
        jsonschema.validate(detail, schema["properties"]["detail"])
    assert {kind for kind, _ in aws.events} == set(files)
