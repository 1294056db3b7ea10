"""Ten times the load for half a minute: how much of it is still served in time, and how soon is it over?

`python -m benchmarks.spike [--spike-s 30]` runs the same arrivals twice, with admission and without (first come, first
served, unbounded), and prints one line of JSON for each. Good is a whole answer whose first token came within 500 ms
and whose further tokens took 30 ms each at most (MLPerf's interactive tier, tightened to one small model).
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos import body, percentile
from benchmarks.simulated_fleet import Instance, instance
from benchmarks.wire import Outcome, ask

FIRST_S, EACH_S, WHOLE_S = 0.5, 0.03, 5.0
ATTRIBUTES = f"first-token={FIRST_S};deadline={WHOLE_S}"
SETTINGS = {"SIMULATED_STEP_S": "0.01", "SLIPWAY_MAX_CONCURRENCY": "8", "SLIPWAY_MAX_QUEUE": "64"}
_TOKENS = (20, 120)
_BIN_S = 3.0
_RECOVERED = 0.9


@dataclass(frozen=True)
class Phases:
    """Seconds of each phase, and requests per second outside the spike."""

    before_s: float
    spike_s: float
    after_s: float
    rate: float
    times: float = 10.0

    def rate_at(self, second: float) -> float:
        spiking = self.before_s <= second < self.before_s + self.spike_s
        return self.rate * self.times if spiking else self.rate

    @property
    def whole_s(self) -> float:
        return self.before_s + self.spike_s + self.after_s


def good(outcome: Outcome) -> bool:
    return outcome.end == "complete" and outcome.first_s <= FIRST_S and outcome.per_token_s <= EACH_S


async def arrivals(
    one: Instance, rate_at: Callable[[float], float], whole_s: float, attributes: str = ATTRIBUTES
) -> list[Outcome]:
    """Poisson arrivals that wait for nobody. Args: rate_at: requests per second by second."""
    chosen = random.Random(3)  # noqa: S311 - a load, not a secret
    began, at = time.monotonic(), 0.0
    tasks: list[asyncio.Task[Outcome]] = []
    while (at := at + chosen.expovariate(rate_at(at))) < whole_s:
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        wanted = body(chosen.randint(*_TOKENS))
        tasks.append(asyncio.create_task(ask(one.port, wanted, attributes=attributes)))
    return await asyncio.gather(*tasks)


def peak(log: Path, trial_s: float) -> float:
    """The best good answers per second of any steady load."""
    slots = int(SETTINGS["SLIPWAY_MAX_CONCURRENCY"])
    ideal = slots / (sum(_TOKENS) / 2 * float(SETTINGS["SIMULATED_STEP_S"]))
    found = []
    with instance(log, **SETTINGS) as one:
        for share in (0.7, 0.85, 1.0, 1.2):
            outcomes = asyncio.run(arrivals(one, lambda _, rate=share * ideal: rate, trial_s))  # type: ignore[misc] # mypy infers no default of a lambda
            found.append(sum(map(good, outcomes)) / trial_s)
    return max(found)


def spike(phases: Phases, peak_rate: float, log: Path, *, admission: bool = True) -> dict[str, Any]:
    """Without admission nobody says a deadline either, and the server gives up after its own 55 s."""
    settings, attributes = ({}, ATTRIBUTES) if admission else ({"SIMULATED_ADMISSION": "unbounded"}, "")
    with instance(log, **SETTINGS, **settings) as one:
        outcomes = asyncio.run(arrivals(one, phases.rate_at, phases.whole_s, attributes))
    began = outcomes[0].started_at
    ends = phases.before_s + phases.spike_s
    during = [outcome for outcome in outcomes if phases.before_s <= outcome.started_at - began < ends]
    refusals = [outcome.total_s for outcome in outcomes if outcome.end == "refused"]
    rate = sum(map(good, during)) / phases.spike_s
    return {
        "offered_per_s": round(len(during) / phases.spike_s, 1),
        "peak_goodput_per_s": round(peak_rate, 2),
        "goodput_per_s": round(rate, 2),
        "share_of_peak": round(rate / peak_rate, 3),
        "refusal_p50_ms": round(1000 * percentile(refusals, 0.5), 1),
        "refusal_p99_ms": round(1000 * percentile(refusals, 0.99), 1),
        "longest_s": round(max(outcome.total_s for outcome in outcomes), 2),
        "past_deadline": sum(outcome.total_s > WHOLE_S + 1 for outcome in outcomes),
        "recovery_s": recovery_s(outcomes, began + ends),
        "ends": dict(Counter(f"{outcome.end} {outcome.code}".strip() for outcome in outcomes)),
    }


def recovery_s(outcomes: Sequence[Outcome], ended_at: float) -> float | None:
    """Seconds after the spike from which on nine in ten arrivals of every second are good; None if never."""
    bins: dict[int, list[bool]] = {}
    for outcome in outcomes:
        if outcome.started_at >= ended_at:
            bins.setdefault(int((outcome.started_at - ended_at) / _BIN_S), []).append(good(outcome))
    bad = [number for number, seen in bins.items() if sum(seen) < _RECOVERED * len(seen)]
    after = max(bad, default=-1) + 1
    return after * _BIN_S if after in bins else None


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spike-s", type=float, default=30.0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        best = peak(log, 15.0)
        phases = Phases(15.0, chosen.spike_s, 30.0, 0.7 * best, times=10.0 / 0.7)
        print(json.dumps({"with admission": spike(phases, best, log)}), flush=True)
        unbounded = spike(phases, best, log, admission=False)
        print(json.dumps({"first come, first served, unbounded": unbounded}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
