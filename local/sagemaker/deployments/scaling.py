"""UpdateEndpointWeightsAndCapacities: other counts and weights for what serves, and back if they cannot be had.

Source: the operation's reference; DescribeEndpoint's on `RollingBack`, which it documents for endpoints with
autoscaling alone; SageMaker's second example of a deployment event for the stages.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.deployments import traffic
from local.sagemaker.deployments.journal import Journal
from local.sagemaker.deployments.side import Side
from local.sagemaker.fleets.launcher import LaunchError
from local.sagemaker.statuses import EndpointStatus, VariantStage
from local.world import World

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What UpdateEndpointWeightsAndCapacities asks for one variant; None leaves it as it is."""

    weight: float | None
    count: int | None


class Scaling:
    """One such operation. Weights change when every count has."""

    def __init__(self, world: World, journal: Journal, interrupt: Callable[[], None]) -> None:
        self._world = world
        self._journal = journal
        self._side = Side(journal.endpoint.fleets())
        self._interrupt = interrupt

    def wish(self, wishes: Mapping[str, Wish]) -> None:
        """Tell what was asked for before anything moves: whoever sees Updating sees what is desired too."""
        weights = {name: wish.weight for name, wish in wishes.items() if wish.weight is not None}
        self._journal.wish(weights, {name: wish.count for name, wish in wishes.items() if wish.count is not None})

    def carry_out(self, wishes: Mapping[str, Wish]) -> None:
        before = {name: self._side.count(name) for name in wishes}
        self._journal.stage_live(VariantStage.UPDATING, {name: self._said(name, wish) for name, wish in wishes.items()})
        try:
            for name, wish in wishes.items():
                if wish.count is not None:
                    self._side.resize(name, wish.count, self._interrupt)
        except LaunchError as error:
            self._go_back(before, str(error))
            return
        for name, wish in wishes.items():
            if wish.weight is not None:
                self._side.reweigh(name, wish.weight)
            if wish.count is not None:
                self._journal.counts[name] = wish.count
        self._end()

    def _said(self, name: str, wish: Wish) -> str:
        desired = self._side.count(name)
        if wish.count is None or wish.count == desired:
            return f"Updating weight to {wish.weight:g}." if wish.weight is not None else "Nothing to update."
        return f"Scaling {'out' if wish.count > desired else 'in'} desired instance count to {wish.count}."

    def _go_back(self, before: Mapping[str, int], reason: str) -> None:
        mixed = bool(self._journal.endpoint.leftovers)  # documented for neither; a mix stays what it is
        if not mixed and self._is_autoscaled(before):
            self._journal.change(EndpointStatus.ROLLING_BACK, reason)
        self._journal.wish({}, before)
        for name, count in before.items():
            try:
                self._side.resize(name, count, self._interrupt)
            except LaunchError as error:
                # What was given away a moment ago is not to be had again. It serves with less.
                reason = f"{reason} Variant {name} keeps {self._side.count(name)} instance(s): {error}"
        self._end(reason)

    def _end(self, reason: str | None = None) -> None:
        fleets = self._journal.drop_empty(self._journal.endpoint.fleets())
        mixed = bool(fleets[1:])
        self._journal.route(traffic.whole(fleets))
        status = EndpointStatus.UPDATE_ROLLBACK_FAILED if mixed else EndpointStatus.IN_SERVICE
        self._journal.end(status, reason, fleets=fleets)

    def _is_autoscaled(self, variants: Mapping[str, int]) -> bool:
        ids = [f"endpoint/{self._journal.endpoint.name}/variant/{name}" for name in variants]
        try:
            autoscaling = self._world.client("application-autoscaling")
            answer = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=ids)
        except (ClientError, BotoCoreError) as error:
            logger.warning("whether %s is autoscaled cannot be told: %s", ids, error)
            return False
        return bool(answer["ScalableTargets"])
