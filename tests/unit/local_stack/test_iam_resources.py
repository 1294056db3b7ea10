"""What a request needs, in the words of the Service Authorization Reference."""

from typing import Any

import pytest

from local.iam.resources import needs
from local.iam.s3 import S3Request, s3_needs

HERE = "us-east-1:123456789012"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "needed"),
    [
        ("dynamodb", "GetItem", {"TableName": "t"}, [("dynamodb:GetItem", f"arn:aws:dynamodb:{HERE}:table/t")]),
        (
            "dynamodb",
            "Query",
            {"TableName": "t", "IndexName": "i"},
            [("dynamodb:Query", f"arn:aws:dynamodb:{HERE}:table/t/index/i")],
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "t"}}, {"ConditionCheck": {"TableName": "u"}}]},
            [
                ("dynamodb:PutItem", f"arn:aws:dynamodb:{HERE}:table/t"),
                ("dynamodb:ConditionCheckItem", f"arn:aws:dynamodb:{HERE}:table/u"),
            ],
        ),
        (
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": f"arn:aws:states:{HERE}:stateMachine:m", "name": "run-1"},
            [("states:StartExecution", f"arn:aws:states:{HERE}:stateMachine:m")],
        ),
        ("lambda", "Invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:f")]),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{HERE}:t"}, [("sns:Publish", f"arn:aws:sns:{HERE}:t")]),
        ("sqs", "SendMessage", {"QueueUrl": "http://x/1/q"}, [("sqs:SendMessage", f"arn:aws:sqs:{HERE}:q")]),
        (
            "ssm",
            "GetParameter",
            {"Name": "/slipway/endpoints/chat"},
            [("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/slipway/endpoints/chat")],
        ),
        (
            "ecr",
            "DescribeImages",
            {"repositoryName": "r"},
            [("ecr:DescribeImages", f"arn:aws:ecr:{HERE}:repository/r")],
        ),
        (
            "cloudwatch",
            "DeleteDashboards",
            {"DashboardNames": ["d"]},
            [("cloudwatch:DeleteDashboards", "arn:aws:cloudwatch::123456789012:dashboard/d")],
        ),
        ("ecr", "GetAuthorizationToken", {}, [("ecr:GetAuthorizationToken", "*")]),
        (
            "events",
            "PutEvents",
            {"Entries": [{"Source": "a"}, {"Source": "b"}]},
            [("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/default")],
        ),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {"AlarmName": "a", "Namespace": "N"},
            [("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:a")],
        ),
        (
            "cloudwatch",
            "DescribeAlarms",
            {"AlarmNames": ["a"]},
            [("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:*")],
        ),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "/g", "logStreamName": "s"},
            [("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/g:log-stream:s")],
        ),
        (
            "sts",
            "AssumeRole",
            {"RoleArn": "arn:aws:iam::123456789012:role/r"},
            [("sts:AssumeRole", "arn:aws:iam::123456789012:role/r")],
        ),
        (
            "cloudformation",
            "DescribeStacks",
            {"StackName": "slipway"},
            [("cloudformation:DescribeStacks", f"arn:aws:cloudformation:{HERE}:stack/slipway/*")],
        ),
        (
            "lambda",
            "CreateFunction",
            {"FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/r"},
            [
                ("lambda:CreateFunction", f"arn:aws:lambda:{HERE}:function:f"),
                ("iam:PassRole", "arn:aws:iam::123456789012:role/r"),
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_needs_its_own_action_on_its_own_resource(
    service: str, operation: str, parameters: dict[str, Any], needed: list[tuple[str, str]]
) -> None:
    assert [(need.action, need.resource) for need in needs(service, operation, parameters)] == needed


def test_passing_a_role_says_to_whom() -> None:
    passed = needs("stepfunctions", "CreateStateMachine", {"name": "m", "roleArn": "arn:aws:iam::1:role/r"})[-1]

    assert passed.context == {"iam:PassedToService": "states.amazonaws.com"}


@pytest.mark.parametrize(
    ("action", "key", "headers", "query", "needed"),
    [
        pytest.param("GetObject", "k", {}, {}, [("s3:GetObject", "arn:aws:s3:::b/k")], id="read"),
        pytest.param(
            "GetObject",
            "k",
            {},
            {"versionId": ["1"]},
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
            id="read a version",
        ),
        pytest.param("HeadBucket", None, {}, {}, [("s3:ListBucket", "arn:aws:s3:::b")], id="is it there"),
        pytest.param(
            "PutObject",
            "k",
            {"x-amz-copy-source": "/a/some%20key"},
            {},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::a/some key")],
            id="a copy reads its source",
        ),
        pytest.param(
            "PutObject",
            "k",
            {"x-amz-copy-source": "a/k?versionId=7"},
            {},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObjectVersion", "arn:aws:s3:::a/k")],
            id="a copy reads the version of its source",
        ),
    ],
)
def test_a_request_to_s3_needs_what_s3_asks_for(
    action: str, key: str | None, headers: dict[str, str], query: dict[str, Any], needed: list[tuple[str, str]]
) -> None:
    assert [
        (need.action, need.resource) for need in s3_needs(S3Request(action, "b", key, headers=headers, query=query))
    ] == needed
