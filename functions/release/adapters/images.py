"""The inference images in ECR."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient


class EcrImages:
    def __init__(self, client: "ECRClient") -> None:
        self._client = client

    def exists(self, image: str) -> bool:
        uri, _, digest = image.partition("@")
        repository = uri.partition("/")[2]
        try:
            with translated(f"looking for image {image}"):
                self._client.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        except ClientError as error:
            if code_of(error) in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                return False
            raise
        return True
