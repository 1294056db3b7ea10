"""Which cases there are: every place that a path without faults passes, in every way that it can fail."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from tests.fault_matrix.boundary import Invocation, Site
from tests.fault_matrix.faults import CallFault, InvocationFault
from tests.fault_matrix.paths import Path

_READS = re.compile(r"(Get|Describe|List|Head|Query|Scan|Invoke)")
_OF_A_READ = (
    CallFault.THROTTLED,
    CallFault.DENIED,
    CallFault.INTERNAL_ERROR,
    CallFault.LOST_BEFORE,
    CallFault.CRASHED,
)
"""What changes nothing has no effect that could come before or after: its answer is lost, once for all attempts."""


@dataclass(frozen=True)
class Case:
    """`number`, of the sites with the same function, depth and call, tells which; the first has none."""

    path: str
    site: Site
    fault: CallFault | InvocationFault
    number: str = ""

    @property
    def case_id(self) -> str:
        """Stable as long as the path makes the same calls."""
        last = self.site.calls[-1].replace(":", ".") if self.site.calls else "invocation"
        return f"{self.path}/{self.site.function}/{len(self.site.calls):02d}{self.number}-{last}/{self.fault}"


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


def faults_of(site: Site) -> Sequence[CallFault | InvocationFault]:
    if not site.calls:
        return tuple(InvocationFault)
    return _OF_A_READ if _READS.match(site.calls[-1].partition(":")[2]) else tuple(CallFault)
