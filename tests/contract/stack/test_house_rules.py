"""House rules of the template, by their ids. H005 and H007 are about machines and stand beside them."""

import importlib
import re

import pytest

from release.flows.records import LEASE_S
from tests.contract.stack.documents import (
    ROOT,
    TEMPLATES,
    as_list,
    example,
    folder_of,
    functions,
    of_type,
    template,
)

FOLDERS = sorted(functions())
ALARMS = {folder_of(name): each for name, each in of_type(template(), "AWS::CloudWatch::Alarm").items()}
ALL_ALARMS = ALARMS | {"page_someone": template("infra/oversight.yaml")["Resources"]["PageSomeone"]["Properties"]}
RULES = of_type(template(), "AWS::Events::Rule")
MACHINES = [{"Ref": name} for name in of_type(template(), "AWS::Serverless::StateMachine")]
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_PARTS = ["What it means", "How to look", "How to make it safe", "How to fix"]
LONGEST_TIMEOUT_S = 900


@pytest.mark.parametrize("folder", FOLDERS)
def test_h001_a_function_has_a_time_limit_and_an_alarm_on_its_errors(folder: str) -> None:
    properties = functions()[folder]
    timeout_s = properties.get("Timeout", template()["Globals"]["Function"]["Timeout"])
    logical_id = "".join(word.capitalize() for word in folder.split("_"))

    assert 0 < timeout_s <= LONGEST_TIMEOUT_S
    assert ALARMS[folder]["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": f"{logical_id}Function"}}]
    assert ALARMS[folder]["MetricName"] == "Errors"


def test_h001_what_a_rule_hands_to_a_function_ends_in_the_queue_when_the_function_fails() -> None:
    """What a machine asks of a function has the machine's Catch as its end; H005 holds that."""
    queue = {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}
    for rule in RULES.values():
        (target,) = rule["Targets"]
        folder = target["Id"].replace("-", "_")

        assert target["DeadLetterConfig"] == {"Arn": queue}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        if target["Arn"] in MACHINES:
            continue
        destination = functions()[folder]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
        assert destination == {"Type": "SQS", "Destination": queue}


def test_h001_every_alarm_tells_people_and_says_what_silence_means() -> None:
    assert {name for name, each in ALARMS.items() if each["AlarmActions"] != [{"Ref": "NotificationTopic"}]} == set()
    assert {each.get("TreatMissingData") for each in ALARMS.values()} == {"notBreaching"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_h002_a_handler_can_be_imported_where_the_template_says(folder: str) -> None:
    module, _, name = functions()[folder]["Handler"].rpartition(".")

    assert module == f"{folder}.app"
    assert callable(getattr(importlib.import_module(module), name))


def test_h002_every_folder_with_a_handler_is_a_function_of_the_stack() -> None:
    assert sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py")) == FOLDERS


def test_names_of_functions_and_alarms_are_the_folder_s_under_the_stack_s() -> None:
    for folder, properties in functions().items():
        assert properties["FunctionName"] == {"Fn::Sub": f"${{AWS::StackName}}-{folder.replace('_', '-')}"}
    for stem, alarm in ALARMS.items():
        assert alarm["AlarmName"] == {"Fn::Sub": f"${{AWS::StackName}}-{stem.replace('_', '-')}"}


@pytest.mark.parametrize("rule", sorted(name for name, each in RULES.items() if "EventPattern" in each))
def test_h004_a_rule_waits_for_an_event_that_is_a_contract(rule: str) -> None:
    known = {
        (event["source"], event["detail-type"])
        for event in map(
            example, ("aws/s3-object-created", "aws/ecr-image-action", "aws/step-functions-execution-status-change")
        )
    }
    pattern = RULES[rule]["EventPattern"]

    assert {(source, kind) for source in pattern["source"] for kind in pattern["detail-type"]} <= known


@pytest.mark.parametrize("name", TEMPLATES)
def test_h008_a_right_over_everything_gives_its_reason_on_the_line(name: str) -> None:
    wide = [line for line in (ROOT / name).read_text().splitlines() if re.search(r'Resource:\s*["\']?\*["\']?', line)]

    assert [line for line in wide if not re.search(r"#\s*\S+\s+\S+", line)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_statement_allows_a_whole_service(name: str) -> None:
    allowed = re.findall(r"Effect: Allow\n(?:.*\n){0,2}?\s*Action: (.*)", (ROOT / name).read_text())

    assert [actions for actions in allowed if "*" in actions] == []


@pytest.mark.parametrize("stem", sorted(ALL_ALARMS))
def test_an_alarm_leads_to_a_runbook_with_its_four_parts(stem: str) -> None:
    runbook = (RUNBOOKS / f"{stem}.md").read_text()

    assert f"docs/runbooks/{stem}.md" in ALL_ALARMS[stem]["AlarmDescription"]
    assert re.findall(r"^## (.*)$", runbook, re.MULTILINE) == RUNBOOK_PARTS


def test_a_runbook_belongs_to_an_alarm() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(ALL_ALARMS)


def test_the_runbooks_tell_how_long_a_lease_outlives_its_holder() -> None:
    assert f"taken over after {LEASE_S // 60} minutes" in (RUNBOOKS / "README.md").read_text()


def test_only_the_step_that_follows_the_examination_may_write_what_models_load() -> None:
    writers = {
        (folder, str(resource))
        for folder, properties in functions().items()
        for policy in properties["Policies"]
        for statement in policy["Statement"]
        if {"s3:PutObject", "s3:*"} & set(as_list(statement["Action"]))
        for resource in as_list(statement["Resource"])
    }
    (guard,) = [
        statement
        for statement in template()["Resources"]["ArtifactBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Sid"] == "OnlyPublishArtifactWritesPublished"
    ]

    assert writers == {
        ("publish_artifact", "{'Fn::Sub': '${ArtifactBucket.Arn}/published/*'}"),
        ("examine_artifact", "{'Fn::Sub': '${ArtifactBucket.Arn}/reports/*'}"),
    }
    assert guard["Effect"] == "Deny"
    assert guard["Resource"] == {"Fn::Sub": "${ArtifactBucket.Arn}/published/*"}
    assert guard["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["PublishArtifactFunctionRole", "Arn"]}}
    }


def test_the_execution_role_goes_to_sagemaker_and_to_nobody_else() -> None:
    passing = [
        statement
        for properties in functions().values()
        for policy in properties["Policies"]
        for statement in policy["Statement"]
        if "iam:PassRole" in as_list(statement["Action"])
    ]

    assert passing
    for statement in passing:
        assert statement["Resource"] == {"Fn::GetAtt": ["SageMakerExecutionRole", "Arn"]}
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
