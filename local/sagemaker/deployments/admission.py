"""Which operation an endpoint takes in which status, and in which words it refuses the others.

Sources: the statuses' descriptions in DescribeEndpoint's reference; the refusals' words are those that public code
matches on ("Cannot update in-progress endpoint"), as botocore models no error for them.
"""

from collections.abc import Mapping
from enum import StrEnum

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError, failed_endpoint, in_progress, validation
from local.sagemaker.statuses import IN_PROGRESS, EndpointStatus


class Operation(StrEnum):
    UPDATE = "UpdateEndpoint"
    SCALE = "UpdateEndpointWeightsAndCapacities"
    DELETE = "DeleteEndpoint"


_ALWAYS: Mapping[EndpointStatus, frozenset[Operation]] = {
    EndpointStatus.IN_SERVICE: frozenset(Operation),
    EndpointStatus.FAILED: frozenset({Operation.DELETE}),
    EndpointStatus.OUT_OF_SERVICE: frozenset({Operation.DELETE}),
    # "For information about how to remedy this issue and restore the endpoint's status to InService": no operation but
    # another update could.
    EndpointStatus.UPDATE_ROLLBACK_FAILED: frozenset({Operation.UPDATE, Operation.DELETE}),
}


def admit(endpoint: Endpoint, operation: Operation, behaviour: Behaviour) -> None:
    """Let the operation pass, or refuse it. The caller holds the endpoint's lock.

    Raises:
        AwsError: ValidationException, the endpoint's status does not take this operation.
    """
    status = endpoint.status
    if operation in _ALWAYS.get(status, frozenset()) | _by_switch(status, behaviour):
        return
    if status is EndpointStatus.FAILED:
        raise failed_endpoint(endpoint.arn)
    if status in IN_PROGRESS:
        raise in_progress(endpoint.arn)
    raise _not_in(endpoint, operation)


def _by_switch(status: EndpointStatus, behaviour: Behaviour) -> frozenset[Operation]:
    switches = {
        EndpointStatus.OUT_OF_SERVICE: (behaviour.out_of_service_takes_updates, Operation.UPDATE),
        EndpointStatus.UPDATE_ROLLBACK_FAILED: (behaviour.mixed_endpoint_scales, Operation.SCALE),
    }
    allowed, operation = switches.get(status, (False, Operation.DELETE))
    return frozenset({operation}) if allowed else frozenset()


def _not_in(endpoint: Endpoint, operation: Operation) -> AwsError:
    takes = " and ".join(sorted(_ALWAYS[endpoint.status]))
    return validation(f'Endpoint "{endpoint.arn}" is {endpoint.status} and takes no {operation}; it takes {takes}.')
