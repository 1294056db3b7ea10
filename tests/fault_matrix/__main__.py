"""`python -m tests.fault_matrix`: every case, or one that stands for it (`tests.fault_matrix.cases`), in two processes.
`--all` runs those too, `--case ID` replays one, `--match TEXT` runs some.

Ends with `fault matrix: N cases, V violations`, and with code 1 if there is any.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path as File

from tests.fault_matrix.matrix import Outcome, keep
from tests.fault_matrix.processes import PROCESSES, outcomes, recorded


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _told(outcome: Outcome, done: int, of: int, since: float) -> None:
    for sentence in outcome.found:
        _say(f"{outcome.case_id}: {sentence}")
    if done % 50 == 0:
        _say(f"{done} of {of} cases after {time.monotonic() - since:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_matrix")
    parser.add_argument("--case", help="replay one case by its id")
    parser.add_argument("--match", default="", help="only cases whose id holds this text")
    parser.add_argument("--list", action="store_true", help="print the cases' ids and run none")
    parser.add_argument("--every", type=int, default=1, help="only every n-th case")
    parser.add_argument("--all", action="store_true", help="also the cases that another one stands for")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--logs", type=File, default=File(tempfile.gettempdir()) / "fault-matrix")
    asked = parser.parse_args()
    since = time.monotonic()
    known = recorded(every=asked.all or bool(asked.case))
    cases = [case for case in known if asked.match in case.case_id][:: asked.every]
    if asked.case:
        cases = [case for case in cases if case.case_id == asked.case]
    if asked.list:
        _say("\n".join(case.case_id for case in cases))
        return 0
    _say(f"{len(cases)} cases")
    found = done = 0
    for done, outcome in enumerate(outcomes(cases, min(asked.processes, len(cases))), start=1):
        _told(outcome, done, len(cases), since)
        if outcome.found:
            keep(asked.logs, outcome)
        found += len(outcome.found)
    if found:
        _say(f"what the handlers said lies in {asked.logs}; replay one: python -m tests.fault_matrix --case ID")
    _say(f"fault matrix: {done} cases, {found} violations")
    return 1 if found or not done else 0


if __name__ == "__main__":
    sys.exit(main())
