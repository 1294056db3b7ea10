"""The twin across a restart: records as they were, and new instances for every endpoint that served."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from local.sagemaker.deployments import traffic
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import VariantSpec
from local.sagemaker.fleets.launcher import Launcher, LaunchError
from local.sagemaker.registry import Record, Registry
from local.sagemaker.statuses import EndpointStatus

logger = logging.getLogger(__name__)

_STOPPED = "The embedded AWS was stopped while the endpoint was being created."
_PARALLEL_STARTS = 4


@dataclass(frozen=True)
class _KeptEndpoint:
    """What of an endpoint is no process: its last fleet's variants carry the counts and weights that they had."""

    name: str
    config_name: str
    created: datetime
    modified: datetime
    status: EndpointStatus
    failure_reason: str | None
    deployment_config: Mapping[str, Any] | None
    fleet_config: str
    variants: tuple[VariantSpec, ...]


@dataclass(frozen=True)
class _KeptTwin:
    models: list[Record]
    configs: list[Record]
    endpoints: list[_KeptEndpoint]
    tags: dict[str, list[dict[str, str]]]


class TwinState:
    """The twin as one part of the kept state."""

    def __init__(self, registry: Registry, launcher: Launcher) -> None:
        self._registry = registry
        self._launcher = launcher
        self._waiting: list[tuple[Endpoint, Fleet]] = []

    def keep(self) -> _KeptTwin:
        """An operation in progress is given up: its endpoint keeps the config that it had before."""
        registry = self._registry
        endpoints = [_kept(each) for each in registry.endpoints.all() if each.status is not EndpointStatus.DELETING]
        models, configs = registry.models.all(), registry.configs.all()
        arns = [record.arn for record in (*models, *configs)] + [registry.endpoints.arn(one.name) for one in endpoints]
        return _KeptTwin(models, configs, endpoints, {arn: registry.tags(arn) for arn in arns})

    def restore(self, kept: _KeptTwin) -> None:
        registry = self._registry
        for model in kept.models:
            registry.models.add(model)
        for config in kept.configs:
            registry.configs.add(config)
        for arn, tags in kept.tags.items():
            registry.tag(arn, tags)
        for each in kept.endpoints:
            endpoint = Endpoint(
                name=each.name,
                arn=registry.endpoints.arn(each.name),
                config_name=each.config_name,
                created=each.created,
                modified=each.modified,
                status=each.status,
                failure_reason=each.failure_reason,
                deployment_config=each.deployment_config,
            )
            registry.endpoints.add(endpoint)
            if each.variants:
                fleet = Fleet(each.name, each.fleet_config, each.variants, self._launcher)
                self._waiting.append((endpoint, fleet))

    def resume(self) -> None:
        """Start the instances of what served; return when every endpoint serves again or has failed.

        The address of the embedded AWS must answer by then: instances fetch their images and data from it.
        """
        if self._waiting:
            with ThreadPoolExecutor(_PARALLEL_STARTS, "resume") as pool:
                list(pool.map(lambda pair: _start(*pair), self._waiting))
            self._waiting.clear()


def _kept(endpoint: Endpoint) -> _KeptEndpoint:
    fleet = endpoint.fleet
    served = fleet is not None
    creating = endpoint.status is EndpointStatus.CREATING
    settled = EndpointStatus.IN_SERVICE if served else EndpointStatus.FAILED
    return _KeptEndpoint(
        endpoint.name,
        endpoint.config_name,
        endpoint.created,
        endpoint.modified,
        endpoint.status if endpoint.status is EndpointStatus.FAILED else settled,
        _STOPPED if creating else endpoint.failure_reason,
        endpoint.deployment_config,
        fleet.config_name if fleet else endpoint.config_name,
        () if endpoint.status is EndpointStatus.FAILED else _specs(endpoint),
    )


def _specs(endpoint: Endpoint) -> tuple[VariantSpec, ...]:
    """Where a failed rollback left instances of several configs, the current one gets them all."""
    return tuple(
        replace(variant.spec, instance_count=variant.desired, weight=variant.weight)
        for variant in endpoint.variants().values()
    )


def _start(endpoint: Endpoint, fleet: Fleet) -> None:
    try:
        fleet.start(lambda: None)
    except (LaunchError, AwsError) as error:
        logger.error("endpoint %s did not come back: %s", endpoint.name, error)  # noqa: TRY400 - a sentence, no defect
        endpoint.status, endpoint.failure_reason = EndpointStatus.FAILED, str(error)
        return
    with endpoint.lock:
        endpoint.fleet = fleet
        endpoint.traffic = traffic.whole([fleet])
