"""The events of an endpoint's life, held to the contract and told in order."""

import json
from pathlib import Path

import jsonschema

from tests.integration.sagemaker.conftest import Aws

CONTRACTS = Path(__file__).parents[3] / "events" / "aws"
STATE = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"


def test_every_change_is_told_in_the_spelling_of_events(aws: Aws) -> None:
    aws.alarm("guard")
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), alarm="guard")
    aws.settled()
    aws.sagemaker.delete_endpoint(EndpointName="chat")

    told = [(kind, detail["EndpointStatus"], detail["EndpointConfigName"]) for kind, detail in aws.events]

    assert told == [
        (STATE, "CREATING", "one"),
        (STATE, "IN_SERVICE", "one"),
        (STATE, "UPDATING", "one"),
        (DEPLOYMENT, "UPDATING", "one"),
        (STATE, "IN_SERVICE", "two"),
        (DEPLOYMENT, "IN_SERVICE", "two"),
        (STATE, "DELETING", "two"),
    ]


def test_a_rollback_is_told_and_ends_on_the_old_config(aws: Aws) -> None:
    aws.alarm("guard")
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600, alarm="guard")
    aws.until(aws.baking)

    aws.alarm("guard", "ALARM")

    aws.settled()
    told = [(kind, detail["EndpointStatus"], detail["EndpointConfigName"]) for kind, detail in aws.events[-3:]]
    assert told == [
        (DEPLOYMENT, "ROLLING_BACK", "one"),
        (STATE, "IN_SERVICE", "one"),
        (DEPLOYMENT, "IN_SERVICE", "one"),
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
