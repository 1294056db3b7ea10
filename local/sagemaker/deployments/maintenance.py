"""What SageMaker does to an endpoint unasked: maintenance (SystemUpdating) and outages (OutOfService), by faults.

Source: DescribeEndpoint's reference describes both statuses; when they come it does not say, so only a fault brings
them.
"""

import logging
import threading
from collections.abc import Callable

from local.faults import EndpointFailure, EndpointFault
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.registry import Registry
from local.sagemaker.statuses import EndpointStatus
from local.world import World

LOOK_AWS_S = 5.0
LOOK_AT_LEAST_S = 0.1  # real: the clock may run a thousand times as fast

_STATUS = {
    EndpointFailure.MAINTENANCE: EndpointStatus.SYSTEM_UPDATING,
    EndpointFailure.OUT_OF_SERVICE: EndpointStatus.OUT_OF_SERVICE,
}

logger = logging.getLogger(__name__)


class Maintenance:
    """Looks at every endpoint in service now and then, and asks the board of faults about it.

    Args:
        begin: takes an endpoint in service into a status for so many AWS seconds.
    """

    def __init__(
        self, world: World, registry: Registry, begin: Callable[[Endpoint, EndpointStatus, float], None]
    ) -> None:
        self._world = world
        self._registry = registry
        self._begin = begin
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_until_stopped, name="sagemaker-maintenance", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _look_until_stopped(self) -> None:
        pause_s = max(LOOK_AT_LEAST_S, self._world.clock.real_seconds(LOOK_AWS_S))
        while not self._stopping.wait(pause_s):
            for endpoint in self._registry.endpoints.all():
                if endpoint.status is EndpointStatus.IN_SERVICE:
                    self._ask(endpoint)

    def _ask(self, endpoint: Endpoint) -> None:
        if fault := self._world.faults.strike(EndpointFault, *_STATUS, endpoint=endpoint.name):
            logger.info("endpoint %s meets %s for %g s", endpoint.name, fault.failure, fault.delay_s)
            self._begin(endpoint, _STATUS[fault.failure], fault.delay_s)
