"""A SAM template becomes a stack: packed, transformed, created, changed, and named where it fails."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.deploy import ARTIFACTS_BUCKET, DeployError, deploy
from local.world import World
from tests.builders.stacks import deleted

APP = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Colour: {Type: String, Default: red, AllowedPattern: "[a-z]+", ConstraintDescription: lower-case letters}
  Count: {Type: Number, Default: 1, MinValue: 1, MaxValue: 5}
  Mail: {Type: String, Default: ""}
Conditions: {HasMail: !Not [!Equals [!Ref Mail, ""]]}
Globals: {Function: {Runtime: python3.11, CodeUri: functions/}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${AWS::StackName}-hello
      Handler: hello.app.handler
      Environment: {Variables: {COLOUR: !Sub "${Colour}-ish"}}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Lost.Arn}}
  Other:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: !Sub "${AWS::StackName}-other", Handler: hello.app.handler}
  Lost: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-lost"}}
  LostPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Lost]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Lost.Arn
  Told: {Type: AWS::SNS::Topic}
  ToldSomebody:
    Type: AWS::SNS::Subscription
    Condition: HasMail
    Properties: {TopicArn: !Ref Told, Protocol: email, Endpoint: !Ref Mail}
  HelloAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub ${AWS::StackName}-hello
      Namespace: AWS/Lambda
      MetricName: Errors
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 1
      Threshold: !Ref Count
      ComparisonOperator: GreaterThanOrEqualToThreshold
      AlarmActions: [!Ref Told]
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub ${AWS::StackName}-machine
      DefinitionUri: statemachines/hello.asl.yaml
      DefinitionSubstitutions: {HelloArn: !GetAtt Hello.Arn}
      Policies: [{LambdaInvokePolicy: {FunctionName: !Ref Hello}}]
  Child:
    Type: AWS::Serverless::Application
    Properties: {Location: infra/child.yaml, Parameters: {Colour: !Ref Colour}}
Outputs:
  HelloArn: {Value: !GetAtt Hello.Arn}
  ChildColour: {Value: !GetAtt Child.Outputs.Colour}
"""

CHILD = """
Parameters: {Colour: {Type: String}}
Resources: {Setting: {Type: AWS::SSM::Parameter, Properties: {Name: /colour, Type: String, Value: !Ref Colour}}}
Outputs: {Colour: {Value: !Sub "very ${Colour}"}}
"""

