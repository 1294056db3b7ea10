"""SageMaker's control plane.

Creating has no client token there: names are deterministic, and what exists under a name is compared with what is
wanted. Few errors are modelled; the others are ValidationExceptions that only their message tells apart.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, message_of, translated
from release.domain.names import VARIANT
from release.domain.plan import Plan, Strategy
from release.domain.truth import EndpointState
from release.errors import EndpointBusyError, RolloutFailedError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DeploymentConfigTypeDef, DescribeEndpointOutputTypeDef

    from release.domain.hosting import Hosting

_MISSING = "Could not find"
_THERE_ALREADY = "already existing"
_IN_PROGRESS = ("in-progress", "in progress")
_BAKING = "Baking"
_ENHANCED = {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10}


class SageMakerServing:
    def __init__(self, client: "SageMakerClient") -> None:
        self._client = client

    def describe(self, endpoint_name: str) -> EndpointState | None:
        try:
            with translated(f"describing endpoint {endpoint_name}"):
                return _state(self._client.describe_endpoint(EndpointName=endpoint_name))
        except ClientError as error:
            if _MISSING in message_of(error):
                return None
            raise

    def ensure_model(
        self, name: str, *, image: str, data_uri: str, environment: "Mapping[str, str]", execution_role_arn: str
    ) -> None:
        source = {"S3Uri": data_uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
        container: Any = {"Image": image, "ModelDataSource": {"S3DataSource": source}, "Environment": dict(environment)}
        try:
            with _refused(f"creating model {name}"):
                self._client.create_model(
                    ModelName=name, PrimaryContainer=container, ExecutionRoleArn=execution_role_arn
                )
        except _ThereAlreadyError:
            with _refused(f"describing model {name}"):
                found = self._client.describe_model(ModelName=name)
            _same(f"model {name}", container, found.get("PrimaryContainer", {}))

    def ensure_config(
        self,
        name: str,
        hosting: "Hosting",
        *,
        model: str = "",
    ) -> None:
        variant: Any = {
            "VariantName": VARIANT,
            "ModelName": model or name,
            **_instances_of(hosting.instance_types),
            "InitialInstanceCount": hosting.instance_count,
            "InitialVariantWeight": 1.0,
            "VariantInstanceProvisionTimeoutInSeconds": hosting.provision_timeout_s,
            "ModelDataDownloadTimeoutInSeconds": hosting.startup_timeout_s,
            "ContainerStartupHealthCheckTimeoutInSeconds": hosting.startup_timeout_s,
        }
        metrics: Any = {"MetricsConfig": _ENHANCED} if hosting.enhanced_metrics else {}
        try:
            with _refused(f"creating endpoint config {name}"):
                self._client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **metrics)
        except _ThereAlreadyError:
            with _refused(f"describing endpoint config {name}"):
                found = self._client.describe_endpoint_config(EndpointConfigName=name)
            _same(f"endpoint config {name}", {**variant, **metrics}, {**found, **found["ProductionVariants"][0]})

    def create_endpoint(self, endpoint_name: str, config_name: str) -> None:
        try:
            with _seen_soon(f"creating endpoint {endpoint_name}"), _refused(f"creating endpoint {endpoint_name}"):
                self._client.create_endpoint(EndpointName=endpoint_name, EndpointConfigName=config_name)
        except _ThereAlreadyError as error:
            raise EndpointBusyError(
                f"endpoint {endpoint_name} was made by somebody else meanwhile; look again"
            ) from error

    def update_endpoint(
        self, endpoint_name: str, config_name: str, *, plan: Plan, alarms: "Sequence[str]", max_execution_s: int
    ) -> None:
        doing = f"updating endpoint {endpoint_name}"
        with _seen_soon(doing), _refused(doing):
            self._client.update_endpoint(
                EndpointName=endpoint_name,
                EndpointConfigName=config_name,
                RetainAllVariantProperties=True,
                DeploymentConfig=deployment_config(plan, alarms, max_execution_s),
            )

    def delete_endpoint(self, endpoint_name: str) -> None:
        try:
            with _refused(f"deleting endpoint {endpoint_name}"):
                self._client.delete_endpoint(EndpointName=endpoint_name)
        except _MissingError:
            return


def deployment_config(plan: Plan, alarms: "Sequence[str]", max_execution_s: int) -> "DeploymentConfigTypeDef":
    """The plan in SageMaker's words.

    `WaitIntervalInSeconds` is the watch after each shift, the last one included. All at once has a single shift, so it
    is the bake; in parts it is the step's wait, and `TerminationWaitInSeconds` keeps blue for the rest of the bake.
    """
    rollback: Any = {"Alarms": [{"AlarmName": name} for name in alarms]}
    size: Any = {"Type": "CAPACITY_PERCENT", "Value": plan.step_percent}
    if plan.strategy is Strategy.ROLLING:
        rolling: Any = {
            "MaximumBatchSize": size,
            "WaitIntervalInSeconds": plan.step_wait_s,
            "MaximumExecutionTimeoutInSeconds": max_execution_s,
        }
        return {"RollingUpdatePolicy": rolling, "AutoRollbackConfiguration": rollback}
    routing: Any = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": plan.bake_s}
    termination_wait_s = 0
    if plan.strategy is not Strategy.ALL_AT_ONCE:
        step = {Strategy.CANARY: ("CANARY", "CanarySize"), Strategy.LINEAR: ("LINEAR", "LinearStepSize")}
        kind, size_name = step[plan.strategy]
        routing = {"Type": kind, size_name: size, "WaitIntervalInSeconds": plan.step_wait_s}
        termination_wait_s = max(0, plan.bake_s - plan.step_wait_s)
    policy: Any = {
        "TrafficRoutingConfiguration": routing,
        "TerminationWaitInSeconds": termination_wait_s,
        "MaximumExecutionTimeoutInSeconds": max_execution_s,
    }
    return {"BlueGreenUpdatePolicy": policy, "AutoRollbackConfiguration": rollback}


def _instances_of(types: "Sequence[str]") -> dict[str, Any]:
    """One type, or a pool of each: SageMaker takes the next where the one before it has no capacity."""
    if len(types) == 1:
        return {"InstanceType": types[0]}
    return {"InstancePools": [{"InstanceType": kind, "Priority": place} for place, kind in enumerate(types, start=1)]}


def _state(reply: "DescribeEndpointOutputTypeDef") -> EndpointState:
    pending = reply.get("PendingDeploymentSummary")
    variants = list(reply.get("ProductionVariants", []))
    moving = [*variants, *(pending.get("ProductionVariants", []) if pending else [])]
    statuses = {status["Status"] for variant in moving for status in variant.get("VariantStatus", [])}
    images = [image.get("ResolvedImage", "") for variant in variants for image in variant.get("DeployedImages", [])]
    return EndpointState(
        status=reply["EndpointStatus"],
        config_name=reply.get("EndpointConfigName", ""),
        pending_config=pending["EndpointConfigName"] if pending else "",
        baking=_BAKING in statuses,
        fleet_size=max((_instances(variant) for variant in variants), default=0),
        image=images[0] if images else "",
        failure=reply.get("FailureReason", ""),
    )


def _instances(variant: "Mapping[str, Any]") -> int:
    """The larger of what runs and what is asked for: an instance that is being replaced still belongs to the fleet."""
    return int(max(variant.get("CurrentInstanceCount", 0), variant.get("DesiredInstanceCount", 0)))


def _same(what: str, wanted: "Mapping[str, Any]", found: "Mapping[str, Any]") -> None:
    """SageMaker adds defaults to what it was given, so only what we want is compared."""
    different = [name for name, value in wanted.items() if not _covers(found.get(name), value)]
    if different:
        raise RolloutFailedError(
            f"{what} exists with another {', '.join(different)}; delete it and start a new rollout"
        )


def _covers(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(_covers(found.get(name), value) for name, value in wanted.items())
    return bool(found == wanted)


class _ThereAlreadyError(Exception):
    """The name is taken."""


class _MissingError(Exception):
    """There is nothing of this name."""


@contextmanager
def _refused(doing: str) -> "Iterator[None]":
    """Sort SageMaker's refusals: temporary, busy, missing, there already, or final."""
    try:
        with translated(doing):
            yield
    except ClientError as error:
        message = message_of(error)
        if any(words in message for words in _IN_PROGRESS):
            raise EndpointBusyError(f"{doing}: SageMaker is still working on it ({message}); try again") from error
        if _THERE_ALREADY in message:
            raise _ThereAlreadyError(message) from error
        if _MISSING in message:
            raise _MissingError(message) from error
        raise RolloutFailedError(f"{doing} was refused: {code_of(error)}: {message}") from error


@contextmanager
def _seen_soon(doing: str) -> "Iterator[None]":
    """SageMaker reads what was just created from replicas, which may not have it yet."""
    try:
        yield
    except _MissingError as error:
        raise ServiceUnavailableError(f"{doing}: {error}; it may not be visible yet, try again") from error
