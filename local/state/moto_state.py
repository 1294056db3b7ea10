"""The state that moto keeps: everything of the services that can be kept; calls of the others are refused by name."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.core.base_backend import BackendDict
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.models import stepfunctions_parser_backends as interpreters

from local.state.pickling import merge
from local.world import ACCOUNT

# moto's module → what a person calls the service. Each survives a restart in a test.
KEPT = {
    "moto.applicationautoscaling": "Application Auto Scaling",
    "moto.cloudformation": "CloudFormation",
    "moto.cloudwatch": "CloudWatch",
    "moto.dynamodb": "DynamoDB",
    "moto.dynamodbstreams": "DynamoDB Streams",
    "moto.awslambda": "Lambda",
    "moto.ec2": "EC2",
    "moto.ecr": "ECR",
    "moto.ecs": "ECS",
    "moto.elbv2": "Elastic Load Balancing",
    "moto.events": "EventBridge",
    "moto.iam": "IAM",
    "moto.kms": "KMS",
    "moto.logs": "CloudWatch Logs",
    "moto.s3": "S3",
    "moto.servicequotas": "Service Quotas",
    "moto.sns": "SNS",
    "moto.sqs": "SQS",
    "moto.ssm": "Systems Manager",
    "moto.stepfunctions": "Step Functions",
    "moto.sts": "STS",
}
_NAMES = "bucket_accounts"  # which account owns a bucket's name; it lies beside S3's backends
_ABORT_S = 5.0  # real seconds


class MotoState:
    """moto's backends as one part of the kept state."""

    def keep(self) -> list[tuple[Any, dict[str, Any]]]:
        """What moto has, by reference, with its attributes."""
        _end_executions()
        owners = [found for found in _owners() if _NAMES in vars(found)]
        return [(backend, dict(vars(backend))) for backend in _backends()] + [
            (found, {_NAMES: vars(found)[_NAMES]}) for found in owners
        ]

    def restore(self, kept: list[tuple[Any, dict[str, Any]]]) -> None:
        for found, attributes in kept:
            merge(vars(found), attributes)


def is_kept(module: str) -> bool:
    """Whether what a module of moto holds survives a restart."""
    return ".".join(module.split(".")[:2]) in KEPT


def _owners() -> list[Any]:
    in_use = vars(BackendDict)["_instances"]  # moto's only list of what is in use
    return [owner for owner in in_use if is_kept(owner.backend.__module__)]


def _backends() -> Iterator[Any]:
    for owner in _owners():
        for regions in list(owner.values()):
            yield from list(regions.values())


def _end_executions() -> None:
    """An execution that was stopped says so a moment later, in its own thread, unless a call that hangs holds it."""
    machines = [machine for backend in interpreters[ACCOUNT].values() for machine in backend.state_machines]
    deadline = time.monotonic() + _ABORT_S
    while running := [each for machine in machines for each in list(machine.executions) if _runs(each)]:
        if time.monotonic() > deadline:
            execution: Any  # the backend's type is that of the interpreter's parent
            for execution in running:
                execution.exec_status, execution.stop_date = ExecutionStatus.ABORTED, datetime.now(UTC)
            return
        time.sleep(0.02)


def _runs(execution: Any) -> bool:
    """Also one that was taken down and never begun."""
    return execution.exec_status in {None, ExecutionStatus.RUNNING}
