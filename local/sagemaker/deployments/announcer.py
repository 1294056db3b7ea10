"""The events about endpoints, as EventBridge gets them.

Source: the developer guide's page on SageMaker's events, with its examples of both detail types: statuses in capitals,
times in milliseconds since the epoch, tags as a map, and the stages of a deployment in `PendingDeploymentSummary`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.registry import Registry
from local.sagemaker.statuses import EndpointStatus

Emit = Callable[[str, str, Mapping[str, Any], Sequence[str]], None]

SOURCE = "aws.sagemaker"
STATE_CHANGE = "SageMaker Endpoint State Change"
DEPLOYMENT_STATE_CHANGE = "SageMaker Endpoint Deployment State Change"

_MEMBERS = ("EndpointName", "EndpointArn", "EndpointConfigName", "ProductionVariants")
_PER_VARIANT = ("VariantName", "CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount")


class Announcer:
    def __init__(self, registry: Registry, emit: Emit, behaviour: Behaviour) -> None:
        self._registry = registry
        self._emit = emit
        self._behaviour = behaviour

    def state(self, described: Mapping[str, Any]) -> None:
        """Tell that the status of an endpoint changed to what DescribeEndpoint then answered."""
        self._tell(STATE_CHANGE, described)

    def deployment(self, described: Mapping[str, Any]) -> None:
        """Tell that a deployment, or new capacity for the present config, came a stage further."""
        self._tell(DEPLOYMENT_STATE_CHANGE, described)

    def _tell(self, detail_type: str, described: Mapping[str, Any]) -> None:
        arn = described["EndpointArn"]
        said = detail(described, {tag["Key"]: tag["Value"] for tag in self._registry.tags(arn)})
        for _ in range(self._behaviour.events_per_change):
            self._emit(SOURCE, detail_type, said, [arn])


def detail(described: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """The event's `detail` from what DescribeEndpoint answers."""
    said = {member: described[member] for member in _MEMBERS if member in described}
    if "ProductionVariants" in said:
        said["ProductionVariants"] = [_variant(variant) for variant in said["ProductionVariants"]]
    said |= {
        "EndpointStatus": EndpointStatus(described["EndpointStatus"]).in_events,
        "CreationTime": _ms(described["CreationTime"]),
        "LastModifiedTime": _ms(described["LastModifiedTime"]),
        "Tags": dict(tags),
    }
    if pending := described.get("PendingDeploymentSummary"):
        variants = [_variant(variant) for variant in pending["ProductionVariants"]]
        said["PendingDeploymentSummary"] = {
            "EndpointConfigName": pending["EndpointConfigName"],
            "StartTime": _ms(pending["StartTime"]),
            "ProductionVariants": variants,
        }
    return said


def _variant(described: Mapping[str, Any]) -> dict[str, Any]:
    said = {member: described[member] for member in _PER_VARIANT if member in described}
    if statuses := described.get("VariantStatus"):
        said["VariantStatus"] = [{**status, "StartTime": _ms(status["StartTime"])} for status in statuses]
    return said


def _ms(epoch_s: float) -> int:
    return int(epoch_s * 1000)
