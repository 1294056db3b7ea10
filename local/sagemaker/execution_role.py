"""What the twin does on behalf of a model it does with the rights of that model's execution role, as SageMaker does."""

import re
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.errors import not_emulated, validation
from local.world import ACCOUNT, REGION, World

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_ECR_IMAGE = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:@]+)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))?"
)


class ExecutionRole:
    """The execution role of one model.

    Args:
        arn: what CreateModel was given; SageMaker must be able to assume it.
    """

    def __init__(self, world: World, arn: str) -> None:
        self.arn = arn
        self._world = world
        self._session: dict[str, str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}  # a later run takes the role again

    def client(self, service: str) -> Any:
        """A client with the role's rights; one session serves them all, as those that services take do not end here.

        Raises:
            AwsError: ValidationException, the role cannot be assumed.
        """
        if self._session is None:
            self._session = self.assume()
        return self._world.client(service, self._session)

    def assume(self) -> dict[str, str]:
        """Credentials with the role's rights.

        Raises:
            AwsError: ValidationException, the role cannot be assumed.
        """
        try:
            return self._world.role_credentials(self.arn, "SageMaker", "sagemaker.amazonaws.com")
        except (ClientError, BotoCoreError) as error:
            said = error.response["Error"]["Message"] if isinstance(error, ClientError) else error
            raise validation(
                f"Could not assume role {self.arn}. Please ensure that the role exists and allows principal "
                f"'sagemaker.amazonaws.com' to assume the role. ({said})"
            ) from error

    def resolve_image(self, image: str) -> str:
        """The image by digest, as DeployedImages.ResolvedImage gives it.

        Raises:
            AwsError: ValidationException: not an ECR image, no rights to pull it, absent, or a manifest of a kind that
                SageMaker cannot run.
        """
        parts = _ECR_IMAGE.fullmatch(image)
        if parts is None:
            raise validation(f"Using non-ECR image {image!r} without Vpc repository access mode is not supported.")
        if (parts["registry"], parts["region"]) != (ACCOUNT, REGION):
            raise not_emulated(
                f"images of other accounts and regions; {image} is not in {ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
            )
        wanted = {"imageDigest": parts["digest"]} if parts["digest"] else {"imageTag": parts["tag"] or "latest"}
        try:
            found = self.client("ecr").batch_get_image(repositoryName=parts["repository"], imageIds=[wanted])
        except (ClientError, BotoCoreError) as error:
            raise validation(
                f"Access denied for repository: {parts['repository']} in registry ID: {parts['registry']}. Please "
                f"check if your ECR repository and image exist and role {self.arn} has proper pull permissions for "
                "SageMaker: "
                f"ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer ({error})"
            ) from error
        if not found["images"]:
            raise validation(f"Requested image {image} not found.")
        media_type = found["images"][0].get("imageManifestMediaType") or DOCKER_MANIFEST
        if media_type != DOCKER_MANIFEST:
            raise validation(f"Unsupported manifest media type {media_type} for image {image}.")
        repository = image.partition("@")[0].removesuffix(f":{parts['tag']}")
        return f"{repository}@{found['images'][0]['imageId']['imageDigest']}"

    def data_unreadable(self, uri: str) -> str:
        return (
            f'Could not access model data at {uri}. Please ensure that the role "{self.arn}" exists and that its trust '
            'relationship policy allows the action "sts:AssumeRole" for the service principal '
            '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the object '
            f"is located in {REGION}. If your Model uses multiple models or uncompressed models, please ensure that "
            'the role has "s3:ListBucket" permission.'
        )
