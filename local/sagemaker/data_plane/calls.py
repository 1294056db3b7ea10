"""How the next request to an instance goes: as it should, or as a fault on the board says."""

from local.faults import FleetFailure, FleetFault
from local.sagemaker.data_plane.container_call import Call, ContainerCall, FalseAnswer
from local.sagemaker.fleets.container_faults import hang_if_told
from local.sagemaker.fleets.instance import Instance
from local.world import World

NONSENSE = b"\x00\xff\xfe<<<\x00nonsense"
SERVER_ERROR = b'{"error": "a fault makes this container answer every request with 500"}'


def call_to(world: World, instance: Instance, limit_s: float) -> Call:
    """
    Args:
        limit_s: real seconds for everything from connecting to the last byte.
    """
    hang_if_told(world.faults, instance)
    kinds = (FleetFailure.SLOW, FleetFailure.NONSENSE, FleetFailure.ERRORS, FleetFailure.CRASHES)
    fault = world.faults.strike(FleetFault, *kinds, **instance.place)
    if fault is None:
        return ContainerCall(instance, limit_s)
    if fault.failure is FleetFailure.NONSENSE:
        return FalseAnswer(200, "application/octet-stream", NONSENSE)
    if fault.failure is FleetFailure.ERRORS:
        return FalseAnswer(500, "application/json", SERVER_ERROR)
    late_s = world.clock.real_seconds(fault.delay_s) if fault.failure is FleetFailure.SLOW else 0.0
    return ContainerCall(instance, limit_s, late_s=late_s, crashes=fault.failure is FleetFailure.CRASHES)
