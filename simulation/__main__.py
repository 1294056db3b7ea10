"""`python -m simulation`: many seeds, or the story of one."""

import argparse
import gc
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from simulation.run import Outcome, simulate

_CHUNK = 25
_SHOWN = 10


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
    chunks = [range(first, min(first + _CHUNK, seeds.stop)) for first in range(seeds.start, seeds.stop, _CHUNK)]
    done = violated = violations = rollouts = calls = 0
    with ProcessPoolExecutor(processes) as pool:
        waits = iter(chunks)
        running = [pool.submit(_chunk, chunk) for chunk in islice(waits, 2 * processes)]
        while running:
            outcomes, failed = running.pop(0).result()
            done, rollouts, calls = done + outcomes[0], rollouts + outcomes[1], calls + outcomes[2]
            for outcome in failed:
                violated, violations = violated + 1, violations + len(outcome.violations)
                if violated <= _SHOWN:
                    _print_violations(outcome)
            if failed and stop:
                break
            running += [pool.submit(_chunk, chunk) for chunk in islice(waits, 1)]
        pool.shutdown(cancel_futures=True)
    seconds = time.perf_counter() - began
    print(f"{rollouts} rollouts, {calls} calls of ports, {done / seconds:.0f} seeds/s in {processes} processes")
    print(f"simulation: {done} seeds, {violations} violations")
    return int(bool(violations))


def _chunk(seeds: range) -> tuple[tuple[int, int, int], list[Outcome]]:
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
