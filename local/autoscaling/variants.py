"""SageMaker's endpoint variants as Application Auto Scaling sees and changes them."""

import json
import re
import threading
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local.sagemaker.errors import validation
from local.world import ACCOUNT, World

NAMESPACE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
PRINCIPAL = "sagemaker.application-autoscaling.amazonaws.com"
ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
ROLE_PATH = f"/aws-service-role/{PRINCIPAL}/"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role{ROLE_PATH}{ROLE}"
# What the managed policy AWSApplicationAutoscalingSageMakerEndpointPolicy allows and is used here.
_RIGHTS = (
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:DeleteAlarms",
)
_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")


@dataclass(frozen=True)
class Variant:
    endpoint: str
    name: str

    @classmethod
    def of(cls, resource_id: str) -> "Variant":
        """Raises AwsError ValidationException: it is not written `endpoint/<endpoint>/variant/<variant>`."""
        if (parts := _RESOURCE.fullmatch(resource_id)) is None:
            raise validation("Unsupported service namespace, resource type or scalable dimension")
        return cls(parts["endpoint"], parts["variant"])


@dataclass(frozen=True)
class Capacity:
    desired: int
    current: int
    status: str
    """The endpoint's."""

    @property
    def scalable(self) -> bool:
        """SageMaker lets nobody scale an endpoint that is being created, updated or deleted."""
        return self.status == "InService"


class Variants:
    def __init__(self, world: World) -> None:
        self._world = world
        self._making_role = threading.Lock()

    def capacity(self, variant: Variant) -> Capacity | None:
        """What the variant has; None if there is no such endpoint, or it has no such variant yet or any more."""
        try:
            endpoint = self._world.client("sagemaker").describe_endpoint(EndpointName=variant.endpoint)
        except ClientError as error:
            if "Could not find endpoint" in error.response["Error"]["Message"]:
                return None
            raise
        for one in endpoint.get("ProductionVariants", []):
            if one["VariantName"] == variant.name:
                return Capacity(
                    int(one["DesiredInstanceCount"]), int(one["CurrentInstanceCount"]), endpoint["EndpointStatus"]
                )
        return None

    def set_capacity(self, variant: Variant, count: int) -> None:
        """Ask SageMaker for so many instances, with the rights of the service-linked role.

        Raises:
            ClientError: SageMaker refused.
        """
        self.ensure_role()
        credentials = self._world.role_credentials(ROLE_ARN, "AutoScaling-UpdateDesiredInstanceCount", PRINCIPAL)
        self._world.client("sagemaker", credentials).update_endpoint_weights_and_capacities(
            EndpointName=variant.endpoint,
            DesiredWeightsAndCapacities=[{"VariantName": variant.name, "DesiredInstanceCount": count}],
        )

    def ensure_role(self) -> None:
        """Create the service-linked role if it does not exist, as the first registration does."""
        iam: Any = self._world.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole"}
        rights = {"Effect": "Allow", "Action": list(_RIGHTS), "Resource": "*"}
        with self._making_role:
            try:
                iam.get_role(RoleName=ROLE)
            except iam.exceptions.NoSuchEntityException:
                iam.create_role(RoleName=ROLE, Path=ROLE_PATH, AssumeRolePolicyDocument=_document(trust))
                iam.put_role_policy(RoleName=ROLE, PolicyName="scaling", PolicyDocument=_document(rights))


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
