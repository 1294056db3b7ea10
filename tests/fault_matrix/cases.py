"""Which cases there are: every place that a path without faults passes, in every way that it can fail."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from tests.fault_matrix.boundary import Invocation, Site
from tests.fault_matrix.faults import REFUSALS, REFUSED, CallFault, InvocationFault
from tests.fault_matrix.paths import PATHS, Path

_READS = re.compile(r"(Get|Describe|List|Head|Query|Scan|Invoke)")
_OF_A_READ = (
    CallFault.THROTTLED,
    CallFault.DENIED,
    CallFault.INTERNAL_ERROR,
    CallFault.LOST_BEFORE,
    CallFault.CRASHED,
)
"""What changes nothing has no effect that could come before or after: its answer is lost, once for all attempts."""

BEFORE_THE_ENDPOINT = frozenset({"receive_artifact", "register_rollout", "examine_artifact", "publish_artifact"})
"""Functions that know nothing of what serves: none of them may ask SageMaker."""


@dataclass(frozen=True)
class Case:
    """
    Args:
        number: of the sites with the same function, depth and call, tells which; the first has none.
        stands_for_others: the other REFUSALS of its place are not run, unless it turns out that they are cases apart.
    """

    path: str
    site: Site
    fault: CallFault | InvocationFault
    number: str = ""
    stands_for_others: bool = False

    @property
    def case_id(self) -> str:
        """Stable as long as the path makes the same calls."""
        last = self.site.calls[-1].replace(":", ".") if self.site.calls else "invocation"
        return f"{self.path}/{self.site.function}/{len(self.site.calls):02d}{self.number}-{last}/{self.fault}"

    def others(self, answered: str) -> "list[Case]":
        """The cases that this one does not stand for after all, because the function did not answer as it was thought.

        Args:
            answered: the name of the error that the struck function answered with.
        """
        if not self.stands_for_others or answered == REFUSED:
            return []
        return [replace(self, fault=fault, stands_for_others=False) for fault in REFUSALS if fault is not self.fault]


def sites_of(invocations: Iterable[Invocation], path: Path) -> set[Site]:
    """The invocations themselves and each of their calls, where the path wants them struck."""
    found = set()
    for invocation in invocations:
        if not path.functions or invocation.function in path.functions:
            calls = tuple(invocation.calls)
            found |= {Site(invocation.function, calls[:length]) for length in range(len(calls) + 1)}
    return found


def cases_of(path: str, sites: Iterable[Site]) -> list[Case]:
    """Every fault at every site, in an order that stays."""
    cases: list[Case] = []
    alike: dict[tuple[str, int, str], int] = {}
    for site in sorted(sites):
        key = (site.function, len(site.calls), site.calls[-1] if site.calls else "")
        seen = alike.setdefault(key, 0)
        alike[key] += 1
        number = ascii_lowercase[seen % 26] if seen else ""
        cases += [Case(path, site, fault, number) for fault in faults_of(site)]
    return cases


def standing_for_all(sites: Mapping[str, set[Site]]) -> list[Case]:
    """The cases without those that another one stands for.

    Two classes are merged. Of the REFUSALS one strikes each call, in turn, so that every function meets all three and a
    call that several paths make meets another one in each; whether it stood for the others is asked of what the
    function answered (`Case.others`). And what a first release and an update do before they look at the endpoint is
    the same place: the functions of BEFORE_THE_ENDPOINT, after the same calls.
    """
    found = []
    for turn, path in enumerate(path.name for path in PATHS if path.name in sites):
        for case in cases_of(path, sites[path]):
            # A call's depth is its place in the turn: it stays when other calls come and go.
            chosen = REFUSALS[(len(case.site.calls) + turn) % len(REFUSALS)]
            if case.fault not in REFUSALS:
                found.append(case)
            elif case.fault is chosen:
                found.append(replace(case, stands_for_others=True))
    return [case for case in found if case.path != "first" or not _is_of_update(case.site, sites)]


def _is_of_update(site: Site, sites: Mapping[str, set[Site]]) -> bool:
    return site.function in BEFORE_THE_ENDPOINT and site in sites.get("update", set())


def faults_of(site: Site) -> Sequence[CallFault | InvocationFault]:
    if not site.calls:
        return tuple(InvocationFault)
    return _OF_A_READ if _READS.match(site.calls[-1].partition(":")[2]) else tuple(CallFault)
