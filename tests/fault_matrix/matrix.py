"""Running cases in one world: several at a time, each on an endpoint of its own."""

import itertools
import queue
import threading
import traceback
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path as File

from tests.fault_matrix.boundary import Aim, Site
from tests.fault_matrix.cases import Case, sites_of
from tests.fault_matrix.invariants import violations
from tests.fault_matrix.paths import PATHS_BY_NAME, NoRestError, Path, Stage
from tests.fault_matrix.world import Slipway

AT_ONCE = 8
"""Cases at a time in one process: most of a case is waiting."""
_CASES_PER_STAGE = 6
_ATTEMPTS = 3


@dataclass(frozen=True)
class Outcome:
    """`found`: one sentence for each violation. `log`: tracebacks of what failed in handlers, for a person."""

    case_id: str
    found: list[str]
    log: str = ""


@dataclass
class Matrix:
    """Cases in one world.

    Args:
        prefix: of the endpoints' names, so that several matrices can share one.
    """

    slipway: Slipway
    prefix: str = "m"
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def record(self, names: Container[str] = PATHS_BY_NAME) -> dict[str, set[Site]]:
        """Path → every place that it passes when nothing fails.

        Args:
            names: of the paths that are wanted.

        Raises:
            AssertionError: a path without faults does not keep the invariants.
        """
        found: dict[str, set[Site]] = {}
        stage = self._stage()
        for path in (path for name, path in PATHS_BY_NAME.items() if name in names):
            path.prepare(stage)
            begun = self.slipway.boundary.records.setdefault(stage.endpoint, [])
            before = len(begun)
            path.deed(stage)
            broken = violations(self.slipway, stage.endpoint, served_before=bool(path.releases))
            assert not broken, f"without any fault, path {path.name}: {broken}"
            found[path.name] = sites_of(begun[before:], path)
        return found

    def run(self, cases: Iterable[Case], tell: Callable[[Outcome], None]) -> None:
        """Run them all, AT_ONCE at a time."""
        todo: queue.SimpleQueue[Case] = queue.SimpleQueue()
        for case in cases:
            todo.put(case)
        workers = [threading.Thread(target=self._work, args=(todo, tell), name=f"case-{n}") for n in range(AT_ONCE)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, todo: "queue.SimpleQueue[Case]", tell: Callable[[Outcome], None]) -> None:
        """An endpoint that came out well serves for the next case, so that not every case pays for a first release."""
        stage, used = self._stage(), 0
        while True:
            try:
                case = todo.get_nowait()
            except queue.Empty:
                return
            if used >= _CASES_PER_STAGE or case.path == "first":
                stage, used = self._stage(), 0
            outcome = self.tried(case, stage)
            tell(outcome)
            used = _CASES_PER_STAGE if outcome.found else used + 1

    def tried(self, case: Case, stage: Stage | None = None) -> Outcome:
        """The case; again elsewhere if its place was not passed, because polls do not always come out the same."""
        stage = stage or self._stage()
        for _ in range(_ATTEMPTS):
            try:
                outcome = self.once(case, stage)
            except Exception:  # noqa: BLE001 - a case that cannot be run is no proof of anything
                return Outcome(case.case_id, [f"the case broke: {traceback.format_exc(limit=-3)}"])
            if outcome is not None:
                return outcome
            stage = self._stage()
        return Outcome(case.case_id, [f"the path never passed this place in {_ATTEMPTS} attempts"])

    def once(self, case: Case, stage: Stage) -> Outcome | None:
        """Run the case on this stage; None if its fault did not strike."""
        path = PATHS_BY_NAME[case.path]
        path.prepare(stage)
        aim = Aim(case.site, case.fault)
        self.slipway.boundary.failures.pop(stage.endpoint, None)
        self.slipway.boundary.aims[stage.endpoint] = aim
        try:
            found = self._walked(path, stage)
        finally:
            del self.slipway.boundary.aims[stage.endpoint]
        if not aim.struck and not found:
            return None
        log = "\n".join(self.slipway.boundary.failures.get(stage.endpoint, [])) if found else ""
        return Outcome(case.case_id, found, log)

    def _walked(self, path: Path, stage: Stage) -> list[str]:
        try:
            path.deed(stage)
        except NoRestError as error:
            return [str(error)]
        return violations(self.slipway, stage.endpoint, served_before=bool(path.releases))

    def _stage(self) -> Stage:
        return Stage(self.slipway, f"{self.prefix}{next(self._numbers)}")


def keep(folder: File, outcome: Outcome) -> None:
    """Write down what a failing case left in its handlers' logs."""
    folder.mkdir(parents=True, exist_ok=True)
    name = outcome.case_id.replace("/", "_")
    (folder / f"{name}.txt").write_text("\n".join([outcome.case_id, *outcome.found, outcome.log]), encoding="utf-8")
