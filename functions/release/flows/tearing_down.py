"""Whether the stack may go: without it nobody watches, pays heed to or takes down what serves."""

from dataclasses import dataclass

from release.domain.names import Names
from release.domain.phases import has_ended
from release.domain.truth import DELETING
from release.flows.commands import freeze_command, remove_command
from release.ports import ReleaseTable, Serving

_MOST_NAMED = 5
"""An answer to CloudFormation holds 4,096 bytes."""


@dataclass(frozen=True, slots=True)
class TearingDown:
    table: ReleaseTable
    serving: Serving
    stack: str

    def refusal(self) -> str:
        """Why the stack must not go yet, and what to do first; empty if it may."""
        problems = [problem for item in self.table.endpoints() for problem in self._in_the_way(item.endpoint)]
        more = len(problems) - _MOST_NAMED
        tail = (f"and {more} more",) if more > 0 else ()
        return "; ".join((*problems[:_MOST_NAMED], *tail))

    def _in_the_way(self, endpoint: str) -> list[str]:
        found = [
            f"rollout {rollout.rollout_id} of endpoint {endpoint} is {rollout.phase}: abort it or wait for its end"
            for rollout in self.table.rollouts(endpoint)
            if not has_ended(rollout.phase)
        ]
        names = Names(self.stack, endpoint)
        standing = [name for name in (names.sagemaker_endpoint, names.preflight_endpoint) if self._stands(name, names)]
        if standing:
            what = f"endpoint {' and '.join(standing)} would go on serving, and costing, with nobody to watch it"
            found.append(f"{what}: {freeze_command(endpoint)}; {remove_command(endpoint)}")
        return found

    def _stands(self, name: str, names: Names) -> bool:
        state = self.serving.describe(name)
        if state is None or state.status == DELETING:
            return False
        return name == names.sagemaker_endpoint or names.is_preflight_config(state.config_name)
