"""Scaling an endpoint's one variant by Application Auto Scaling.

A target is registered for the variant's name, so it outlives every update of the endpoint, and is suspended meanwhile.
Source: Application Auto Scaling API reference, and "Automatically scale Amazon SageMaker models", Developer Guide.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, message_of, translated
from release.domain.names import VARIANT
from release.errors import RolloutFailedError, ServiceUnavailableError

if TYPE_CHECKING:
    from release.domain.scaling import Bounds

_METRIC = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
"""Every ten seconds, so that scaling sees a burst up to six times sooner than by invocations of a minute."""
_NOBODY = "ObjectNotFoundException"
_AT_ONCE = "ConcurrentUpdateException"


class VariantScaling:
    def __init__(self, client: Any) -> None:
        """`client`: boto3's for Application Auto Scaling, whose types come with no package that is here."""
        self._client = client

    def suspend(self, endpoint_name: str) -> None:
        if self._targets(endpoint_name):
            with _refused(f"suspending the scaling of {endpoint_name}"):
                self._client.register_scalable_target(**_variant(endpoint_name), SuspendedState=_suspended(yes=True))

    def ensure(self, endpoint_name: str, bounds: "Bounds") -> None:
        with _refused(f"scaling {endpoint_name} from {bounds.minimum} to {bounds.maximum}"):
            self._client.register_scalable_target(
                **_variant(endpoint_name),
                MinCapacity=bounds.minimum,
                MaxCapacity=bounds.maximum,
                SuspendedState=_suspended(yes=False),
            )
            self._client.put_scaling_policy(
                **_variant(endpoint_name),
                PolicyName=f"{endpoint_name}-concurrency",
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": float(bounds.target),
                    "PredefinedMetricSpecification": {"PredefinedMetricType": _METRIC},
                },
            )

    def remove(self, endpoint_name: str) -> None:
        try:
            with _refused(f"ending the scaling of {endpoint_name}"):
                self._client.deregister_scalable_target(**_variant(endpoint_name))
        except _NobodyError:
            return

    def is_at_work(self, endpoint_name: str) -> bool:
        states = [target.get("SuspendedState", {}) for target in self._targets(endpoint_name)]
        return any(not any(state.values()) for state in states)

    def _targets(self, endpoint_name: str) -> list[dict[str, Any]]:
        variant = _variant(endpoint_name)
        with _refused(f"looking at the scaling of {endpoint_name}"):
            reply = self._client.describe_scalable_targets(
                ServiceNamespace=variant["ServiceNamespace"],
                ResourceIds=[variant["ResourceId"]],
                ScalableDimension=variant["ScalableDimension"],
            )
        return list(reply["ScalableTargets"])


def _variant(endpoint_name: str) -> dict[str, Any]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint_name}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def _suspended(*, yes: bool) -> dict[str, bool]:
    kinds = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    return dict.fromkeys(kinds, yes)


class _NobodyError(Exception):
    """Nothing is registered for the variant."""


@contextmanager
def _refused(doing: str) -> Iterator[None]:
    try:
        with translated(doing):
            yield
    except ClientError as error:
        if code_of(error) == _NOBODY:
            raise _NobodyError(doing) from error
        sentence = f"{doing}: {code_of(error)}: {message_of(error)}"
        if code_of(error) == _AT_ONCE:
            raise ServiceUnavailableError(f"{sentence}; try again") from error
        raise RolloutFailedError(f"{sentence}; mend it and start a new rollout") from error
