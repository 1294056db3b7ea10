"""What the registry says of an image's form."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient


class EcrRegistry:
    def __init__(self, client: "ECRClient") -> None:
        self._client = client

    def media_type(self, image: str) -> str | None:
        uri, _, digest = image.partition("@")
        try:
            with translated(f"looking at image {image}"):
                reply = self._client.describe_images(
                    repositoryName=uri.partition("/")[2], imageIds=[{"imageDigest": digest}]
                )
        except ClientError as error:
            if code_of(error) in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                return None
            raise
        return reply["imageDetails"][0].get("imageManifestMediaType", "unknown")
