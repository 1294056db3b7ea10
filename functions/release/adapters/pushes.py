"""Images that were pushed for release, as ECR lists them."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.ports import Push

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient


class EcrPushes:
    def __init__(self, client: "ECRClient", *, repository_uri: str, tag_prefix: str) -> None:
        self._client = client
        self._uri = repository_uri
        self._repository = repository_uri.partition("/")[2]
        self._tag_prefix = tag_prefix

    def newest(self) -> Push | None:
        pages = self._client.get_paginator("describe_images").paginate(
            repositoryName=self._repository, filter={"tagStatus": "TAGGED"}
        )
        with translated(f"listing the images of {self._repository}"):
            found = [
                Push(f"{self._uri}@{image['imageDigest']}", tag, image["imagePushedAt"])
                for page in pages
                for image in page["imageDetails"]
                for tag in image.get("imageTags", [])
                if tag.startswith(self._tag_prefix)
            ]
        return max(found, key=lambda push: (push.at, push.tag), default=None)

    def digest_of(self, tag: str) -> str | None:
        try:
            with translated(f"looking where tag {tag} points"):
                reply = self._client.describe_images(repositoryName=self._repository, imageIds=[{"imageTag": tag}])
        except ClientError as error:
            if code_of(error) in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                return None
            raise
        return reply["imageDetails"][0]["imageDigest"]
