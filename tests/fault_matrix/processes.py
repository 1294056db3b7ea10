"""Cases spread over processes, each with a world of its own."""

import multiprocessing
import queue
from collections.abc import Iterator
from typing import Any

from tests.fault_matrix.cases import Case, cases_of, standing_for_all
from tests.fault_matrix.matrix import Matrix, Outcome
from tests.fault_matrix.world import running

PROCESSES = 3
"""A process waits a fifth of its time, so that three keep two cores busy."""
_LOOK_S = 5.0


class WorkerDiedError(Exception):
    """A process ended before it had run its cases; what it wrote to stderr says why."""


def recorded(*, every: bool = False) -> list[Case]:
    """The cases, by running each path once without faults.

    Args:
        every: also those that another one stands for.
    """
    with running() as slipway:
        sites = Matrix(slipway).record()
    return (
        [case for path, found in sites.items() for case in cases_of(path, found)] if every else standing_for_all(sites)
    )


def outcomes(cases: list[Case], processes: int) -> Iterator[Outcome]:
    """Run the cases, and those that turn out to be cases apart; each outcome as it comes.

    Raises:
        WorkerDiedError: a process ended too early.
    """
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    # Neighbours cost alike, so each process takes every n-th.
    workers = [context.Process(target=_work, args=(cases[n::processes], told)) for n in range(processes)]
    for worker in workers:
        worker.start()
    working = len(workers)
    try:
        while working:
            if outcome := _next(told, workers):
                yield outcome
            else:
                working -= 1
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            worker.terminate()


def _next(told: Any, workers: list[Any]) -> Outcome | None:
    """The next outcome; None: a process has run all its cases."""
    while True:
        try:
            outcome: Outcome | None = told.get(timeout=_LOOK_S)
        except queue.Empty:
            if any(worker.exitcode for worker in workers) or not any(worker.is_alive() for worker in workers):
                raise WorkerDiedError("a process of the matrix ended before it had run its cases") from None
        else:
            return outcome


def _work(cases: list[Case], told: Any) -> None:
    with running() as slipway:
        Matrix(slipway).run(cases, told.put)
        told.put(None)
