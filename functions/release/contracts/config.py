"""Config: what a release runs with."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from release.contracts.base import Contract
from release.domain.plan import PROVISIONING_S, bring_up_at_most_s
from release.domain.scaling import Bounds, bounds_of

InstanceTypes = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")], ...],
    Field(min_length=1, max_length=5),
]
InstanceCount = Annotated[int, Field(ge=1, le=100)]
WishedStrategy = Literal["auto", "allAtOnce", "canary", "linear", "rolling"]
StepPercent = Annotated[int, Field(ge=5, le=50)]
WaitSeconds = Annotated[int, Field(ge=0, le=3600)]
StartupTimeoutSeconds = Annotated[int, Field(ge=60, le=3600)]
ProvisionTimeoutSeconds = Annotated[int, Field(ge=300, le=3600)]
TargetConcurrency = Annotated[int, Field(ge=1, le=9999)]
Environment = dict[
    Annotated[
        str,
        StringConstraints(
            pattern=r"^SLIPWAY_(MAX_CONCURRENCY|MAX_QUEUE|MAX_MODEL_LEN|MAX_NEW_TOKENS|DTYPE|THREADS)$",
        ),
    ],
    Annotated[str, StringConstraints(max_length=1024)],
]


class Config(Contract):
    """Complete: what a release pins. Instance types are in order of preference; percent is of the fleet."""

    instance_types: InstanceTypes
    instance_count: InstanceCount
    max_instance_count: InstanceCount
    strategy: WishedStrategy
    step_percent: StepPercent
    step_wait_seconds: WaitSeconds
    bake_seconds: WaitSeconds
    preflight: bool
    startup_timeout_seconds: StartupTimeoutSeconds
    """Download and health check each get this long."""
    environment: Environment
    provision_timeout_seconds: ProvisionTimeoutSeconds | None = None
    """SageMaker waits for capacity so long; absent: `release.domain.plan.PROVISIONING_S`."""
    min_instance_count: InstanceCount | None = None
    """Scaling goes no lower; absent: `instance_count`."""
    target_concurrency: TargetConcurrency | None = None
    """Concurrent requests by instance that scaling keeps to; absent: three quarters of what one answers at once."""
    enhanced_metrics: bool | None = None
    """Invocations and utilisation by instance, every ten seconds, which CloudWatch bills; absent: no."""

    @property
    def bring_up_at_most_s(self) -> int:
        """Seconds until an instance of this config serves or never will."""
        return bring_up_at_most_s(self.startup_timeout_seconds, self.provision_s)

    @property
    def scaling(self) -> Bounds | None:
        """None: the fleet may have one size only."""
        least = self.min_instance_count or self.instance_count
        return bounds_of(least, self.max_instance_count, self.target_concurrency, self.environment)

    @property
    def provision_s(self) -> int:
        return self.provision_timeout_seconds or PROVISIONING_S


class PartialConfig(Contract):
    """Any part of a config."""

    instance_types: InstanceTypes | None = None
    instance_count: InstanceCount | None = None
    max_instance_count: InstanceCount | None = None
    strategy: WishedStrategy | None = None
    step_percent: StepPercent | None = None
    step_wait_seconds: WaitSeconds | None = None
    bake_seconds: WaitSeconds | None = None
    preflight: bool | None = None
    startup_timeout_seconds: StartupTimeoutSeconds | None = None
    environment: Environment | None = None
    provision_timeout_seconds: ProvisionTimeoutSeconds | None = None
    min_instance_count: InstanceCount | None = None
    target_concurrency: TargetConcurrency | None = None
    enhanced_metrics: bool | None = None
