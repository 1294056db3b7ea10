"""The templates are what CloudFormation, the SAM transform and the people who deploy them expect."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.cloudformation.definition import needs
from tests.contract.stack.documents import ROOT, TEMPLATES, functions, of_type, overrides, samconfig, template

ENVIRONMENTS = ("local", "dev", "prod")


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The template after the SAM transform, with local paths packaged."""
    document = yaml_parse((ROOT / "template.yaml").read_text())  # type: ignore[no-untyped-call] # ships no types
    document["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://bucket/machine.asl.yaml"
        if resource["Type"] == "AWS::Serverless::Application":
            resource["Properties"]["Location"] = "https://s3.amazonaws.com/bucket/child.yaml"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    transformed: dict[str, Any] = translator.translate(document, parameter_values={})
    return transformed


def test_the_sam_transform_takes_the_template_without_asking_aws(plain: dict[str, Any]) -> None:
    left = [name for name, each in plain["Resources"].items() if each["Type"].startswith("AWS::Serverless::")]

    assert left == []
    assert len(of_type(plain, "AWS::Lambda::Function")) == len(functions())


def test_every_reference_of_the_transformed_template_names_something_in_it(plain: dict[str, Any]) -> None:
    known = set(plain["Resources"]) | set(plain["Parameters"])

    assert {name for name in _references(plain) if not name.startswith("AWS::")} <= known


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    match node:
        case {"Ref": name}:
            return {name}
        case {"Fn::GetAtt": attribute}:
            return {attribute.split(".")[0] if isinstance(attribute, str) else attribute[0]}
    return set().union(*map(_references, node.values()))


def test_cfn_lint_finds_nothing_in_the_templates() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *TEMPLATES],
        cwd=ROOT,
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr


def test_the_stack_tells_exactly_what_people_and_the_client_need() -> None:
    assert set(template()["Outputs"]) == {
        "ArtifactBucketName",
        "ReleaseStateMachineArn",
        "RollbackStateMachineArn",
        "OperateStateMachineArn",
        "SweepStateMachineArn",
        "InferenceRepositoryUri",
        "ReleaseTableName",
        "ChatUrl",
    }


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_parameter_says_what_it_is_and_where_its_bounds_lie(name: str) -> None:
    bounds = {"AllowedPattern", "AllowedValues", "MaxLength", "MaxValue"}
    loose = [
        parameter
        for parameter, each in template(name).get("Parameters", {}).items()
        if not each.get("Description") or not (bounds & set(each) or "AWS::" in each["Type"])
    ]

    assert loose == []


@pytest.mark.parametrize("name", TEMPLATES[1:])
def test_a_nested_stack_takes_at_most_seven_parameters_and_gets_each_of_them(name: str) -> None:
    declared = set(template(name)["Parameters"])
    (given,) = [
        set(each["Parameters"])
        for each in of_type(template(), "AWS::Serverless::Application").values()
        if each["Location"] == name
    ]

    assert len(declared) <= 7
    assert given == declared


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_differs_from_another_in_declared_parameters_within_their_bounds(environment: str) -> None:
    declared = template()["Parameters"]

    assert [
        f"{name}={value}" for name, value in overrides(environment).items() if not _allows(declared[name], value)
    ] == []
    assert set(samconfig()[environment]) == {"global", "deploy"}


def _allows(parameter: dict[str, Any], value: str) -> bool:
    if "AllowedValues" in parameter:
        return value in map(str, parameter["AllowedValues"])
    if parameter["Type"] == "Number":
        return bool(parameter["MinValue"] <= int(value) <= parameter["MaxValue"])
    return bool(re.fullmatch(parameter.get("AllowedPattern", ".*"), value)) and len(value) <= 500


def test_everything_that_a_release_needs_later_outlives_the_stack() -> None:
    kept = ("ArtifactBucket", "ReleaseTable", "InferenceRepository")
    resources = template()["Resources"]

    assert {resources[name]["DeletionPolicy"] for name in kept} == {"RetainExceptOnCreate"}
    assert {resources[name]["UpdateReplacePolicy"] for name in kept} == {"Retain"}


def test_uploads_are_versioned_announced_encrypted_and_private() -> None:
    bucket = template()["Resources"]["ArtifactBucket"]["Properties"]

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


def test_the_chat_page_does_not_run_until_there_is_an_image_of_it() -> None:
    service = template("infra/chat.yaml")["Resources"]["Service"]["Properties"]

    assert service["DesiredCount"] == {"Fn::If": ["HasImage", 1, 0]}


def test_the_chat_page_is_told_where_to_listen_and_whom_to_ask() -> None:
    container = template("infra/chat.yaml")["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    environment = {each["Name"]: each["Value"] for each in container["Environment"]}

    login = {"SLIPWAY_LOGIN", "SLIPWAY_LOGIN_SIGNER"}
    assert set(environment) == {"HOST", "PORT", "SLIPWAY_STACK", "SLIPWAY_ENDPOINT"} | login
    assert environment["SLIPWAY_LOGIN"] == {"Fn::If": ["HasLogin", "alb", "none"]}
    assert environment["PORT"] == str(container["PortMappings"][0]["ContainerPort"])


def test_nothing_of_the_stack_goes_before_the_teardown_check_was_asked(plain: dict[str, Any]) -> None:
    """CloudFormation deletes what depends on others first: AWS's TemplateReference/aws-attribute-dependson.html."""
    resources, conditions = plain["Resources"], dict.fromkeys(plain["Conditions"], True)
    ahead, seen = ["TeardownCheck"], set[str]()
    while ahead:
        name = ahead.pop()
        if name in resources and name not in seen:
            seen.add(name)
            ahead += needs(resources[name], conditions)

    assert set(resources) - seen == set()
