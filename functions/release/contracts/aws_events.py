"""What AWS sends us, as far as we read it: two events that start something, a question before the stack goes."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from release.contracts.base import AwsEvent

EventTime = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]


class _Bucket(AwsEvent):
    name: str


class _Object(AwsEvent):
    key: str
    size: int
    etag: str
    version_id: str = Field(alias="version-id", default="null")
    """S3's own word for the one version of an object in a bucket without versioning."""
    sequencer: str


class _Upload(AwsEvent):
    bucket: _Bucket
    object: _Object


class ObjectCreated(AwsEvent):
    source: Literal["aws.s3"]
    detail_type: Literal["Object Created"] = Field(alias="detail-type")
    time: EventTime
    detail: _Upload


class _Push(AwsEvent):
    result: Literal["SUCCESS", "FAILURE"]
    repository_name: str = Field(alias="repository-name")
    image_digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] = Field(alias="image-digest")
    action_type: Literal["PUSH", "DELETE"] = Field(alias="action-type")
    image_tag: str | None = Field(alias="image-tag", default=None)


class EcrImageAction(AwsEvent):
    source: Literal["aws.ecr"]
    detail_type: Literal["ECR Image Action"] = Field(alias="detail-type")
    time: EventTime
    detail: _Push


class CustomResourceRequest(AwsEvent):
    """CloudFormation's, for a resource of the stack's own type."""

    request_type: Literal["Create", "Update", "Delete"] = Field(alias="RequestType")
    response_url: str = Field(alias="ResponseURL")
    stack_id: str = Field(alias="StackId")
    request_id: str = Field(alias="RequestId")
    logical_resource_id: str = Field(alias="LogicalResourceId")
