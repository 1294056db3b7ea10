"""The control plane's operations: check, authorize, change the registry, hand the work to the deployer."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name

from local.sagemaker.control.variants import check_config, check_model, retain, specs_of
from local.sagemaker.deployments.admission import Operation
from local.sagemaker.deployments.deployer import Deployer
from local.sagemaker.deployments.scaling import Wish
from local.sagemaker.endpoint import Endpoint, describe
from local.sagemaker.errors import already_exists, not_emulated, not_found, validation
from local.sagemaker.registry import Record, Registry, Shelf, T
from local.sagemaker.service_model import check_request
from local.world import World

SERVICE = "sagemaker"
PASSED_TO = {"iam:PassedToService": "sagemaker.amazonaws.com"}

Json = dict[str, Any]
Authorize = Callable[[str, str, str, Mapping[str, str]], None]


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
    """Each is the method of its name in snake case. Everything else is refused by name."""

    def __init__(self, world: World, registry: Registry, deployer: Deployer, authorize: Authorize) -> None:
        self._world = world
        self._registry = registry
        self._deployer = deployer
        self._authorize = authorize

    def call(self, name: str, access_key: str, request: Any) -> Json:
        """Answer one operation.

        Args:
            request: the decoded JSON body.

        Raises:
            AwsError: the operation's error.
        """
        if name not in self.OPERATIONS:
            raise not_emulated(name)
        deed: Callable[[str, Json], Json] = getattr(self, f"_{xform_name(name)}")
        return deed(access_key, check_request(SERVICE, name, request))

    # Models

    def _create_model(self, access_key: str, request: Json) -> Json:
        arn = self._registry.models.arn(request["ModelName"])
        self._allow_create(access_key, "CreateModel", arn, request)
        if role := request.get("ExecutionRoleArn"):
            self._authorize(access_key, "iam:PassRole", role, PASSED_TO)
        if known := self._registry.models.find(request["ModelName"]):
            raise already_exists("model", known.arn)
        check_model(self._world, request)
        return {"ModelArn": self._shelve(self._registry.models, request["ModelName"], request)}

    def _describe_model(self, access_key: str, request: Json) -> Json:
        record = self._get(self._registry.models, access_key, "DescribeModel", request["ModelName"])
        return _as_requested(record) | {"ModelArn": record.arn}

    def _list_models(self, access_key: str, request: Json) -> Json:
        self._authorize(access_key, "sagemaker:ListModels", "*", {})
        page, token = self._registry.models.page(request, lambda record: _summary("Model", record))
        return _page("Models", page, token)

    def _delete_model(self, access_key: str, request: Json) -> Json:
        self._get(self._registry.models, access_key, "DeleteModel", request["ModelName"])
        self._registry.forget_tags(self._registry.models.remove(request["ModelName"]).arn)
        return {}

    # Endpoint configs

    def _create_endpoint_config(self, access_key: str, request: Json) -> Json:
        arn = self._registry.configs.arn(request["EndpointConfigName"])
        self._allow_create(access_key, "CreateEndpointConfig", arn, request)
        check_config(self._registry, request)
        return {"EndpointConfigArn": self._shelve(self._registry.configs, request["EndpointConfigName"], request)}

    def _describe_endpoint_config(self, access_key: str, request: Json) -> Json:
        name = request["EndpointConfigName"]
        record = self._get(self._registry.configs, access_key, "DescribeEndpointConfig", name)
        return _as_requested(record) | {"EndpointConfigArn": record.arn}

    def _list_endpoint_configs(self, access_key: str, request: Json) -> Json:
        self._authorize(access_key, "sagemaker:ListEndpointConfigs", "*", {})
        page, token = self._registry.configs.page(request, lambda record: _summary("EndpointConfig", record))
        return _page("EndpointConfigs", page, token)

    def _delete_endpoint_config(self, access_key: str, request: Json) -> Json:
        # AWS warns against deleting the config of a live endpoint, and lets it happen.
        self._get(self._registry.configs, access_key, "DeleteEndpointConfig", request["EndpointConfigName"])
        self._registry.forget_tags(self._registry.configs.remove(request["EndpointConfigName"]).arn)
        return {}

    # Endpoints

    def _create_endpoint(self, access_key: str, request: Json) -> Json:
        name, config_name = request["EndpointName"], request["EndpointConfigName"]
        arn = self._registry.endpoints.arn(name)
        self._allow_create(access_key, "CreateEndpoint", arn, request)
        self._authorize(access_key, "sagemaker:CreateEndpoint", self._registry.configs.arn(config_name), {})
        specs = specs_of(self._world, self._registry, self._registry.configs.get(config_name))
        self._deployer.check_first(request.get("DeploymentConfig"), specs)
        now = self._world.clock.now()
        endpoint = Endpoint(name, arn, config_name, now, now, deployment_config=request.get("DeploymentConfig"))
        self._registry.endpoints.add(endpoint)
        self._registry.tag(arn, request.get("Tags", []))
        self._deployer.create(endpoint, specs)
        return {"EndpointArn": arn}

    def _describe_endpoint(self, access_key: str, request: Json) -> Json:
        return describe(self._get(self._registry.endpoints, access_key, "DescribeEndpoint", request["EndpointName"]))

    def _list_endpoints(self, access_key: str, request: Json) -> Json:
        self._authorize(access_key, "sagemaker:ListEndpoints", "*", {})
        page, token = self._registry.endpoints.page(request, _endpoint_summary)
        return _page("Endpoints", page, token)

    def _update_endpoint(self, access_key: str, request: Json) -> Json:
        config_name = request["EndpointConfigName"]
        self._authorize(access_key, "sagemaker:UpdateEndpoint", self._registry.configs.arn(config_name), {})
        endpoint = self._get(self._registry.endpoints, access_key, "UpdateEndpoint", request["EndpointName"])
        config = self._registry.configs.get(config_name)
        with endpoint.lock:
            self._deployer.admit(endpoint, Operation.UPDATE)
            if config_name == endpoint.config_name and not endpoint.leftovers:
                raise validation(
                    f'Cannot update endpoint "{endpoint.arn}" to the endpoint configuration that it already has; '
                    "create a new one."
                )
            specs = retain(specs_of(self._world, self._registry, config), endpoint.variants(), request)
            self._deployer.update(endpoint, config_name, specs, request)
        return {"EndpointArn": endpoint.arn}

    def _update_endpoint_weights_and_capacities(self, access_key: str, request: Json) -> Json:
        operation = "UpdateEndpointWeightsAndCapacities"
        endpoint = self._get(self._registry.endpoints, access_key, operation, request["EndpointName"])
        desired = {}
        for wish in request["DesiredWeightsAndCapacities"]:
            if "ServerlessUpdateConfig" in wish:
                raise not_emulated("ServerlessUpdateConfig")
            if not endpoint.has_variant(wish["VariantName"]):
                raise validation(f"Variant {wish['VariantName']} was not found on endpoint {endpoint.name}.")
            desired[wish["VariantName"]] = Wish(wish.get("DesiredWeight"), wish.get("DesiredInstanceCount"))
        if any(wish.count == 0 for wish in desired.values()):
            raise not_emulated("DesiredInstanceCount 0, which needs inference components")
        self._deployer.scale(endpoint, desired)
        return {"EndpointArn": endpoint.arn}

    def _delete_endpoint(self, access_key: str, request: Json) -> Json:
        endpoint = self._get(self._registry.endpoints, access_key, "DeleteEndpoint", request["EndpointName"])
        self._deployer.delete(endpoint)
        return {}

    # Tags

    def _add_tags(self, access_key: str, request: Json) -> Json:
        arn = self._known(access_key, "AddTags", request)
        return {"Tags": self._registry.tag(arn, request["Tags"])}

    def _list_tags(self, access_key: str, request: Json) -> Json:
        return {"Tags": self._registry.tags(self._known(access_key, "ListTags", request))}

    def _delete_tags(self, access_key: str, request: Json) -> Json:
        self._registry.untag(self._known(access_key, "DeleteTags", request), request["TagKeys"])
        return {}

    # What several of them share

    def _known(self, access_key: str, operation: str, request: Json) -> str:
        arn: str = request["ResourceArn"]
        self._authorize(access_key, f"sagemaker:{operation}", arn, {})
        if not self._registry.knows(arn):
            raise not_found("resource", arn)
        return arn

    def _allow_create(self, access_key: str, operation: str, arn: str, request: Json) -> None:
        self._authorize(access_key, f"sagemaker:{operation}", arn, {})
        if request.get("Tags"):
            self._authorize(access_key, "sagemaker:AddTags", arn, {})

    def _get(self, shelf: Shelf[T], access_key: str, operation: str, name: str) -> T:
        self._authorize(access_key, f"sagemaker:{operation}", shelf.arn(name), {})
        return shelf.get(name)

    def _shelve(self, shelf: Shelf[Record], name: str, request: Json) -> str:
        record = Record(name, shelf.arn(name), self._world.clock.now(), request)
        shelf.add(record)
        self._registry.tag(record.arn, request.get("Tags", []))
        return record.arn


def _as_requested(record: Record) -> Json:
    described = {member: value for member, value in record.request.items() if member != "Tags"}
    return described | {"CreationTime": record.created.timestamp()}


def _summary(kind: str, record: Record) -> Json:
    return {f"{kind}Name": record.name, f"{kind}Arn": record.arn, "CreationTime": record.created.timestamp()}


def _endpoint_summary(endpoint: Endpoint) -> Json:
    members = ("EndpointName", "EndpointArn", "EndpointStatus", "CreationTime", "LastModifiedTime")
    described = describe(endpoint)
    return {member: described[member] for member in members}


def _page(member: str, items: list[Any], token: str | None) -> Json:
    return {member: items} | ({"NextToken": token} if token else {})
