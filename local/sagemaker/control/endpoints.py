"""The operations on endpoints: create, describe, list, update, scale and delete."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from local.sagemaker.control.plane import Deed, Json, Plane, looked_up
from local.sagemaker.control.quotas import ENDPOINTS, Demand, Usage, demands_of
from local.sagemaker.control.rights import Rights
from local.sagemaker.control.variants import retain, specs_of
from local.sagemaker.deployments.admission import Operation
from local.sagemaker.deployments.deployer import Deployer
from local.sagemaker.deployments.scaling import Wish
from local.sagemaker.endpoint import Endpoint, describe
from local.sagemaker.errors import not_emulated, not_found, validation
from local.sagemaker.registry import Record, check_tags

PAGE_SIZE = 10
"""Endpoints on a page. Source: ListEndpoints.MaxResults of SageMaker's API reference."""
_SUMMARY = ("EndpointName", "EndpointArn", "EndpointStatus", "CreationTime", "LastModifiedTime")


class Endpoints:
    def __init__(self, plane: Plane, deployer: Deployer) -> None:
        self._plane = plane
        self._deployer = deployer
        self._shelf = plane.registry.endpoints
        self._usage = Usage()

    def deeds(self) -> dict[str, Deed]:
        return {
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "ListEndpoints": self._list,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._scale,
            "DeleteEndpoint": self._delete,
        }

    def _create(self, rights: Rights, request: Json) -> Json:
        name, config_name = request["EndpointName"], request["EndpointConfigName"]
        arn = self._shelf.arn(name)
        rights.need_create("CreateEndpoint", arn, request, {})
        rights.need("CreateEndpoint", self._plane.registry.configs.arn(config_name))
        self._shelf.refuse_known(name)
        check_tags(request.get("Tags") or [])
        specs = specs_of(self._plane, self._seen_config(config_name))
        policy_config = request.get("DeploymentConfig")
        self._deployer.check_first(policy_config, specs)
        now = self._plane.world.clock.now()
        endpoint = Endpoint(name, arn, config_name, now, now, deployment_config=policy_config)
        with self._plane.quotas.deciding:
            self._plane.quotas.check_count(ENDPOINTS, len(self._shelf.all()))
            demands = self._within_quotas(endpoint, demands_of(specs))
            self._shelf.add(endpoint)
            self._plane.registry.tag(arn, request.get("Tags") or [])
            with endpoint.lock:
                self._deployer.create(endpoint, specs)
                self._usage.begin(endpoint, demands)
        return {"EndpointArn": arn}

    def _describe(self, rights: Rights, request: Json) -> Json:
        endpoint = looked_up(self._shelf, rights, "DescribeEndpoint", request["EndpointName"])
        # What only the config knows is lost with it: "you may lose visibility", says DeleteEndpointConfig's reference.
        config = self._plane.registry.configs.find(endpoint.config_name)
        metrics = config.request.get("MetricsConfig") if config else None
        return describe(endpoint) | ({"MetricsConfig": metrics} if metrics else {})

    def _list(self, rights: Rights, request: Json) -> Json:
        rights.need("ListEndpoints")
        described = [describe(endpoint) for endpoint in self._shelf.all()]
        summaries = [{member: one[member] for member in _SUMMARY} for one in described]
        return self._plane.page("Endpoints", "Endpoint", summaries, request, PAGE_SIZE)

    def _update(self, rights: Rights, request: Json) -> Json:
        config_name = request["EndpointConfigName"]
        rights.need("UpdateEndpoint", self._plane.registry.configs.arn(config_name))
        endpoint = looked_up(self._shelf, rights, "UpdateEndpoint", request["EndpointName"])
        config = self._seen_config(config_name)
        with endpoint.lock:
            self._deployer.admit(endpoint, Operation.UPDATE)
            self._check_new_config(endpoint, config_name)
        read = specs_of(self._plane, config)  # asks other services, so nobody waits for it
        with self._plane.quotas.deciding, endpoint.lock:
            self._deployer.admit(endpoint, Operation.UPDATE)
            specs = retain(read, endpoint.variants(), request)
            demands = self._within_quotas(endpoint, demands_of(specs, self._deployer.at_once(endpoint, specs, request)))
            self._deployer.update(endpoint, config_name, specs, request)
            self._usage.begin(endpoint, demands)
        return {"EndpointArn": endpoint.arn}

    def _scale(self, rights: Rights, request: Json) -> Json:
        operation = "UpdateEndpointWeightsAndCapacities"
        endpoint = looked_up(self._shelf, rights, operation, request["EndpointName"])
        with self._plane.quotas.deciding, endpoint.lock:
            wishes = _wishes(endpoint, request["DesiredWeightsAndCapacities"])
            self._deployer.admit(endpoint, Operation.SCALE)
            self._check_live_config(endpoint)
            demands = self._within_quotas(endpoint, self._growth(endpoint, wishes))
            self._deployer.scale(endpoint, wishes)
            self._usage.begin(endpoint, demands)
        return {"EndpointArn": endpoint.arn}

    def _delete(self, rights: Rights, request: Json) -> Json:
        self._deployer.delete(looked_up(self._shelf, rights, "DeleteEndpoint", request["EndpointName"]))
        return {}

    # What may stand in the way

    def _seen_config(self, name: str) -> Record:
        """A config as CreateEndpoint and UpdateEndpoint read it, which may not see it yet."""
        shelf = self._plane.registry.configs
        config = shelf.get(name)
        age_s = self._plane.world.clock.time() - config.created.timestamp()
        if age_s < self._plane.behaviour.fresh_config_unseen_s:
            raise not_found(shelf.kind, config.arn)
        return config

    def _check_new_config(self, endpoint: Endpoint, name: str) -> None:
        self._check_live_config(endpoint)
        if name == endpoint.config_name and not endpoint.leftovers and self._plane.behaviour.same_config_refused:
            raise validation(
                f'Cannot update endpoint "{endpoint.arn}" to the endpoint configuration that it already has; '
                "create a new one."
            )

    def _check_live_config(self, endpoint: Endpoint) -> None:
        if self._plane.behaviour.changes_need_live_config:
            self._plane.registry.configs.get(endpoint.config_name)

    def _growth(self, endpoint: Endpoint, wishes: Mapping[str, Wish]) -> list[Demand]:
        """The instances that scaling out adds; their models must still be there."""
        variants = endpoint.variants()
        counts = {name: (wish.count or 0) - variants[name].desired for name, wish in wishes.items()}
        grown = [replace(variants[name].spec, instance_count=count) for name, count in counts.items() if count > 0]
        if self._plane.behaviour.scaling_out_needs_models:
            for spec in grown:
                self._plane.registry.models.get(spec.model_name)
        return demands_of(grown)

    def _within_quotas(self, endpoint: Endpoint, demands: Sequence[Demand]) -> Sequence[Demand]:
        quotas = self._plane.quotas
        own = self._usage.of([endpoint])
        quotas.check_endpoint(own.total() + sum(demand.count for demand in demands))
        quotas.check_instances(self._usage.of(self._shelf.all()), demands)
        return demands


def _wishes(endpoint: Endpoint, requested: Sequence[Json]) -> dict[str, Wish]:
    wishes: dict[str, Wish] = {}
    for one in requested:
        name = one["VariantName"]
        if name not in endpoint.variants():
            raise validation(f"Variant {name} was not found on endpoint {endpoint.name}.")
        if name in wishes:
            raise validation(f"Variant {name} is named more than once in DesiredWeightsAndCapacities.")
        if one.get("DesiredInstanceCount") == 0:
            raise not_emulated("DesiredInstanceCount 0, which needs inference components")
        wishes[name] = Wish(one.get("DesiredWeight"), one.get("DesiredInstanceCount"))
    return wishes
