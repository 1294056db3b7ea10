"""What there is to release and what is being released, as the bucket, the registry and Step Functions tell it."""

import os
from functools import cache

from release.adapters.executions import StepFunctionsExecutions
from release.adapters.pushes import EcrPushes
from release.adapters.uploads import S3Uploads
from release.domain.keys import TAG_PREFIX
from release.wiring import clients


@cache
def uploads() -> S3Uploads:
    return S3Uploads(clients.client("s3"), bucket=os.environ["ARTIFACT_BUCKET"])


@cache
def pushes() -> EcrPushes:
    repository = os.environ["INFERENCE_REPOSITORY_URI"]
    return EcrPushes(clients.client("ecr"), repository_uri=repository, tag_prefix=TAG_PREFIX)


@cache
def executions() -> StepFunctionsExecutions:
    return StepFunctionsExecutions(clients.client("stepfunctions"), machine_arn=os.environ["RELEASE_MACHINE_ARN"])
