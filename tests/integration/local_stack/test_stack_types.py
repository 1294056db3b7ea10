"""What a template says of a resource is what its service has afterwards."""

import json
from typing import Any

from local.world import World
from tests.builders.stacks import deleted, settled

TRUSTED = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
TRUST = {"Version": "2012-10-17", "Statement": [TRUSTED]}
BOUNDARY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def deployed(world: World, kind: str, *versions: dict[str, Any]) -> None:
    """One resource, with these properties one after the other."""
    stacks = world.client("cloudformation")
    for number, properties in enumerate(versions):
        template = json.dumps({"Resources": {"R": {"Type": kind, "Properties": properties}}})
        call = stacks.update_stack if number else stacks.create_stack
        call(StackName="s", TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
        stack = settled(stacks, "s")
        events = stacks.describe_stack_events(StackName="s")["StackEvents"]
        assert stack["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, events


def test_a_role_has_its_boundary_its_tags_and_its_session_duration(world: World) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
    role = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "Description": "d", "MaxSessionDuration": 7200}
    tagged = [{"Key": "team", "Value": "blue"}]
    deployed(world, "AWS::IAM::Role", {**role, "PermissionsBoundary": BOUNDARY, "Tags": tagged})

    found = world.client("iam").get_role(RoleName="r")["Role"]

    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    assert (found["Tags"], found["MaxSessionDuration"], found["Description"]) == (tagged, 7200, "d")


def test_a_changed_role_is_the_same_role_with_other_settings(world: World) -> None:
    role = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}
    tagged = [{"Key": "team", "Value": "blue"}, {"Key": "kept", "Value": "1"}]
    before = {**role, "PermissionsBoundary": BOUNDARY, "Tags": tagged, "Description": "old"}
    after = {**role, "Tags": [{"Key": "kept", "Value": "2"}], "Description": "new", "MaxSessionDuration": 7200}
    deployed(world, "AWS::IAM::Role", before, after)

    found = world.client("iam").get_role(RoleName="r")["Role"]

    assert "PermissionsBoundary" not in found
    assert (found["Tags"], found["MaxSessionDuration"]) == ([{"Key": "kept", "Value": "2"}], 7200)
    assert found["Description"] == "new"


def test_a_subscription_filters_by_the_message_where_it_says_so(world: World) -> None:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html
    topic = world.client("sns").create_topic(Name="t")["TopicArn"]
    sqs = world.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "RawMessageDelivery": True}
    by_message = {"FilterPolicyScope": "MessageBody", "FilterPolicy": {"colour": ["red"]}}
    deployed(world, "AWS::SNS::Subscription", subscription | by_message)

    for colour in ("blue", "red"):
        world.client("sns").publish(TopicArn=topic, Message=json.dumps({"colour": colour}))

    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(message["Body"]) for message in messages] == [{"colour": "red"}]


def test_a_topic_without_the_stack_s_policy_has_the_one_of_a_new_topic(world: World) -> None:
    sns = world.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    before = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    deployed(world, "AWS::SNS::TopicPolicy", {"Topics": [topic], "PolicyDocument": policy})
    assert json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]) == policy

    assert deleted(world.client("cloudformation"), "s")["StackStatus"] == "DELETE_COMPLETE"

    assert json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]) == json.loads(before)
