"""A blue/green update: all of green comes up, the traffic moves in steps, blue goes at the end.

Source: the developer guide's pages on blue/green deployments and their traffic shifting modes.
"""

from local.sagemaker.deployments import traffic
from local.sagemaker.deployments.deployment import Deployment, RollbackFailedError


def move(deployment: Deployment) -> None:
    """Move everything to green.

    Raises:
        LaunchError: green does not come up.
        DeploymentFailedError: the guard speaks against it. `go_back` is the answer to both.
    """
    deployment.start(deployment.policy.steps[-1].of)
    deployment.guard.check_alarms("before traffic moved")
    for step in deployment.policy.steps:
        deployment.shift(step)
    deployment.wait_for_termination()
    deployment.end_old()


def go_back(deployment: Deployment) -> None:
    """Give blue, which still stands, all traffic, and end green.

    Raises:
        RollbackFailedError: blue is lost and green serves.
    """
    green_has_traffic = any(share.fleet is deployment.new for share in deployment.journal.endpoint.traffic)
    if green_has_traffic and deployment.behaviour.blue_green_may_fail_to_return and _is_lost(deployment):
        raise RollbackFailedError("The old fleet has no instance in service.")
    deployment.journal.route(traffic.whole(deployment.old))
    deployment.end_new()


def _is_lost(deployment: Deployment) -> bool:
    names = deployment.journal.endpoint.variants()
    return any(not any(fleet.variants[n].healthy() for fleet in deployment.old if n in fleet.variants) for n in names)
