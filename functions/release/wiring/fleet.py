"""The fleet: what serves, what is asked of it, what watches it and what changes its size."""

from functools import cache

from release.adapters.alarms import CloudWatchAlarms
from release.adapters.dashboards import CloudWatchDashboards
from release.adapters.inventory import AwsInventory
from release.adapters.metrics import CloudWatchMetrics
from release.adapters.probes import RuntimeProbes
from release.adapters.scaling import VariantScaling
from release.adapters.serving import SageMakerServing
from release.wiring import clients


@cache
def serving() -> SageMakerServing:
    return SageMakerServing(clients.client("sagemaker"))


@cache
def probes() -> RuntimeProbes:
    return RuntimeProbes(clients.runtime_client())


@cache
def alarms() -> CloudWatchAlarms:
    return CloudWatchAlarms(clients.client("cloudwatch"))


@cache
def metrics() -> CloudWatchMetrics:
    return CloudWatchMetrics(clients.client("cloudwatch"), clients.now)


@cache
def scaling() -> VariantScaling:
    return VariantScaling(clients.client("application-autoscaling"))


@cache
def inventory() -> AwsInventory:
    return AwsInventory(clients.client("sagemaker"), clients.client("cloudwatch"))


@cache
def dashboards() -> CloudWatchDashboards:
    return CloudWatchDashboards(clients.client("cloudwatch"))
