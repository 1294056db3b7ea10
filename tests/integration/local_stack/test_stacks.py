"""A stack comes, changes, fails and goes as CloudFormation's user guide says."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.world import World
from tests.builders.stacks import deleted, settled

ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/"


@pytest.fixture
def stacks(world: World) -> Any:
    return world.client("cloudformation")


def body(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def topic(name: str = "", **keys: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name} if name else {}, **keys}


def parameter(value: Any, **keys: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/p", "Type": "String", "Value": value}, **keys}


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def alias(**properties: Any) -> dict[str, Any]:
    given = {"FunctionName": "f", "FunctionVersion": "1", "Name": "live"}
    return {"Type": "AWS::Lambda::Alias", "Properties": given | properties}


def child(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://x/b/t"} | properties}


def create(stacks: Any, template: str, name: str = "s", **request: Any) -> dict[str, Any]:
    stacks.create_stack(StackName=name, TemplateBody=template, **request)
    return settled(stacks, name)


def update(stacks: Any, template: str, **request: Any) -> dict[str, Any]:
    stacks.update_stack(StackName="s", TemplateBody=template, **request)
    return settled(stacks, "s")


def told(stacks: Any, name: str = "s") -> list[tuple[str, str]]:
    """(logical id, status) of every event, oldest first."""
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(events)]


def refusal(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**request)
    error = refused.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


# Creation -------------------------------------------------------------------------------------------------------------


def test_resources_come_after_what_they_refer_to_and_tell_how_they_came(stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
    template = body({"A": parameter({"Fn::GetAtt": ["B", "Arn"]}), "B": queue(), "C": topic(DependsOn="A")})

    stack = create(stacks, template)

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    begun = ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    resources = [(name, status) for name in "BAC" for status in begun]
    assert told(stacks) == [("s", "CREATE_IN_PROGRESS"), *resources, ("s", "CREATE_COMPLETE")]


def test_functions_say_what_the_user_guide_says(stacks: Any) -> None:
    template = body(
        {"Topic": topic("t")},
        Parameters={"List": {"Type": "CommaDelimitedList", "Default": "a, b,c"}, "On": {"Type": "String"}},
        Mappings={"M": {"us-east-1": {"k": "mapped"}}},
        Conditions={
            "IsOn": {"Fn::Equals": [{"Ref": "On"}, "yes"]},
            "IsOff": {"Fn::Not": [{"Condition": "IsOn"}]},
            "Both": {"Fn::And": [{"Condition": "IsOn"}, {"Condition": "IsOff"}]},
            "Any": {"Fn::Or": [{"Condition": "IsOn"}, {"Condition": "IsOff"}]},
        },
        Outputs={
            "Join": {"Value": {"Fn::Join": ["-", {"Ref": "List"}]}},
            "Select": {"Value": {"Fn::Select": [1, {"Fn::Split": [":", "x:y"]}]}},
            "Sub": {"Value": {"Fn::Sub": ["${Topic.TopicName} ${!literal} ${V} ${AWS::Region}", {"V": "v"}]}},
            "Map": {"Value": {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "k"]}},
            "If": {"Value": {"Fn::If": ["IsOn", "on", "off"]}},
            "Base64": {"Value": {"Fn::Base64": "hi"}},
            "Cidr": {"Value": {"Fn::Select": [1, {"Fn::Cidr": ["10.0.0.0/16", 2, 8]}]}},
            "Never": {"Value": "x", "Condition": "Both"},
            "Always": {"Value": "x", "Condition": "Any"},
            "Zone": {"Value": {"Fn::Select": [0, {"Fn::GetAZs": ""}]}},
        },
    )

    stack = create(stacks, template, Parameters=[{"ParameterKey": "On", "ParameterValue": "yes"}])

    assert {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} == {
        "Join": "a-b-c",
        "Select": "y",
        "Sub": "t ${literal} v us-east-1",
        "Map": "mapped",
        "If": "on",
        "Base64": "aGk=",
        "Cidr": "10.0.1.0/24",
        "Always": "x",
        "Zone": "us-east-1a",
    }


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (body({"A": {"Type": "AWS::Magic::Wand"}}), r"Unrecognized resource types: [AWS::Magic::Wand]"),
        (body({"A": topic(), "B": {"Type": "AWS::No::Thing"}}), "Unrecognized resource types: [AWS::No::Thing]"),
        (body({"A": parameter({"Ref": "Gone"})}), "Unresolved resource dependencies [Gone]"),
        (body({"A": parameter({"Fn::GetAtt": ["Gone", "Arn"]})}), "Fn::GetAtt references undefined resource Gone"),
        (
            body({"A": parameter({"Fn::GetAtt": ["B", "Colour"]}), "B": topic()}),
            "does not support attribute type Colour",
        ),
        (body({"A": topic(DependsOn="B"), "B": topic(DependsOn="A")}), "Circular dependency between resources: [A, B]"),
        (body({"A": {"Type": "AWS::SNS::Topic", "Properties": {"Colour": 1}}}), "extraneous key [Colour]"),
        (body({"A": {"Type": "AWS::SSM::Parameter"}}), "required key [Type] not found"),
        (body({"A": topic(DeletionPolicy="Snapshot")}), "does not emulate CloudFormation's DeletionPolicy Snapshot"),
        (body({"A": topic(CreationPolicy={})}), "does not emulate CloudFormation's resource attribute CreationPolicy"),
        (body({"A": topic(Condition="C")}), "unresolved condition dependency C"),
        (body({"A": parameter({"Fn::Length": [1]})}), "does not emulate CloudFormation's function Fn::Length"),
        (body({"A": parameter("{{resolve:ssm-secure:s}}")}), "dynamic reference {{resolve:ssm-secure:"),
        (body({"A": topic()}, Transform="AWS::LanguageExtensions"), "transform AWS::LanguageExtensions"),
        (body({"A": topic()}, Rules={"R": {}}), "template section Rules"),
        (body({"A": alias(RoutingConfig={})}), "property RoutingConfig of AWS::Lambda::Alias (A)"),
        (body({"A": child(TimeoutInMinutes=5)}), "property TimeoutInMinutes of AWS::CloudFormation::Stack (A)"),
        (body({}), "At least one Resources member must be defined"),
        (body({"A": topic()}, Nonsense={}), "Invalid template property or properties [Nonsense]"),
        ("{not a template", "Template format error"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(world: World, stacks: Any, template: str, said: str) -> None:
    message = refusal(stacks.create_stack, StackName="s", TemplateBody=template)

    assert message.startswith("ValidationError: ")
    assert said in message
    assert stacks.list_stacks()["StackSummaries"] == []
    assert world.client("sns").list_topics()["Topics"] == []


@pytest.mark.parametrize(
    ("declared", "value", "said"),
    [
        ({"Type": "Number", "MaxValue": 5}, "6", "above MaxValue 5"),
        ({"Type": "Number"}, "six", "must be a number"),
        ({"Type": "String", "AllowedValues": ["a"]}, "b", "must be one of AllowedValues: [a]"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "must match pattern"),
        ({"Type": "String", "MinLength": 2}, "a", "below MinLength 2"),
        ({"Type": "AWS::EC2::VPC::Id"}, "vpc-0", "vpc-0 for parameter name P does not exist"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/none", "[/none] from parameter store"),
        ({"Type": "AWS::EC2::KeyPair::KeyName"}, "k", "parameter type AWS::EC2::KeyPair::KeyName"),
    ],
)
def test_a_value_that_its_parameter_refuses_is_named(stacks: Any, declared: Any, value: str, said: str) -> None:
    template = body({"A": topic()}, Parameters={"P": declared})

    given = [{"ParameterKey": "P", "ParameterValue": value}]

    assert said in refusal(stacks.create_stack, StackName="s", TemplateBody=template, Parameters=given)


def test_a_parameter_without_value_and_one_too_many_are_named(stacks: Any) -> None:
    template = body({"A": topic()}, Parameters={"P": {"Type": "String"}})
    other = [{"ParameterKey": "Q", "ParameterValue": "v"}]

    assert "Parameters: [P] must have values" in refusal(stacks.create_stack, StackName="s", TemplateBody=template)
    assert "Parameters: [Q] do not exist in the template" in refusal(
        stacks.create_stack, StackName="s", TemplateBody=template, Parameters=other
    )


def test_values_come_from_the_parameter_store(world: World, stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm.html
    ssm = world.client("ssm")
    ssm.put_parameter(Name="/colour", Type="String", Value="red")
    ssm.put_parameter(Name="/colour", Type="String", Value="blue", Overwrite=True)
    template = body(
        {"A": parameter({"Fn::Join": ["", ["{{resolve:ssm:/colour:1}}", "-", {"Ref": "Latest"}]]})},
        Parameters={"Latest": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/colour"}},
    )

    stack = create(stacks, template)

    assert ssm.get_parameter(Name="/p")["Parameter"]["Value"] == "red-blue"
    [described] = stack["Parameters"]
    assert (described["ParameterValue"], described["ResolvedValue"]) == ("/colour", "blue")


def test_values_come_from_secrets(world: World, stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
    secrets = world.client("secretsmanager")
    arn = secrets.create_secret(Name="login", SecretString='{"issuer": "https://id.example.com"}')["ARN"]

    create(stacks, body({"A": parameter({"Fn::Sub": f"{{{{resolve:secretsmanager:{arn}:SecretString:issuer}}}}"})}))

    assert world.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "https://id.example.com"


@pytest.mark.parametrize(
    ("reference", "because"),
    [
        ("nobody:SecretString:issuer", "can't find the specified secret nobody"),
        ("login:SecretString:audience", "Could not find a value for key audience"),
        ("login:SecretString:issuer:AWSPREVIOUS", "does not emulate CloudFormation's a version of a secret"),
    ],
)
def test_a_secret_that_is_not_there_fails_the_resource(world: World, stacks: Any, reference: str, because: str) -> None:
    world.client("secretsmanager").create_secret(Name="login", SecretString='{"issuer": "https://id.example.com"}')

    stack = create(stacks, body({"A": parameter(f"{{{{resolve:secretsmanager:{reference}}}}}")}))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert because in str(stacks.describe_stack_events(StackName="s")["StackEvents"])


def test_a_hidden_parameter_is_shown_nowhere(world: World, stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html, NoEcho
    template = body({"A": parameter({"Ref": "P"})}, Parameters={"P": {"Type": "String", "NoEcho": True}})

    stack = create(stacks, template, Parameters=[{"ParameterKey": "P", "ParameterValue": "hush-hush"}])

    assert stack["Parameters"][0]["ParameterValue"] == "****"
    assert "hush-hush" not in str(stacks.describe_stack_events(StackName="s")["StackEvents"])
    assert world.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "hush-hush"


@pytest.mark.parametrize(
    ("properties", "given", "missing"),
    [
        ({}, [], "CAPABILITY_IAM"),
        ({"RoleName": "r"}, [], "CAPABILITY_NAMED_IAM"),
        ({"RoleName": "r"}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
    ],
)
def test_a_role_must_be_acknowledged(stacks: Any, properties: Any, given: list[str], missing: str) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html, Capabilities
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, **properties}}
    request = {"StackName": "s", "TemplateBody": body({"R": role})}

    message = refusal(stacks.create_stack, **request, Capabilities=given)

    assert message == f"InsufficientCapabilitiesException: Requires capabilities : [{missing}]"
    stacks.create_stack(**request, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert settled(stacks, "s")["StackStatus"] == "CREATE_COMPLETE"


def test_a_transform_needs_no_acknowledgement_in_a_change_set_alone(stacks: Any) -> None:
    template = body({"T": {"Type": "AWS::Serverless::SimpleTable"}}, Transform="AWS::Serverless-2016-10-31")

    message = refusal(stacks.create_stack, StackName="s", TemplateBody=template)
    stacks.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=template)

    assert message == "InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
    described = stacks.describe_change_set(StackName="s", ChangeSetName="c")
    assert [change["ResourceChange"]["ResourceType"] for change in described["Changes"]] == ["AWS::DynamoDB::Table"]


@pytest.mark.parametrize(
    ("request_parts", "status", "left"),
    [
        ({}, "ROLLBACK_COMPLETE", ["kept"]),
        ({"DisableRollback": True}, "CREATE_FAILED", ["gone", "kept", "on-create"]),
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", ["gone", "kept", "on-create"]),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", ["kept"]),
    ],
)
def test_a_failed_creation_ends_as_was_asked(
    world: World, stacks: Any, request_parts: Any, status: str, left: list[str]
) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
    template = body(
        {
            "Kept": topic("kept", DeletionPolicy="Retain"),
            "OnCreate": topic("on-create", DeletionPolicy="RetainExceptOnCreate"),
            "Gone": topic("gone"),
            "Bad": {**parameter("v", DependsOn=["Kept", "OnCreate", "Gone"])}
            | {"Properties": {"Name": "/p", "Type": "No", "Value": "v"}},
        }
    )
    stack_id = stacks.create_stack(StackName="s", TemplateBody=template, **request_parts)["StackId"]

    stack = settled(stacks, stack_id)

    assert stack["StackStatus"] == status
    topics = world.client("sns").list_topics()["Topics"]
    assert sorted(found["TopicArn"].rsplit(":", 1)[1] for found in topics) == left
    assert ("Bad", "CREATE_FAILED") in told(stacks, stack_id)


# Change ---------------------------------------------------------------------------------------------------------------


def test_an_update_changes_adds_and_then_removes(world: World, stacks: Any) -> None:
    before = body(
        {"Stays": queue(QueueName="stays", VisibilityTimeout=10), "Goes": topic("goes"), "Same": topic("same")}
    )
    create(stacks, before)
    seen = len(told(stacks))

    stack = update(
        stacks,
        body({"Stays": queue(QueueName="stays", VisibilityTimeout=20), "Comes": topic("comes"), "Same": topic("same")}),
    )

    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert told(stacks)[seen:] == [
        ("s", "UPDATE_IN_PROGRESS"),
        ("Stays", "UPDATE_IN_PROGRESS"),
        ("Stays", "UPDATE_COMPLETE"),
        ("Comes", "CREATE_IN_PROGRESS"),
        ("Comes", "CREATE_IN_PROGRESS"),
        ("Comes", "CREATE_COMPLETE"),
        ("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Goes", "DELETE_IN_PROGRESS"),
        ("Goes", "DELETE_COMPLETE"),
        ("s", "UPDATE_COMPLETE"),
    ]
    sqs = world.client("sqs")
    url = sqs.get_queue_url(QueueName="stays")["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"] == "20"


def test_an_update_in_place_keeps_what_hangs_on_the_resource(world: World, stacks: Any) -> None:
    sns = world.client("sns")
    create(stacks, body({"T": topic("t")}))
    [arn] = [found["TopicArn"] for found in sns.list_topics()["Topics"]]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@example.org")

    with_name = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "t", "DisplayName": "Tee"}}
    update(stacks, body({"T": with_name}))

    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "Tee"
    assert len(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]) == 1


@pytest.mark.parametrize(("policy", "left"), [({}, 1), ({"UpdateReplacePolicy": "Retain"}, 2)])
def test_a_change_of_what_cannot_change_makes_a_new_resource(
    world: World, stacks: Any, policy: dict[str, str], left: int
) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-topic.html: TopicName, Replacement
    create(stacks, body({"T": topic("first", **policy), "P": parameter({"Ref": "T"})}))
    seen = len(told(stacks))

    update(stacks, body({"T": topic("second", **policy), "P": parameter({"Ref": "T"})}))

    topics = [found["TopicArn"] for found in world.client("sns").list_topics()["Topics"]]
    assert len(topics) == left
    assert world.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"].endswith(":second")
    events = told(stacks)[seen:]
    assert events.index(("P", "UPDATE_COMPLETE")) < events.index(
        ("T", "DELETE_SKIPPED" if policy else "DELETE_IN_PROGRESS")
    ), "the old one goes when nothing refers to it any more"


def test_a_named_resource_is_not_replaced_under_its_name(stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html
    create(stacks, body({"Q": queue(QueueName="q.fifo", FifoQueue=True)}))

    stack = update(stacks, body({"Q": queue(QueueName="q.fifo", FifoQueue=False)}))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reasons = [
        event.get("ResourceStatusReason", "") for event in stacks.describe_stack_events(StackName="s")["StackEvents"]
    ]
    assert any("custom-named resource requires replacing. Rename q.fifo" in reason for reason in reasons)


def test_a_failed_update_gives_back_what_was(world: World, stacks: Any) -> None:
    first = body(
        {"Changed": queue(QueueName="q", VisibilityTimeout=10), "Renamed": topic("old"), "Removed": topic("removed")}
    )
    create(stacks, first)
    bad = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/p", "Type": "No", "Value": "v"}}
    second = {
        "Changed": queue(QueueName="q", VisibilityTimeout=20),
        "Renamed": topic("new"),
        "Added": topic("added"),
        "Bad": bad | {"DependsOn": ["Changed", "Renamed", "Added"]},
    }

    stack = update(stacks, body(second))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    names = sorted(found["TopicArn"].rsplit(":", 1)[1] for found in world.client("sns").list_topics()["Topics"])
    assert names == ["old", "removed"]
    sqs = world.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="q")["QueueUrl"], AttributeNames=["All"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "10"
    own = [status for name, status in told(stacks) if name == "s"]
    assert own[2:] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    assert json.loads(json.dumps(stacks.get_template(StackName="s")["TemplateBody"])) == json.loads(first)
    held = {
        resource["LogicalResourceId"]
        for resource in stacks.list_stack_resources(StackName="s")["StackResourceSummaries"]
    }
    assert held == {"Changed", "Renamed", "Removed"}


def test_a_failed_update_without_rollback_stays_and_can_go_on(world: World, stacks: Any) -> None:
    create(stacks, body({"T": topic("t")}))
    bad = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/p", "Type": "No", "Value": "v"}}

    failed = update(stacks, body({"T": topic("t"), "P": bad}), DisableRollback=True)
    mended = update(stacks, body({"T": topic("t"), "P": parameter("v")}))

    assert (failed["StackStatus"], mended["StackStatus"]) == ("UPDATE_FAILED", "UPDATE_COMPLETE")
    assert world.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "v"


def test_an_update_that_changes_nothing_is_refused(stacks: Any) -> None:
    create(stacks, body({"T": topic("t")}))

    message = refusal(stacks.update_stack, StackName="s", TemplateBody=body({"T": topic("t")}))

    assert message == "ValidationError: No updates are to be performed."


def test_an_update_reuses_template_and_parameters_when_told(world: World, stacks: Any) -> None:
    template = body(
        {"P": parameter({"Fn::Sub": "${A}-${B}"})}, Parameters={"A": {"Type": "String"}, "B": {"Type": "String"}}
    )
    create(
        stacks,
        template,
        Parameters=[{"ParameterKey": "A", "ParameterValue": "a"}, {"ParameterKey": "B", "ParameterValue": "b"}],
    )
    changed = [{"ParameterKey": "A", "UsePreviousValue": True}, {"ParameterKey": "B", "ParameterValue": "c"}]

    stacks.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=changed)
    settled(stacks, "s")

    assert world.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "a-c"


# Exports --------------------------------------------------------------------------------------------------------------


def test_an_export_is_used_by_another_stack_and_then_cannot_go(world: World, stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
    def exporter(value: str) -> str:
        return body({"T": topic("t")}, Outputs={"O": {"Value": value, "Export": {"Name": "shared"}}})

    create(stacks, exporter("v"))
    create(stacks, body({"P": parameter({"Fn::ImportValue": "shared"})}), "user")

    assert world.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "v"
    assert [export["Value"] for export in stacks.list_exports()["Exports"]] == ["v"]
    assert stacks.list_imports(ExportName="shared")["Imports"] == ["user"]
    assert "in use by user" in refusal(stacks.delete_stack, StackName="s")
    assert update(stacks, exporter("w"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    twin = create(stacks, exporter("v"), "twin")
    assert twin["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "already exported by stack s" in twin_reason(stacks)

    deleted(stacks, "user")
    assert deleted(stacks, "s")["StackStatus"] == "DELETE_COMPLETE"


def test_an_output_can_become_an_export_alone(stacks: Any) -> None:
    output = {"Value": "v"}
    create(stacks, body({"T": topic("t")}, Outputs={"O": output}))

    updated = update(stacks, body({"T": topic("t")}, Outputs={"O": {**output, "Export": {"Name": "shared"}}}))

    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert [export["Name"] for export in stacks.list_exports()["Exports"]] == ["shared"]


def twin_reason(stacks: Any) -> str:
    events = stacks.describe_stack_events(StackName="twin")["StackEvents"]
    return " ".join(event.get("ResourceStatusReason", "") for event in events)


# Deletion -------------------------------------------------------------------------------------------------------------


def test_a_deletion_goes_backwards_and_spares_what_is_retained(world: World, stacks: Any) -> None:
    template = body({"A": topic("a"), "B": parameter({"Ref": "A"}), "C": topic("c", DeletionPolicy="Retain")})
    stack_id = create(stacks, template)["StackId"]
    seen = len(told(stacks))

    deleted(stacks, "s")

    events = told(stacks, stack_id)[seen:]
    assert events.index(("B", "DELETE_COMPLETE")) < events.index(("A", "DELETE_IN_PROGRESS"))
    assert ("C", "DELETE_SKIPPED") in events
    assert [found["TopicArn"].rsplit(":", 1)[1] for found in world.client("sns").list_topics()["Topics"]] == ["c"]
    assert "does not exist" in refusal(stacks.describe_stacks, StackName="s")


def test_a_bucket_with_objects_keeps_its_stack(world: World, stacks: Any) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "full"}}
    create(stacks, body({"B": bucket, "T": topic("t")}))
    world.client("s3").put_object(Bucket="full", Key="k", Body=b"")

    failed = deleted(stacks, "s")
    retried = stacks.delete_stack(StackName="s", RetainResources=["B"])
    gone = settled(stacks, failed["StackId"])

    assert failed["StackStatus"] == "DELETE_FAILED"
    assert "The following resource(s) failed to delete: [B]" in failed["StackStatusReason"]
    assert retried is not None
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert [found["Name"] for found in world.client("s3").list_buckets()["Buckets"]] == ["full"]


def test_a_protected_stack_is_not_deleted_and_a_missing_one_is(stacks: Any) -> None:
    create(stacks, body({"T": topic()}), EnableTerminationProtection=True)

    assert "TerminationProtection is enabled" in refusal(stacks.delete_stack, StackName="s")

    stacks.update_termination_protection(StackName="s", EnableTerminationProtection=False)
    assert deleted(stacks, "s")["StackStatus"] == "DELETE_COMPLETE"
    stacks.delete_stack(StackName="s")


# Requests -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        {"NotificationARNs": ["arn:aws:sns:us-east-1:123456789012:t"]},
        {"TimeoutInMinutes": 5},
        {"StackPolicyBody": "{}"},
        {"RollbackConfiguration": {"MonitoringTimeInMinutes": 5}},
        {"ResourceTypes": ["AWS::SNS::*"]},
    ],
)
def test_what_a_request_cannot_have_is_refused_by_name(stacks: Any, part: dict[str, Any]) -> None:
    message = refusal(stacks.create_stack, StackName="s", TemplateBody=body({"T": topic()}), **part)

    assert f"does not emulate CloudFormation's request parameter {next(iter(part))}" in message


def test_a_template_in_a_request_may_have_51200_bytes(stacks: Any) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    template = body({"T": topic()}, Description="")
    fits = body({"T": topic()}, Description="x" * (51_200 - len(template)))

    assert "51201 bytes" in refusal(stacks.validate_template, TemplateBody=f"{fits} ")
    assert stacks.validate_template(TemplateBody=fits)["Description"]


def test_a_template_tells_what_it_needs(stacks: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    template = body(
        {"R": role},
        Description="d",
        AWSTemplateFormatVersion="2010-09-09",
        Metadata={"k": 1},
        Parameters={"P": {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"], "NoEcho": True}},
    )

    summary = stacks.get_template_summary(TemplateBody=template)

    assert summary["Capabilities"] == ["CAPABILITY_IAM"]
    assert "AWS::IAM::Role" in summary["CapabilitiesReason"]
    assert summary["ResourceTypes"] == ["AWS::IAM::Role"]
    assert (summary["Version"], json.loads(summary["Metadata"])) == ("2010-09-09", {"k": 1})
    assert summary["Parameters"] == [
        {
            "ParameterKey": "P",
            "DefaultValue": "a",
            "ParameterType": "String",
            "NoEcho": True,
            "ParameterConstraints": {"AllowedValues": ["a", "b"]},
        }
    ]


def test_events_come_in_pages(stacks: Any) -> None:
    resources = {f"T{index}": topic() for index in range(40)}
    create(stacks, body(resources))

    pages = list(stacks.get_paginator("describe_stack_events").paginate(StackName="s"))

    assert [len(page["StackEvents"]) for page in pages] == [100, 22], (
        "three events for each of 40, and two of the stack"
    )
