"""A running embedded AWS as a test sees it: clients, and the few things that every test must make first."""

import contextlib
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
from botocore.config import Config

T = TypeVar("T")
_build_client: Callable[..., Any] = boto3.client


@dataclass
class Aws:
    url: str
    process_id: int
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.new_client(service)
        return self._clients[service]

    def new_client(self, service: str, config: Config | None = None) -> Any:
        return _build_client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}).merge(config or Config()),
        )

    def role(self, *actions: str) -> str:
        """A role that Lambda, Step Functions and EventBridge may take, allowed exactly these actions on everything."""
        iam = self.client("iam")
        name = unique("role")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com", "events.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
        role = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        return str(role["Role"]["Arn"])

    def function(
        self, source: str, *, timeout_s: int = 10, role: str | None = None, environment: dict[str, str] | None = None
    ) -> str:
        """A function whose whole code is `source`, with a `handler`; returns its ARN."""
        answer = self.client("lambda").create_function(
            FunctionName=unique("function"),
            Runtime="python3.11",
            Role=role or self.role("states:StartExecution"),
            Handler="app.handler",
            Code={"ZipFile": zipped(source)},
            Timeout=timeout_s,
            Environment={"Variables": environment or {}},
        )
        return str(answer["FunctionArn"])

    def machine(self, definition: dict[str, Any], role: str | None = None) -> str:
        answer = self.client("stepfunctions").create_state_machine(
            name=unique("machine"),
            definition=json.dumps(definition),
            roleArn=role or self.role("lambda:InvokeFunction"),
        )
        return str(answer["stateMachineArn"])

    def run(self, machine: str, **event: Any) -> dict[str, Any]:
        """Run a machine to its end and describe the execution."""
        states = self.client("stepfunctions")
        execution = states.start_execution(stateMachineArn=machine, input=json.dumps(event))["executionArn"]
        return self.ended(execution)

    def ended(self, execution: str) -> dict[str, Any]:
        states = self.client("stepfunctions")

        def described() -> dict[str, Any] | None:
            answer: dict[str, Any] = states.describe_execution(executionArn=execution)
            return None if answer["status"] == "RUNNING" else answer

        return until(described)

    def bucket(self) -> str:
        """A versioned bucket that tells EventBridge about its objects."""
        s3 = self.client("s3")
        name = unique("bucket")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        return name

    def queue(self) -> tuple[str, str]:
        """URL and ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def rule(self, pattern: dict[str, Any] | None = None, *, schedule: str = "", **target: Any) -> str:
        """A rule with one target that it may reach, and a dead-letter queue that it may fill."""
        events = self.client("events")
        name = unique("rule")
        when = {"ScheduleExpression": schedule} if schedule else {"EventPattern": json.dumps(pattern)}
        arn = events.put_rule(Name=name, **when)["RuleArn"]
        self.let_in("events.amazonaws.com", [arn], target["Arn"])
        if grave := target.get("DeadLetterConfig"):
            self.let_in("events.amazonaws.com", [arn], grave["Arn"])
        events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
        return name

    def let_in(self, service: str, sources: list[str], arn: str) -> None:
        """Write into the policy of a queue, a topic or a function that the service may come for these sources."""
        kind, name = arn.split(":")[2], arn.split(":", 5)[5]
        action = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}.get(kind)
        statement = {
            "Effect": "Allow",
            "Principal": "*" if service == "*" else {"Service": service},
            "Action": action,
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        with contextlib.suppress(self.client("lambda").exceptions.ResourceNotFoundException):
            if kind == "sqs":
                url = f"{self.url}/{arn.split(':')[4]}/{name}"
                self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
            elif kind == "sns":
                self.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
            elif kind == "lambda":
                self.client("lambda").add_permission(
                    FunctionName=arn,
                    StatementId=unique("statement"),
                    Action="lambda:InvokeFunction",
                    Principal=service,
                    SourceArn=sources[0],
                )

    def messages(self, queue_url: str, count: int, limit_s: float = 30.0) -> list[dict[str, Any]]:
        """Exactly `count` messages, and no further one a little later."""
        sqs = self.client("sqs")
        found: list[dict[str, Any]] = []
        end = time.monotonic() + limit_s
        while len(found) < count and time.monotonic() < end:
            found += _received(sqs, queue_url)
            time.sleep(0.05)
        time.sleep(0.3)
        found += _received(sqs, queue_url)
        assert len(found) == count, [message["Body"] for message in found]
        return found


def _received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


def until(probe: Callable[[], T | None], limit_s: float = 30.0) -> T:
    """The first answer of the probe that is not None."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if (answer := probe()) is not None:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"nothing within {limit_s} s")


def unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def zipped(source: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", source)
    return content.getvalue()
