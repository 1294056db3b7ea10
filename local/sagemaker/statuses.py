"""The statuses of endpoints and variants, and which may follow which.

Source of the words: `EndpointStatus` and `VariantStatus` of the API reference's DescribeEndpoint and
ProductionVariantStatus, as botocore ships them.
"""

import re
from collections.abc import Mapping
from enum import StrEnum


class EndpointStatus(StrEnum):
    OUT_OF_SERVICE = "OutOfService"
    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"

    @property
    def in_events(self) -> str:
        """The spelling of EventBridge events, which is not the API's: `InService` is `IN_SERVICE`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.value).upper()


LEGAL_NEXT: Mapping[EndpointStatus, frozenset[EndpointStatus]] = {
    # The reference on Failed: the endpoint could not be created, updated, or re-scaled.
    EndpointStatus.CREATING: frozenset({EndpointStatus.IN_SERVICE, EndpointStatus.FAILED}),
    # After an update, a rescaling and a rollback alike it is InService. UpdateRollbackFailed comes of a rollback that
    # failed, RollingBack of a rescaling that did.
    EndpointStatus.UPDATING: frozenset(
        {
            EndpointStatus.IN_SERVICE,
            EndpointStatus.FAILED,
            EndpointStatus.ROLLING_BACK,
            EndpointStatus.UPDATE_ROLLBACK_FAILED,
        }
    ),
    # The reference says that it returns to InService once the rollback completes.
    EndpointStatus.ROLLING_BACK: frozenset({EndpointStatus.IN_SERVICE}),
    EndpointStatus.IN_SERVICE: frozenset(
        {
            EndpointStatus.UPDATING,
            EndpointStatus.SYSTEM_UPDATING,
            EndpointStatus.OUT_OF_SERVICE,
            EndpointStatus.DELETING,
        }
    ),
    # Maintenance: the endpoint cannot be updated, deleted or re-scaled until it has completed.
    EndpointStatus.SYSTEM_UPDATING: frozenset({EndpointStatus.IN_SERVICE}),
    # It takes no requests. Whether an update leads out of it is a switch of `Behaviour`.
    EndpointStatus.OUT_OF_SERVICE: frozenset(
        {EndpointStatus.IN_SERVICE, EndpointStatus.UPDATING, EndpointStatus.DELETING}
    ),
    # The reference says that DeleteEndpoint is the only operation on a failed endpoint.
    EndpointStatus.FAILED: frozenset({EndpointStatus.DELETING}),
    # A mix of the old and the new config serves; the reference says that InService can be restored.
    EndpointStatus.UPDATE_ROLLBACK_FAILED: frozenset({EndpointStatus.UPDATING, EndpointStatus.DELETING}),
    EndpointStatus.DELETING: frozenset({EndpointStatus.FAILED}),
}
"""Which status may follow which. After Deleting comes none: the endpoint is gone."""

IN_PROGRESS = frozenset(
    {
        EndpointStatus.CREATING,
        EndpointStatus.UPDATING,
        EndpointStatus.SYSTEM_UPDATING,
        EndpointStatus.ROLLING_BACK,
        EndpointStatus.DELETING,
    }
)
"""Statuses under which an operation is executing: no other may begin, and each of them ends."""


class VariantStage(StrEnum):
    """VariantStatus of DescribeEndpoint."""

    CREATING = "Creating"
    UPDATING = "Updating"
    ACTIVATING_TRAFFIC = "ActivatingTraffic"
    BAKING = "Baking"
    DELETING = "Deleting"
