"""The artifact bucket, and the schemas that answers are held against."""

import os
from functools import cache
from typing import Any

from release.adapters.artifacts import S3ArtifactStore
from release.wiring import clients


@cache
def artifacts() -> S3ArtifactStore:
    return S3ArtifactStore(clients.client("s3"), bucket=os.environ["ARTIFACT_BUCKET"])


@cache
def schemas() -> Any:
    from release.adapters.schemas import JsonSchemas  # noqa: PLC0415 - imports that two functions alone need

    return JsonSchemas()
