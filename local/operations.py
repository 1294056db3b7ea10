"""Every operation of the services that Slipway uses: emulated, recorded only, or refused.

What answers is asked of the code that answers: moto's response classes as patched, and our own services' lists. The
one table here says which answers are kept and change nothing, because no code can tell.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from moto.core.responses import BaseResponse

# boto's name of a service → module and class of moto that answer it.
_MOTO = {
    "cloudwatch": ("moto.cloudwatch.responses", "CloudWatchResponse"),
    "dynamodb": ("moto.dynamodb.responses", "DynamoHandler"),
    "ec2": ("moto.ec2.responses", "EC2Response"),
    "ecr": ("moto.ecr.responses", "ECRResponse"),
    "ecs": ("moto.ecs.responses", "EC2ContainerServiceResponse"),
    "elbv2": ("moto.elbv2.responses", "ELBV2Response"),
    "events": ("moto.events.responses", "EventsHandler"),
    "iam": ("moto.iam.responses", "IamResponse"),
    "kms": ("moto.kms.responses", "KmsResponse"),
    "lambda": ("moto.awslambda.responses", "LambdaResponse"),
    "logs": ("moto.logs.responses", "LogsResponse"),
    "s3": ("moto.s3.responses", "S3Response"),
    "sns": ("moto.sns.responses", "SNSResponse"),
    "sqs": ("moto.sqs.responses", "SQSResponse"),
    "ssm": ("moto.ssm.responses", "SimpleSystemManagerResponse"),
    "stepfunctions": ("moto.stepfunctions.responses", "StepFunctionResponse"),
    "sts": ("moto.sts.responses", "TokenResponse"),
}
NOT_JUDGED = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetFederationToken", "GetSessionToken"})
"""Operations of STS that moto answers with keys that nobody can be judged by; they are refused."""
# moto's S3 answers these under methods of other names.
_OF_S3 = frozenset(
    {
        "CompleteMultipartUpload", "CreateBucket", "CreateMultipartUpload", "DeleteObjects",
        "GetBucketLifecycleConfiguration", "GetBucketNotificationConfiguration", "GetBucketTagging", "ListBuckets",
        "PutBucketAccelerateConfiguration", "PutBucketAcl", "PutBucketCors", "PutBucketEncryption",
        "PutBucketInventoryConfiguration", "PutBucketLifecycle", "PutBucketLifecycleConfiguration", "PutBucketLogging",
        "PutBucketNotification", "PutBucketNotificationConfiguration", "PutBucketOwnershipControls", "PutBucketPolicy",
        "PutBucketReplication", "PutBucketTagging", "PutBucketVersioning", "PutBucketWebsite",
        "PutObjectLockConfiguration", "PutPublicAccessBlock", "RestoreObject", "SelectObjectContent",
    }
)  # fmt: skip
# Kept, described again, and without any effect: service → operation → what does not happen.
RECORDED: Mapping[str, Mapping[str, str]] = {
    "dynamodb": {"UpdateTimeToLive": "no item expires"},
    "ecr": {
        "PutImageScanningConfiguration": "no image is scanned",
        "PutLifecyclePolicy": "no image expires",
        "PutRegistryScanningConfiguration": "no image is scanned",
        "PutReplicationConfiguration": "no image is copied",
    },
    "ecs": {
        "CreateCapacityProvider": "services run on this machine",
        "CreateTaskSet": "services alone run",
        "RunTask": "services alone run",
        "StartTask": "services alone run",
    },
    "iam": {
        "CreateLoginProfile": "there is no console",
        "CreateOpenIDConnectProvider": "nobody comes from elsewhere",
        "CreateSAMLProvider": "nobody comes from elsewhere",
        "CreateVirtualMFADevice": "nobody is asked for a code",
        "UpdateAccountPasswordPolicy": "there are no passwords",
    },
    "kms": {"EnableKeyRotation": "no key is rotated"},
    "logs": {"PutResourcePolicy": "it is asked by nobody", "PutRetentionPolicy": "no line expires"},
    "cloudwatch": {"PutDashboard": "no page shows it", "PutInsightRule": "no rule is evaluated"},
    "s3": {
        "PutBucketAccelerateConfiguration": "loopback is fast",
        "PutBucketAcl": "policies alone decide",
        "PutBucketInventoryConfiguration": "no inventory is made",
        "PutBucketLifecycle": "no object expires",
        "PutBucketLifecycleConfiguration": "no object expires",
        "PutBucketLogging": "no log is written",
        "PutBucketOwnershipControls": "policies alone decide",
        "PutBucketReplication": "no object is copied",
        "PutBucketWebsite": "no website is served",
        "PutObjectAcl": "policies alone decide",
        "PutPublicAccessBlock": "policies alone decide",
        "RestoreObject": "every object is at hand",
    },
    "sns": {
        "CreatePlatformApplication": "nothing is pushed to telephones",
        "CreatePlatformEndpoint": "nothing is pushed to telephones",
        "SetSMSAttributes": "no SMS is sent",
    },
    "ssm": {
        "CreateMaintenanceWindow": "no window opens",
        "CreatePatchBaseline": "nothing is patched",
        "SendCommand": "no command runs",
    },
}
# Of these whatever moto keeps is a record: nothing here routes a packet.
RECORDED_SERVICES = {
    "ec2": "networks and instances are records; processes reach each other by loopback",
    "elbv2": "the one load balancer is a name for its container's port; listeners, rules and targets are records",
}


@dataclass(frozen=True)
class Coverage:
    """What becomes of each operation of one service; the three together are all of botocore's model."""

    service: str
    emulated: tuple[str, ...]
    recorded: Mapping[str, str]
    """Operation → what does not happen."""
    refused: tuple[str, ...]


