"""The control plane's front: each operation held to the service's model, then done by the part that has it."""

from typing import Any

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.control.configs import EndpointConfigs
from local.sagemaker.control.endpoints import Endpoints
from local.sagemaker.control.fields import refuse_what_is_not_emulated
from local.sagemaker.control.models import Models
from local.sagemaker.control.plane import Deed, Json, Plane
from local.sagemaker.control.quotas import Quotas
from local.sagemaker.control.rights import Authorize, Rights
from local.sagemaker.control.tags import Tags
from local.sagemaker.deployments.deployer import Deployer
from local.sagemaker.errors import not_emulated
from local.sagemaker.registry import Registry
from local.sagemaker.service_model import check_request
from local.world import World

__all__ = ["Api", "Authorize"]

SERVICE = "sagemaker"


class Api:
    OPERATIONS = (
        "AddTags",
        "CreateEndpoint",
        "CreateEndpointConfig",
        "CreateModel",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteTags",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListModels",
        "ListTags",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
    )
    """Everything else is refused by name."""

    def __init__(  # noqa: PLR0913 - its surroundings, each named
        self,
        world: World,
        registry: Registry,
        deployer: Deployer,
        authorize: Authorize,
        *,
        behaviour: Behaviour | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self.quotas = quotas or Quotas(world.clock.time)
        plane = Plane(world, registry, behaviour or Behaviour(), self.quotas)
        parts = (Models(plane), EndpointConfigs(plane), Endpoints(plane, deployer), Tags(plane))
        self._deeds: dict[str, Deed] = {name: deed for part in parts for name, deed in part.deeds().items()}
        self._authorize = authorize
        self._registry = registry

    def call(self, name: str, access_key: str, request: Any) -> Json:
        """Answer one operation.

        Args:
            request: the decoded JSON body.

        Raises:
            AwsError: the operation's error.
        """
        if name not in self.OPERATIONS:
            raise not_emulated(name)
        checked = check_request(SERVICE, name, request)
        refuse_what_is_not_emulated(SERVICE, name, checked)
        return self._deeds[name](Rights(self._authorize, self._registry, access_key), checked)
