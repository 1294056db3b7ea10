"""What an endpoint config asks of SageMaker besides the model."""

from dataclasses import dataclass

from release.domain.plan import PROVISIONING_S


@dataclass(frozen=True, slots=True)
class Hosting:
    """The instances of a fleet, and the patience with them.

    Args:
        instance_types: in order of preference, one to five: the next one where the one before it has no capacity.
        instance_count: at least 1.
        startup_timeout_s: download and health check each get this long, 60 to 3,600 s.
        provision_timeout_s: SageMaker waits for capacity so long, 300 to 3,600 s.
        enhanced_metrics: invocations and utilisation by instance, every ten seconds.

    Source: ProductionVariant and MetricsConfig of SageMaker's API reference.
    """

    instance_types: tuple[str, ...]
    instance_count: int
    startup_timeout_s: int
    provision_timeout_s: int = PROVISIONING_S
    enhanced_metrics: bool = False
