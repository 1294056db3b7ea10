"""Taking an endpoint down: what serves, what scales it, and what its rollouts made. Released bytes and records stay."""

from dataclasses import dataclass

from release.contracts.table import EndpointItem
from release.domain.names import Names
from release.domain.phases import Phase, has_ended
from release.domain.truth import DELETING, is_moving
from release.errors import InvalidInputError
from release.flows.stamps import stamp
from release.flows.turns import is_frozen
from release.ports import Alarms, Clock, Dashboards, Deed, Entry, Inventory, ReleaseTable, Scaling, Serving


@dataclass(frozen=True, slots=True)
class Removing:
    table: ReleaseTable
    serving: Serving
    inventory: Inventory
    alarms: Alarms
    scaling: Scaling
    dashboards: Dashboards
    stack: str
    now: Clock

    def remove(self, endpoint: str, deed: Deed) -> str:
        """Delete all that SageMaker holds of the endpoint; a second attempt deletes the rest.

        Raises:
            EndpointBusyError: SageMaker is working on it.
            InvalidInputError: it is not frozen, a rollout is under way, or nobody knows such an endpoint.
        """
        served = self._served(endpoint)
        names = Names(self.stack, endpoint)
        name = names.sagemaker_endpoint
        state = self.serving.describe(name)
        if state and is_moving(state) and state.status != DELETING:
            raise InvalidInputError(f"endpoint {name} is {state.status}; wait until it rests and remove it then")
        self.scaling.remove(name)
        if state and state.status != DELETING:
            self.serving.delete_endpoint(name)
        self.dashboards.delete(name)
        self._end_preflight(names)
        self._sweep_up(names)
        live = self.table.rollout(endpoint, served.live_rollout_id) if served.live_rollout_id else None
        if live and live.phase is Phase.LIVE:
            self.table.enter(live, Entry(Phase.SUPERSEDED, f"{deed.by} removed the endpoint", deed.at, actor=deed.by))
        self.table.decide_endpoint(endpoint, deed)
        return (
            f"endpoint {endpoint} is removed and stays frozen; its releases can be brought back: unfreeze it, and ask "
            "for a rollback or drop a model"
        )

    def _served(self, endpoint: str) -> EndpointItem:
        served = self.table.endpoint(endpoint)
        if served is None:
            raise InvalidInputError(f"nobody has ever released to an endpoint {endpoint}; name one that has a record")
        if not is_frozen(served, stamp(self.now())):
            raise InvalidInputError(f"freeze endpoint {endpoint} first, so that nothing begins while it is taken down")
        under_way = sorted(each.rollout_id for each in self.table.rollouts(endpoint) if not has_ended(each.phase))
        if under_way:
            raise InvalidInputError(
                f"{len(under_way)} rollouts are under way at endpoint {endpoint}, the first is {under_way[0]}: abort "
                "them or wait for their end"
            )
        return served

    def _end_preflight(self, names: Names) -> None:
        """One that a rollout left behind; an endpoint of people's may have its name."""
        state = self.serving.describe(names.preflight_endpoint)
        if state and state.status != DELETING and names.is_preflight_config(state.config_name):
            self.serving.delete_endpoint(names.preflight_endpoint)

    def _sweep_up(self, names: Names) -> None:
        """Models, configs and alarms by their names; those of an endpoint whose name goes on after this one's stay."""
        prefix = names.of_rollout("")
        for config in self.inventory.configs(prefix):
            if names.rollout_of_config(config.name) or names.is_preflight_config(config.name):
                self.inventory.delete_config(config.name)
        for model in self.inventory.models(prefix):
            if names.rollout_of_config(model.name):
                self.inventory.delete_model(model.name)
        made = {alarm for each in self.table.rollouts(names.endpoint) for alarm in names.alarms(each.rollout_id)}
        self.alarms.delete([name for name in self.inventory.alarms(prefix) if name in made])
