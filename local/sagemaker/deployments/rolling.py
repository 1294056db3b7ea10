"""A rolling update: batch by batch the new fleet grows, takes its part of the traffic and bakes, and the old shrinks.

Source: the developer guide's page on rolling deployments: SageMaker provisions a batch, shifts a part of the traffic to
it, and cleans up a batch of old instances after the baking period; a rollback goes back in batches of
RollbackMaximumBatchSize, by default all at once.
"""

import math

from local.sagemaker.deployments import traffic
from local.sagemaker.deployments.deployment import Deployment, RollbackFailedError
from local.sagemaker.deployments.policy import TrafficStep
from local.sagemaker.deployments.side import Side
from local.sagemaker.fleets.launcher import LaunchError
from local.sagemaker.statuses import VariantStage


def move(deployment: Deployment) -> None:
    """Replace the old instances batch by batch; serving capacity never falls below the smaller of old and new.

    Raises:
        LaunchError: a batch does not come up.
        DeploymentFailedError: the guard speaks against it. `go_back` is the answer to both.
    """
    old = Side(deployment.old)
    for number, step in enumerate(deployment.policy.steps):
        (deployment.grow if number else deployment.start)(step.capacity)
        deployment.guard.check_alarms("before traffic moved")
        deployment.shift(step)
        if not step.is_full:
            _clean_up(deployment, old, step)
    deployment.end_old()


def _clean_up(deployment: Deployment, old: Side, step: TrafficStep) -> None:
    for name, before in deployment.old_counts.items():
        stay = math.ceil(round(before * (1 - step.share(name)), 9))
        going = old.count(name) - stay
        if going > 0:
            deployment.journal.stage_live(VariantStage.DELETING, {name: f"Terminating {going} instance(s)."})
            old.resize(name, stay, deployment.guard.raise_if_stopping)
    deployment.journal.stage_live(VariantStage.DELETING, {})


def go_back(deployment: Deployment) -> None:
    """Bring the old fleet back to its size in batches, and the traffic with it; then end the new one.

    Raises:
        RollbackFailedError: an old instance does not come up again; both sides go on serving.
    """
    old = Side(deployment.old)
    for name, wanted in deployment.old_counts.items():
        while (missing := wanted - old.count(name)) > 0:
            batch = min(deployment.policy.back[name], missing)
            _relaunch(deployment, old, name, batch)
            _retreat(deployment, old, name, batch)
    deployment.journal.route(traffic.whole(deployment.old))
    deployment.end_new()


def _relaunch(deployment: Deployment, old: Side, name: str, batch: int) -> None:
    deployment.journal.stage_live(VariantStage.UPDATING, {name: f"Launching {batch} instance(s)."})
    try:
        old.resize(name, old.count(name) + batch, deployment.guard.raise_if_stopping)
    except LaunchError as error:
        raise RollbackFailedError(str(error)) from error


def _retreat(deployment: Deployment, old: Side, name: str, batch: int) -> None:
    """Take traffic and then instances from the new fleet, as many as the old one got."""
    stay = max(0, deployment.new.variants[name].desired - batch)
    part = stay / (stay + old.count(name))
    deployment.journal.route(traffic.between(deployment.old, deployment.new, lambda _: part))
    deployment.new.resize(name, stay, deployment.guard.raise_if_stopping)