@cache
def operations_of(service: str) -> tuple[str, ...]:
    """All operations of botocore's model of a service."""
    return tuple(_model(service).operation_names)


@cache
def _model(service: str) -> Any:
    """As botocore ships it; moto's has operations of moto's own."""
    return botocore.session.get_session().get_service_model(service)


def coverage(own: Mapping[str, Iterable[str]]) -> list[Coverage]:
    """Of every service, in the order of their names. moto must be patched as it is while the embedded AWS runs.

    Args:
        own: the operations of the services that moto does not answer here, by boto's name of the service.
    """
    answered = {service: _answered_by_moto(service) for service in _MOTO} | {
        service: frozenset(operations) for service, operations in own.items()
    }
    return [_coverage(service, answered[service]) for service in sorted(answered)]


def _coverage(service: str, answered: frozenset[str]) -> Coverage:
    recorded = {name: what for name, what in RECORDED.get(service, {}).items() if name in answered}
    if unknown := set(RECORDED.get(service, {})) - answered:
        raise ValueError(f"{service} does not answer what is said to be recorded: {sorted(unknown)}")
    every = operations_of(service)
    return Coverage(
        service,
        tuple(name for name in every if name in answered and name not in recorded),
        recorded,
        tuple(name for name in every if name not in answered),
    )


def _answered_by_moto(service: str) -> frozenset[str]:
    module, name = _MOTO[service]
    responses: Any = getattr(importlib.import_module(module), name)
    names = (operation for operation in operations_of(service) if _has(responses, xform_name(operation)))
    refused = NOT_JUDGED if service == "sts" else frozenset[str]()
    return frozenset(names) - refused | (_OF_S3 if service == "s3" else frozenset())


def _has(responses: Any, method: str) -> bool:
    return hasattr(responses, method) and not hasattr(BaseResponse, method)


# S3: what moto would take for another operation ----------------------------------------------------------------------


def refused_subresources() -> dict[tuple[str, str], frozenset[str]]:
    """By level (BUCKET or KEY) and method: query parameters that name an operation of S3 which nothing answers."""
    answered = _answered_by_moto("s3")
    refused: dict[tuple[str, str], set[str]] = {}
    known: dict[tuple[str, str], set[str]] = {}
    model = _model("s3")
    for operation in operations_of("s3"):
        http = model.operation_model(operation).http
        path, _, query = http["requestUri"].partition("?")
        place = ("KEY" if "{Key" in path else "BUCKET", http["method"])
        names = {part.partition("=")[0] for part in query.split("&") if part} - {"x-id"}
        (known if operation in answered else refused).setdefault(place, set()).update(names)
    return {place: frozenset(names - known.get(place, set())) for place, names in refused.items()}
