"""What every target is given before the first check: a bucket with artifacts, an image, a role, a queue of events."""

import contextlib
import gzip
import io
import json
import tarfile
import threading
import time
from collections import defaultdict
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.conformance.targets import Target

OBJECTS = {
    "model/config.json": b"{}",
    "model/deep/weights.bin": b"0123",
    "clash/weights": b"a file",
    "clash/weights/part1": b"and a folder of the same name",
    "console/folder/": b"",
    "console/weights.bin": b"0123",
}
IAM_SETTLES_S = 15
"""AWS: changes of IAM are not visible everywhere at once."""


class Events:
    """SageMaker's events as a rule and a queue deliver them, by endpoint."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._over = threading.Event()
        self._queue = _queue(target)
        self._thread = threading.Thread(target=self._collect, name="events", daemon=True)
        self._thread.start()

    def of(self, endpoint: str) -> list[dict[str, Any]]:
        return list(self._seen[endpoint])

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _collect(self) -> None:
        while not self._over.wait(self._target.pause_s):
            # A round that fails is made up for by the next; events that never come fail the checks that wait for them.
            with contextlib.suppress(ClientError, BotoCoreError):
                self._receive()

    def _receive(self) -> None:
        sqs = self._target.clients["sqs"]
        answer = sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"])
            self._seen[str(event.get("detail", {}).get("EndpointName"))].append(event)
            sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])


def furnish(target: Target) -> Events:
    """Make the fixture in the target's account; what it makes carries the target's prefix."""
    target.bucket = f"{target.prefix}-{target.account}"
    s3 = target.clients["s3"]
    place = {} if target.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": target.region}}
    s3.create_bucket(Bucket=target.bucket, **place)
    for key, body in {**OBJECTS, "model.tar.gz": _archive({"inner/config.json": b"packed"})}.items():
        s3.put_object(Bucket=target.bucket, Key=key, Body=body)
    target.role = role(target, "execution", *execution_rights(target))
    return Events(target)


def execution_rights(target: Target) -> list[dict[str, Any]]:
    """Source: "How to use SageMaker AI execution roles" of the developer guide, CreateModel and UpdateEndpoint."""
    arn = f"arn:aws:s3:::{target.bucket}"
    return [
        allow("s3:GetObject", resource=f"{arn}/*"),
        allow("s3:ListBucket", resource=arn),
        allow("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
        allow("ecr:GetAuthorizationToken", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricData"),
        allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"),
    ]


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def role(target: Target, name: str, *rights: dict[str, Any], trusts: dict[str, str] | None = None) -> str:
    """The ARN of a new role with these rights, which SageMaker may take if nobody else is named."""
    principal = trusts or {"Service": "sagemaker.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    iam, full_name = target.clients["iam"], f"{target.prefix}-{name}"
    made = iam.create_role(RoleName=full_name, AssumeRolePolicyDocument=_document(trust))
    if rights:
        iam.put_role_policy(RoleName=full_name, PolicyName="inline", PolicyDocument=_document(*rights))
    if target.url is None:
        time.sleep(IAM_SETTLES_S)
    return str(made["Role"]["Arn"])


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def _queue(target: Target) -> str:
    sqs, events = target.clients["sqs"], target.clients["events"]
    url = str(sqs.create_queue(QueueName=target.prefix)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    service = {"Principal": {"Service": "events.amazonaws.com"}}
    policy = _document({**allow("sqs:SendMessage", resource=arn), **service})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    pattern = {"source": ["aws.sagemaker"], "detail-type": [{"prefix": "SageMaker Endpoint"}]}
    events.put_rule(Name=target.prefix, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=target.prefix, Targets=[{"Id": "queue", "Arn": arn}])
    return url
