"""`python -m simulation`: many seeds, or the story of one."""

import argparse
import gc
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from simulation.run import Outcome, simulate

_CHUNK = 25
_SHORT = 5
"""Seeds of a chunk where the first violation ends the run."""
_SHOWN = 10

Chunk = tuple[tuple[int, int, int], list[Outcome]]
"""Seeds, rollouts and calls; and the outcomes with a violation."""


def main(arguments: list[str] | None = None) -> int:
    """Exit 0: no violation; 1: at least one; 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seeds", type=int, help="how many seeds to simulate, from --first on")
    which.add_argument("--seed", type=int, help="tell the story of this one")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--stop", action="store_true", help="end at the first violation")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        return tell(asked.seed)
    return many(range(asked.first, asked.first + asked.seeds), asked.processes, stop=asked.stop)


def tell(seed: int) -> int:
    """Print the story of one seed, step by step."""
    outcome = simulate(seed, print)
    _print_violations(outcome)
    print(f"simulation: 1 seeds, {len(outcome.violations)} violations")
    return int(bool(outcome.violations))


def many(seeds: range, processes: int, *, stop: bool) -> int:
    began = time.perf_counter()
    gc.freeze()  # what is imported stays; only what a seed leaves is collected
    done = violated = violations = rollouts = calls = 0
    outcomes = (
        _in_processes(seeds, processes) if processes > 1 else map(_chunk, _chunks(seeds, _SHORT if stop else _CHUNK))
    )
    for counted, failed in outcomes:
        done, rollouts, calls = done + counted[0], rollouts + counted[1], calls + counted[2]
        for outcome in failed:
            violated, violations = violated + 1, violations + len(outcome.violations)
            if violated <= _SHOWN:
                _print_violations(outcome)
        if failed and stop:
            break
    seconds = time.perf_counter() - began
    print(f"{rollouts} rollouts, {calls} calls of ports, {done / seconds:.0f} seeds/s in {processes} processes")
    print(f"simulation: {done} seeds, {violations} violations")
    return int(bool(violations))


def _chunks(seeds: range, size: int) -> list[range]:
    return [range(first, min(first + size, seeds.stop)) for first in range(seeds.start, seeds.stop, size)]


def _in_processes(seeds: range, processes: int) -> Iterator[Chunk]:
    """The chunks in their order, a few of them simulated ahead."""
    waits = iter(_chunks(seeds, _CHUNK))
    with ProcessPoolExecutor(processes) as pool:
        running = deque(pool.submit(_chunk, chunk) for chunk in islice(waits, 2 * processes))
        try:
            while running:
                yield running.popleft().result()
                running += [pool.submit(_chunk, chunk) for chunk in islice(waits, 1)]
        finally:
            pool.shutdown(cancel_futures=True)


def _chunk(seeds: range) -> Chunk:
    gc.disable()  # a tenth of the time; each chunk is collected at once
    outcomes = [simulate(seed) for seed in seeds]
    gc.collect()
    failed = [outcome for outcome in outcomes if outcome.violations]
    return (len(outcomes), sum(each.rollouts for each in outcomes), sum(each.calls for each in outcomes)), failed


def _print_violations(outcome: Outcome) -> None:
    for violation in outcome.violations:
        print(f"seed {outcome.seed}: {violation}")
    print(f"  replay: python -m simulation --seed {outcome.seed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