MACHINE = """
StartAt: Hello  # a comment, which JSON has not
States:
  Hello: {Type: Task, Resource: "${HelloArn}", End: true}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    files = {
        "template.yaml": APP,
        "infra/child.yaml": CHILD,
        "statemachines/hello.asl.yaml": MACHINE,
        "functions/hello/app.py": "def handler(event, context):\n    return event\n",
        "functions/requirements.txt": "nothing",
        "functions/hello/__pycache__/app.pyc": "old",
    }
    for name, content in files.items():
        (tmp_path / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / name).write_text(content)
    return tmp_path / "app" / "template.yaml"


def _environment(world: World) -> Any:
    return world.client("lambda").get_function(FunctionName="app-hello")["Configuration"]["Environment"]["Variables"]


def test_a_template_becomes_resources_and_outputs(world: World, app: Path) -> None:
    outputs = deploy(world, app, "app")

    assert outputs == {
        "HelloArn": "arn:aws:lambda:us-east-1:123456789012:function:app-hello",
        "ChildColour": "very red",
    }
    assert _environment(world) == {"COLOUR": "red-ish"}
    assert world.client("cloudwatch").describe_alarms()["MetricAlarms"][0]["Threshold"] == 1.0
    config = world.client("lambda").get_function_event_invoke_config(FunctionName="app-hello")
    assert config["MaximumRetryAttempts"] == 1
    sqs = world.client("sqs")
    policy = sqs.get_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName="app-lost")["QueueUrl"], AttributeNames=["Policy"]
    )
    assert "events.amazonaws.com" in policy["Attributes"]["Policy"]


def test_the_code_is_packed_once_without_what_it_does_not_need(world: World, app: Path) -> None:
    deploy(world, app, "app")

    s3 = world.client("s3")
    zips = [
        item["Key"] for item in s3.list_objects_v2(Bucket=ARTIFACTS_BUCKET)["Contents"] if item["Key"].endswith(".zip")
    ]
    assert len(zips) == 1
    packed = zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket=ARTIFACTS_BUCKET, Key=zips[0])["Body"].read()))
    assert packed.namelist() == ["hello/app.py"]


def test_a_role_has_what_sam_attaches_and_what_the_template_says(world: World, app: Path) -> None:
    deploy(world, app, "app")

    iam = world.client("iam")
    roles = {role["RoleName"].split("-")[1]: role["RoleName"] for role in iam.list_roles()["Roles"]}
    attached = iam.list_attached_role_policies(RoleName=roles["HelloRole"])["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AWSLambdaBasicExecutionRole"]
    inline = iam.get_role_policy(RoleName=roles["MachineRole"], PolicyName="MachineRolePolicy0")["PolicyDocument"]
    assert inline["Statement"][0]["Action"] == ["lambda:InvokeFunction"]


def test_an_update_changes_what_a_parameter_reaches_by_whatever_way(world: World, app: Path) -> None:
    deploy(world, app, "app")

    outputs = deploy(world, app, "app", {"Colour": "blue", "Mail": "a@example.org", "Count": "2"})

    assert outputs["ChildColour"] == "very blue"
    assert _environment(world) == {"COLOUR": "blue-ish"}
    assert world.client("ssm").get_parameter(Name="/colour")["Parameter"]["Value"] == "blue"
    assert world.client("cloudwatch").describe_alarms()["MetricAlarms"][0]["Threshold"] == 2.0
    [subscription] = world.client("sns").list_subscriptions()["Subscriptions"]
    assert subscription["Endpoint"] == "a@example.org"

    deploy(world, app, "app", {"Colour": "blue"})
    assert world.client("sns").list_subscriptions()["Subscriptions"] == []


def test_deploying_the_same_again_changes_nothing(world: World, app: Path) -> None:
    first = deploy(world, app, "app")
    stamps = {f["FunctionName"]: f["LastModified"] for f in world.client("lambda").list_functions()["Functions"]}

    assert deploy(world, app, "app") == first
    assert {
        f["FunctionName"]: f["LastModified"] for f in world.client("lambda").list_functions()["Functions"]
    } == stamps


def test_a_deleted_stack_leaves_nothing(world: World, app: Path) -> None:
    deploy(world, app, "app", {"Mail": "a@example.org"})
    deleted(world.client("cloudformation"), "app")

    assert world.client("lambda").list_functions()["Functions"] == []
    assert world.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert world.client("sns").list_subscriptions()["Subscriptions"] == []
    assert world.client("iam").list_roles()["Roles"] == []
    assert world.client("ssm").describe_parameters()["Parameters"] == []
    stacks = world.client("cloudformation").list_stacks()["StackSummaries"]
    assert {stack["StackStatus"] for stack in stacks} == {"DELETE_COMPLETE"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(
            "Period: 60",
            "Period: often",
            r"HelloAlarm \(AWS::CloudWatch::Alarm\): .*often",
            id="a bad property",
        ),
        pytest.param("AWS::SNS::Topic}", "AWS::Magic::Wand}", r"Unrecognized .*AWS::Magic::Wand", id="an unknown type"),
        pytest.param("functions/}", "gone/}", "gone holds no file", id="no code"),
        pytest.param("hello.asl.yaml", "gone.asl.yaml", "Machine: .*gone.asl.yaml", id="no state machine"),
        pytest.param("infra/child.yaml", "infra/gone.yaml", "gone.yaml cannot be read", id="no nested template"),
        pytest.param(
            "AWS::Serverless-2016-10-31",
            "AWS::LanguageExtensions",
            "does not emulate .* transform AWS::LanguageExtensions",
            id="another transform",
        ),
        pytest.param(
            "Handler: hello.app.handler",
            "Handlers: x",
            "Invalid Serverless Application Specification document.*Handlers",
            id="bad SAM",
        ),
    ],
)
def test_what_cannot_be_deployed_is_named(world: World, app: Path, before: str, after: str, said: str) -> None:
    app.write_text(app.read_text().replace(before, after))

    with pytest.raises(DeployError, match=said):
        deploy(world, app, "app")


def test_a_failure_deep_in_a_nested_stack_is_named(world: World, app: Path) -> None:
    child = app.parent / "infra" / "child.yaml"
    child.write_text(child.read_text().replace("Type: String, Value", "Type: Stranger, Value"))

    with pytest.raises(DeployError, match=r"Child \(AWS::CloudFormation::Stack\): .*Setting \(AWS::SSM::Parameter\)"):
        deploy(world, app, "app")


def test_a_failed_create_rolls_back_and_the_next_deploy_starts_anew(world: World, app: Path) -> None:
    good = app.read_text()
    app.write_text(good.replace("Period: 60", "Period: often"))
    with pytest.raises(DeployError):
        deploy(world, app, "app")
    status = world.client("cloudformation").describe_stacks(StackName="app")["Stacks"][0]["StackStatus"]
    left = world.client("lambda").list_functions()["Functions"]

    app.write_text(good)
    outputs = deploy(world, app, "app")

    assert (status, left) == ("ROLLBACK_COMPLETE", [])
    assert outputs["ChildColour"] == "very red"


def test_a_failed_update_brings_back_what_was(world: World, app: Path) -> None:
    deploy(world, app, "app")
    app.write_text(app.read_text().replace("Period: 60", "Period: often"))
    with pytest.raises(DeployError, match="HelloAlarm"):
        deploy(world, app, "app", {"Colour": "blue"})

    stack = world.client("cloudformation").describe_stacks(StackName="app")["Stacks"][0]

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert _environment(world) == {"COLOUR": "red-ish"}
    assert world.client("ssm").get_parameter(Name="/colour")["Parameter"]["Value"] == "red"


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_a_retained_resource_survives_its_stack(world: World, app: Path, policy: str) -> None:
    app.write_text(
        app.read_text().replace("Type: AWS::SNS::Topic}", f"Type: AWS::SNS::Topic, DeletionPolicy: {policy}}}")
    )
    deploy(world, app, "app")
    deleted(world.client("cloudformation"), "app")

    assert len(world.client("sns").list_topics()["Topics"]) == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"Colour": "RED"}, r"Parameter Colour = 'RED' failed .*\[a-z\]\+ \(lower-case letters\)"),
        ({"Count": "6"}, "Parameter Count has a number of 6, above MaxValue 5"),
        ({"Nothing": "x"}, "declares no parameter Nothing"),
    ],
)
def test_a_parameter_that_the_template_refuses_is_named(
    world: World, app: Path, parameters: dict[str, str], said: str
) -> None:
    with pytest.raises(DeployError, match=said):
        deploy(world, app, "app", parameters)


@pytest.mark.parametrize(
    "overrides",
    [
        '"Colour=green Count=3"',
        '["Colour=green", "Count=3"]',
        '"Colour=\\"green\\" Count=\\"3\\""',
        '{Colour = "green", Count = 3}',
    ],
)
def test_samconfig_overrides_defaults_and_the_caller_overrides_samconfig(
    world: World, app: Path, overrides: str
) -> None:
    (app.parent / "samconfig.toml").write_text(f"[local.deploy.parameters]\nparameter_overrides = {overrides}\n")
    deploy(world, app, "app", {"Colour": "blue"})

    assert _environment(world) == {"COLOUR": "blue-ish"}
    assert world.client("cloudwatch").describe_alarms()["MetricAlarms"][0]["Threshold"] == 3.0


def test_looking_at_a_stack_that_lacks_a_resource_by_condition_works(world: World, app: Path) -> None:
    deploy(world, app, "app")

    resources = world.client("cloudformation").describe_stack_resources(StackName="app")["StackResources"]

    assert "ToldSomebody" not in {resource["LogicalResourceId"] for resource in resources}


def test_a_type_of_sagemaker_that_a_rollout_owns_is_refused(world: World) -> None:
    body = json.dumps({"Resources": {"M": {"Type": "AWS::SageMaker::Model", "Properties": {}}}})

    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::SageMaker::Model\]"):
        world.client("cloudformation").create_stack(StackName="app", TemplateBody=body)
