"""A change set says what would happen, and then makes it happen once."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.world import World
from tests.builders.stacks import settled


@pytest.fixture
def stacks(world: World) -> Any:
    return world.client("cloudformation")


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def topic(name: str, **keys: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}, **keys}


def propose(stacks: Any, body: str, name: str = "c", **request: Any) -> dict[str, Any]:
    stacks.create_change_set(StackName="s", ChangeSetName=name, TemplateBody=body, **request)
    described: dict[str, Any] = stacks.describe_change_set(StackName="s", ChangeSetName=name)
    return described


def created(stacks: Any, body: str, **request: Any) -> None:
    stacks.create_stack(StackName="s", TemplateBody=body, **request)
    settled(stacks, "s")


def by_name(change_set: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in change_set["Changes"]}


def test_a_new_stack_waits_for_review_and_is_made_when_its_change_set_is_executed(world: World, stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets-create.html
    proposed = propose(stacks, template({"T": topic("t")}), ChangeSetType="CREATE", Description="why")

    assert stacks.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert (proposed["Status"], proposed["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert proposed["Description"] == "why"
    assert by_name(proposed)["T"]["Action"] == "Add"
    assert world.client("sns").list_topics()["Topics"] == []

    stacks.execute_change_set(StackName="s", ChangeSetName="c")
    stack = settled(stacks, "s")

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["ChangeSetId"] == proposed["ChangeSetId"]
    assert len(world.client("sns").list_topics()["Topics"]) == 1


def test_it_tells_which_property_changes_and_why(stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
    def body(colour_source: Any, **more: Any) -> str:
        setting = {"Name": "/s", "Type": "String", "Value": {"Fn::Join": ["", [{"Ref": "T"}, {"Ref": "Colour"}]]}}
        queue = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": colour_source}}
        named = {"Type": "AWS::SSM::Parameter", "Properties": setting}
        resources = {"T": topic("t" if colour_source == 1 else "u"), "Q": queue, "S": named, **more}
        return template(resources, Parameters={"Colour": {"Type": "String"}})

    red = [{"ParameterKey": "Colour", "ParameterValue": "red"}]
    created(stacks, body(1, Gone=topic("gone"), Kept=topic("kept", DeletionPolicy="Retain")), Parameters=red)

    changes = by_name(propose(stacks, body(2, New=topic("new")), Parameters=red))

    assert {name: change["Action"] for name, change in changes.items()} == {
        "T": "Modify", "Q": "Modify", "S": "Modify", "New": "Add", "Gone": "Remove", "Kept": "Remove",
    }  # fmt: skip
    assert changes["T"]["Replacement"] == "True"
    assert changes["Q"]["Replacement"] == "False"
    assert changes["Q"]["Details"][0] == {
        "Target": {"Attribute": "Properties", "Name": "DelaySeconds", "RequiresRecreation": "Never"},
        "Evaluation": "Static",
        "ChangeSource": "DirectModification",
    }
    assert changes["S"]["Details"][0]["ChangeSource"] == "ResourceReference"
    assert changes["S"]["Details"][0]["Evaluation"] == "Dynamic"
    assert (changes["Gone"]["PolicyAction"], changes["Kept"]["PolicyAction"]) == ("Delete", "Retain")


def test_a_parameter_is_named_as_the_cause(stacks: Any) -> None:
    body = template(
        {"S": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Colour"}}}},
        Parameters={"Colour": {"Type": "String"}},
    )
    created(stacks, body, Parameters=[{"ParameterKey": "Colour", "ParameterValue": "red"}])

    change = by_name(propose(stacks, body, Parameters=[{"ParameterKey": "Colour", "ParameterValue": "blue"}]))["S"]

    assert change["Details"][0]["ChangeSource"] == "ParameterReference"
    assert change["Details"][0]["CausingEntity"] == "Colour"


def test_one_without_changes_fails_in_the_words_that_clients_look_for(stacks: Any) -> None:
    created(stacks, template({"T": topic("t")}))

    proposed = propose(stacks, template({"T": topic("t")}))

    assert (proposed["Status"], proposed["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert proposed["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        stacks.execute_change_set(StackName="s", ChangeSetName="c")


def test_one_is_executed_once_and_makes_the_others_obsolete(stacks: Any) -> None:
    created(stacks, template({"T": topic("t")}))
    propose(stacks, template({"T": topic("u")}), "first")
    propose(stacks, template({"T": topic("v")}), "second")

    stacks.execute_change_set(StackName="s", ChangeSetName="first")
    settled(stacks, "s")

    listed = {
        item["ChangeSetName"]: item["ExecutionStatus"] for item in stacks.list_change_sets(StackName="s")["Summaries"]
    }
    assert listed["second"] == "OBSOLETE"
    for name in ("first", "second"):
        with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
            stacks.execute_change_set(StackName="s", ChangeSetName=name)


def test_its_names_are_checked(stacks: Any) -> None:
    created(stacks, template({"T": topic("t")}))
    propose(stacks, template({"T": topic("u")}))

    for request, code in (
        ({"StackName": "s", "ChangeSetName": "c"}, "AlreadyExistsException"),
        ({"StackName": "none", "ChangeSetName": "c"}, "ValidationError"),
        ({"StackName": "s", "ChangeSetName": "d", "ChangeSetType": "CREATE"}, "AlreadyExistsException"),
        ({"StackName": "s", "ChangeSetName": "d", "ChangeSetType": "IMPORT"}, "ValidationError"),
    ):
        with pytest.raises(ClientError) as refused:
            stacks.create_change_set(TemplateBody=template({"T": topic("u")}), **request)
        assert refused.value.response["Error"]["Code"] == code, request
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        stacks.describe_change_set(StackName="s", ChangeSetName="none")


def test_the_template_is_told_as_sent_and_as_transformed(stacks: Any) -> None:
    sam = "Transform: AWS::Serverless-2016-10-31\nResources: {T: {Type: AWS::Serverless::SimpleTable}}\n"
    propose(stacks, sam, ChangeSetType="CREATE")
    stacks.execute_change_set(StackName="s", ChangeSetName="c")
    settled(stacks, "s")

    assert stacks.get_template(StackName="s")["TemplateBody"] == sam
    processed = stacks.get_template(StackName="s", TemplateStage="Processed")["TemplateBody"]
    resources = (json.loads(processed) if isinstance(processed, str) else processed)["Resources"]
    assert resources["T"]["Type"] == "AWS::DynamoDB::Table"
    assert stacks.get_template_summary(StackName="s")["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]
