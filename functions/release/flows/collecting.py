"""Collecting the models, endpoint configs and alarms of rollouts that nobody needs, and what a preflight left behind.

Safe beside rollouts that come and go: a rollout's resources are called after it, no other rollout ever uses them, and
an ended rollout never goes on. Things are listed first, the records read second and the endpoint last, so that whatever
came meanwhile is not among them and whatever serves is seen.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from release.contracts.table import RolloutItem
from release.domain.garbage import Past, Roots, garbage
from release.domain.names import Names
from release.domain.phases import Phase, has_ended
from release.domain.truth import EndpointState, is_moving
from release.flows.stamps import stamp_after
from release.ports import Alarms, Clock, Inventory, ReleaseTable, Retentions, Serving


@dataclass(frozen=True, slots=True)
class Collecting:
    table: ReleaseTable
    serving: Serving
    inventory: Inventory
    alarms: Alarms
    retentions: Retentions
    stack: str
    now: Clock

    def collect(self, endpoint: str, *, grace_s: int, dry_run: bool) -> list[str]:
        """Names of what was deleted, or in a dry run would be; `grace_s`: how long an ended rollout is left alone."""
        names = Names(self.stack, endpoint)
        prefix = names.of_rollout("")
        configs = [made.name for made in self.inventory.configs(prefix)]
        models = [made.name for made in self.inventory.models(prefix)]
        alarms = list(self.inventory.alarms(prefix))
        rollouts = self.table.rollouts(endpoint)
        unneeded = garbage(
            [_past(one) for one in rollouts],
            self._roots(endpoint, names),
            ended_before=stamp_after(self.now(), -grace_s),
        )
        ended = {one.rollout_id for one in rollouts if has_ended(one.phase)}
        asked = self.serving.describe(names.preflight_endpoint)
        stray = [names.preflight_endpoint] if asked and _is_stray(asked, names, ended) else []
        # The config of an endpoint that still stands goes with the next sweep: SageMaker may yet read it.
        used = asked.config_name if asked else ""
        gone_configs = [name for name in configs if name != used and _is_unneeded(names, name, unneeded, ended)]
        gone_models = _of(names, models, unneeded)
        gone_alarms = _of(names, alarms, ended)
        if not dry_run:
            _each(self.serving.delete_endpoint, stray)
            # A config names its model, so it goes first: a sweep that stops here leaves nothing that points nowhere.
            _each(self.inventory.delete_config, gone_configs)
            _each(self.inventory.delete_model, gone_models)
            self.alarms.delete(gone_alarms)
        return sorted({*stray, *gone_configs, *gone_models, *gone_alarms})

    def _roots(self, endpoint: str, names: Names) -> Roots:
        record, retention = self.table.endpoint(endpoint), self.retentions.retention(endpoint)
        state = self.serving.describe(names.sagemaker_endpoint)
        configs = (state.config_name, state.pending_config) if state else ()
        in_use = {made for config in configs if (made := names.rollout_of_config(config))}
        live = record.live_rollout_id if record else None
        return Roots(live, in_use, retention.window, retention.hold or ())


def _past(rollout: RolloutItem) -> Past:
    live_at = next((line.at for line in rollout.history if line.phase is Phase.LIVE), "")
    return Past(rollout.rollout_id, rollout.release_id, rollout.phase, live_at, rollout.updated_at)


def _is_stray(preflight: EndpointState, names: Names, ended: set[str]) -> bool:
    """Whether its rollout ended without taking it away; every hour of it is paid for."""
    return not is_moving(preflight) and names.rollout_of_preflight(preflight.config_name) in ended


def _is_unneeded(names: Names, config: str, unneeded: set[str], ended: set[str]) -> bool:
    """A preflight's config serves only while its rollout is under way, whatever becomes of the rollout."""
    asked = names.rollout_of_preflight(config)
    return asked in ended if asked else names.rollout_of_config(config) in unneeded


def _of(names: Names, found: Iterable[str], rollouts: set[str]) -> list[str]:
    """Those that were made for one of the rollouts; what no rollout of the endpoint made is not ours to touch."""
    return [name for name in found if names.rollout_of_resource(name) in rollouts]


def _each(delete: Callable[[str], None], names: Iterable[str]) -> None:
    for name in names:
        delete(name)
