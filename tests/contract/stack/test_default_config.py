"""The config that functions get from the template's parameters is a config by its contract."""

import json
from typing import Any

import jsonschema
import pytest

from tests.contract.stack.documents import functions, overrides, resolve, schema, template

BOUNDED = {
    "InstanceCount": "instanceCount",
    "MaxInstanceCount": "maxInstanceCount",
    "StepPercent": "stepPercent",
    "StepWaitSeconds": "stepWaitSeconds",
    "BakeSeconds": "bakeSeconds",
    "StartupTimeoutSeconds": "startupTimeoutSeconds",
}


def environment_texts() -> list[Any]:
    variables = (each.get("Environment", {}).get("Variables", {}) for each in functions().values())
    return [each["DEFAULT_CONFIG"] for each in variables if "DEFAULT_CONFIG" in each]


def config(parameters: dict[str, str]) -> dict[str, Any]:
    defaults = {name: str(each.get("Default", "")) for name, each in template()["Parameters"].items()}
    parsed: dict[str, Any] = json.loads(resolve(environment_texts()[0], defaults | parameters))
    return parsed


def test_every_function_that_gets_the_config_gets_the_same() -> None:
    texts = {json.dumps(text) for text in environment_texts()}

    assert len(texts) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="the defaults"),
        *(pytest.param(overrides(name), id=f"environment {name}") for name in ("local", "dev", "prod")),
        pytest.param({"InstanceTypes": "ml.g5.4xlarge,ml.g6.4xlarge"}, id="two instance types"),
        pytest.param({"Preflight": "false", "Strategy": "canary"}, id="words and truth values"),
    ],
)
def test_the_config_fits_its_schema(parameters: dict[str, str]) -> None:
    jsonschema.validate(config(parameters), schema("release/config"))


def test_parameters_arrive_as_what_they_say() -> None:
    chosen = config({"InstanceTypes": "ml.g5.4xlarge,ml.g6.4xlarge", "BakeSeconds": "7", "Preflight": "false"})

    assert chosen["instanceTypes"] == ["ml.g5.4xlarge", "ml.g6.4xlarge"]
    assert chosen["bakeSeconds"] == 7
    assert chosen["preflight"] is False


def test_the_headline_fleet_is_the_default() -> None:
    chosen = config({})

    assert (chosen["instanceTypes"], chosen["instanceCount"], chosen["maxInstanceCount"]) == (["ml.g5.4xlarge"], 1, 5)


@pytest.mark.parametrize(("parameter", "field"), BOUNDED.items())
def test_a_number_has_the_same_bounds_in_the_template_and_in_the_contract(parameter: str, field: str) -> None:
    declared, contract = template()["Parameters"][parameter], schema("release/config")["properties"][field]

    assert (declared["MinValue"], declared["MaxValue"]) == (contract["minimum"], contract["maximum"])


def test_the_strategies_are_those_of_the_contract() -> None:
    contract = schema("release/config")["properties"]["strategy"]["enum"]

    assert template()["Parameters"]["Strategy"]["AllowedValues"] == contract
