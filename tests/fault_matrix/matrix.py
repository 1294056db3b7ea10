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
from tests.fault_matrix.invariants import bare_ends, started_again, violations
from tests.fault_matrix.paths import PATHS_BY_NAME, NoRestError, Path, Stage
from tests.fault_matrix.world import Slipway

AT_ONCE = 8
"""Cases at a time in one process: most of a case is waiting."""
_CASES_PER_STAGE = 6
_ATTEMPTS = 8
"""A look comes a moment before what it looks for or a moment after, so that some places are passed every other time."""


@dataclass(frozen=True)
class Outcome:
    """`found`: one sentence for each violation. `log`: tracebacks of what failed in handlers, for a person. `answered`:
    the name of the error that the struck function answered with."""

    case_id: str
    found: list[str]
    log: str = ""
    answered: str = ""


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
            newest = max(stage.seen().rollouts.values(), key=lambda rollout: str(rollout["createdAt"]))
            ended = f"{newest['phase']}: {newest['reason']}"
            assert not broken, f"without any fault, path {path.name}: {broken}"
            assert newest["phase"] == path.ends, f"without any fault, path {path.name} ends as {ended}"
            found[path.name] = sites_of(begun[before:], path)
        return found

    def run(self, cases: Iterable[Case], tell: Callable[[Outcome], None], at_once: int = AT_ONCE) -> None:
        """Run them all.

        Args:
            at_once: endpoints; each has its first release before its cases.
        """
        todo: queue.SimpleQueue[Case] = queue.SimpleQueue()
        for case in cases:
            todo.put(case)
        workers = [threading.Thread(target=self._work, args=(todo, tell), name=f"case-{n}") for n in range(at_once)]
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
                stage.clear()
                stage, used = self._stage(), 0
            outcome, stage = self._tried(case, stage)
            tell(outcome)
            for other in case.others(outcome.answered):
                todo.put(other)
            used = _CASES_PER_STAGE if outcome.found else used + 1

    def tried(self, case: Case) -> Outcome:
        """The case on an endpoint of its own."""
        return self._tried(case, self._stage())[0]

    def _tried(self, case: Case, stage: Stage) -> tuple[Outcome, Stage]:
        """The case, again elsewhere if its place was not passed, because polls do not always come out the same; and the
        stage that it was last tried on."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                stage.clear()
                stage = self._stage()
            try:
                outcome = self.once(case, stage)
            except Exception:  # noqa: BLE001 - a case that cannot be run is no proof of anything
                return Outcome(case.case_id, [f"the case broke: {traceback.format_exc(limit=-3)}"]), stage
            if outcome is not None:
                return outcome, stage
        return Outcome(case.case_id, [f"the path never passed this place in {_ATTEMPTS} attempts"]), stage

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
        return Outcome(case.case_id, found, log, aim.answered)

    def _walked(self, path: Path, stage: Stage) -> list[str]:
        try:
            path.deed(stage)
        except NoRestError as error:
            return [str(error)]
        return [
            *violations(self.slipway, stage.endpoint, served_before=bool(path.releases)),
            *started_again(self.slipway, stage.endpoint),
            *bare_ends(stage.executions()),
        ]

    def _stage(self) -> Stage:
        return Stage(self.slipway, f"{self.prefix}{next(self._numbers)}")


def keep(folder: File, outcome: Outcome) -> None:
    """Write down what a failing case left in its handlers' logs."""
    folder.mkdir(parents=True, exist_ok=True)
    name = outcome.case_id.replace("/", "_")
    (folder / f"{name}.txt").write_text("\n".join([outcome.case_id, *outcome.found, outcome.log]), encoding="utf-8")
