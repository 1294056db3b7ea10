"""The statuses of endpoints and variants, and which may follow which."""

from collections.abc import Mapping
from enum import StrEnum


class EndpointStatus(StrEnum):
    CREATING = "Creating"
    UPDATING = "Updating"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"

    @property
    def in_events(self) -> str:
        """The spelling of EventBridge events, which is not the API's."""
        return {"InService": "IN_SERVICE"}.get(self.value, self.value.upper())


LEGAL_NEXT: Mapping[EndpointStatus, frozenset[EndpointStatus]] = {
    EndpointStatus.CREATING: frozenset({EndpointStatus.IN_SERVICE, EndpointStatus.FAILED}),
    EndpointStatus.UPDATING: frozenset({EndpointStatus.IN_SERVICE, EndpointStatus.FAILED}),
    EndpointStatus.IN_SERVICE: frozenset({EndpointStatus.UPDATING, EndpointStatus.DELETING}),
    EndpointStatus.FAILED: frozenset({EndpointStatus.DELETING}),
    EndpointStatus.DELETING: frozenset({EndpointStatus.FAILED}),
}


class VariantStage(StrEnum):
    """VariantStatus of DescribeEndpoint."""

    CREATING = "Creating"
    UPDATING = "Updating"
    ACTIVATING_TRAFFIC = "ActivatingTraffic"
    BAKING = "Baking"
    DELETING = "Deleting"
