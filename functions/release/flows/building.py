"""Green's model, endpoint config and alarms: the same from the same records, whoever makes them and however often."""

from collections.abc import Mapping
from dataclasses import dataclass

from release.contracts.config import Config
from release.contracts.table import ReleaseItem, RolloutItem
from release.domain.hosting import Hosting
from release.domain.keys import published_prefix
from release.domain.names import Names
from release.ports import Alarms, Metrics, Serving


@dataclass(frozen=True, slots=True)
class Green:
    """`fleet_size`: instances of the plan; 0 for a first release."""

    release: ReleaseItem
    rollout: RolloutItem
    fleet_size: int


@dataclass(frozen=True, slots=True)
class Where:
    """`bucket`: where published bytes lie."""

    bucket: str
    execution_role_arn: str


def ensure_green(serving: Serving, name: str, green: Green, where: Where) -> None:
    """Make model and endpoint config of the rollout, both called `name`; what is there already stays.

    Raises:
        RolloutFailedError: SageMaker refused one, or there is another of this name.
    """
    release, config = green.release, green.release.config
    serving.ensure_model(
        name,
        image=release.image,
        data_uri=f"s3://{where.bucket}/{published_prefix(release.artifact_id)}",
        environment=container_environment(release, green.rollout),
        execution_role_arn=where.execution_role_arn,
    )
    serving.ensure_config(name, hosting_of(config, green.fleet_size or config.instance_count))


def hosting_of(config: Config, instance_count: int) -> Hosting:
    return Hosting(
        config.instance_types,
        instance_count,
        config.startup_timeout_seconds,
        config.provision_s,
        bool(config.enhanced_metrics),
    )


def container_environment(release: ReleaseItem, rollout: RolloutItem) -> Mapping[str, str]:
    """Who the container is goes last, so that no config can make it claim to be another."""
    return {
        **release.config.environment,
        "SLIPWAY_RELEASE_ID": release.release_id,
        "SLIPWAY_ROLLOUT_ID": rollout.rollout_id,
        "SLIPWAY_MODEL_NAME": rollout.endpoint,
        "SLIPWAY_IMAGE_DIGEST": release.image.partition("@")[2],
    }


def ensure_alarms(alarms: Alarms, metrics: Metrics, names: Names, rollout_id: str) -> None:
    """Make the alarms that bring blue back. Data come first, so that the alarms find some."""
    metrics.seed(rollout_id)
    alarms.ensure_abort(names.abort_alarm(rollout_id), rollout_id=rollout_id)
    alarms.ensure_dead_man(names.dead_man_alarm(rollout_id), rollout_id=rollout_id)
    alarms.ensure_guard(
        names.guard_alarm(rollout_id), endpoint_name=names.sagemaker_endpoint, config_name=names.of_rollout(rollout_id)
    )
