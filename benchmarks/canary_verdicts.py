"""How often the verdict on a bake is wrong: simulated canaries, every look of each one judged.

What is simulated is what CloudWatch would give: counts and percentiles of 10 s, of latencies with a log-normal spread
of 0.4 around a median that drifts for both fleets alike, as load does. Green starts cold. A canary's green has a tenth
of the requests. A run is the seed's: the same seed gives the same evidence.
"""

import argparse
import json
import math
import os
import platform
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from release.domain.evidence import Arm, Evidence, Point, Series
from release.domain.truth import Verdict
from release.domain.verdict import BakeJudgement, Rules, judge
from release.domain.verdict_statistics import Look

RESULT = Path(__file__).parent / "results" / "canary-verdicts.json"
PERIOD_S, PERIODS, LOOKS = 10, 60, 20
MEDIAN_MS, SPREAD = 800.0, 0.4
COLD_S, COLD = 40, 2.0
RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Canary:
    """One kind of green beside a blue with 1 % of errors. Requests are by period of 10 s, probes included."""

    name: str
    slower: float = 1.0
    error_rate: float = 0.01
    green_requests: float = 6.0
    blue_requests: float = 54.0
    spread: float = SPREAD
    recorded: bool = False
    """All at once: blue has no traffic beside green, and is known from a window before."""
    even: bool = False
    """The judge's probes: as many in every period, not as customers come."""


GOOD = (
    Canary("A/A, 10 % canary"),
    Canary("A/A, all at once against a recorded window", green_requests=30, blue_requests=30, recorded=True),
    Canary("A/A, quiet, probes alone", green_requests=6, blue_requests=6, spread=0.1, recorded=True, even=True),
)
BAD = (
    Canary(
        "+30 % latency, quiet, probes alone",
        1.3,
        green_requests=6,
        blue_requests=6,
        spread=0.1,
        recorded=True,
        even=True,
    ),
    Canary(
        "1 to 5 % errors, quiet, probes alone",
        error_rate=0.05,
        green_requests=6,
        blue_requests=6,
        recorded=True,
        even=True,
    ),
    Canary("+30 % latency, 10 % canary", slower=1.3),
    Canary("1 to 5 % errors, 10 % canary", error_rate=0.05),
    Canary("+30 % latency, recorded window", slower=1.3, green_requests=30, blue_requests=30, recorded=True),
    Canary("1 to 5 % errors, recorded window", error_rate=0.05, green_requests=30, blue_requests=30, recorded=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """At which part of the bake the verdict fell, and how."""

    judgement: BakeJudgement
    over: float


@dataclass(slots=True)
class Fleet:
    """One fleet's periods, as CloudWatch would sum them up."""

    requests: list[int]
    errors: list[int]
    latencies: list[list[float]]

    def arm(self, periods: int) -> Arm:
        """What is known once so many periods have ended."""
        seen = [(PERIOD_S * i, ms) for i, ms in enumerate(self.latencies[:periods]) if ms]
        series = tuple(
            Series(f"ModelLatency p{100 * q:.0f}", q, tuple(Point(at, percentile(ms, q), len(ms)) for at, ms in seen))
            for q in (0.5, 0.9)
        )
        return Arm(sum(self.requests[:periods]), sum(self.errors[:periods]), latency=series)


def percentile(values: list[float], q: float) -> float:
    """By linear interpolation between the two nearest ranks."""
    ordered, place = sorted(values), (len(values) - 1) * q
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def load(chance: random.Random) -> list[float]:
    """By how much the latency of both fleets is up in each period: a wave, and what wanders about it."""
    wandering, phase, factors = 0.0, chance.uniform(0, math.tau), []
    for period in range(PERIODS):
        wandering = 0.7 * wandering + chance.gauss(0, 0.05)
        factors.append(math.exp(0.15 * math.sin(phase + math.tau * period / PERIODS) + wandering))
    return factors


def fleet(chance: random.Random, canary: Canary, rate: float, error_rate: float, factors: list[float]) -> Fleet:
    requests = [round(rate) if canary.even else poisson(chance, rate) for _ in factors]
    errors = [sum(chance.random() < error_rate for _ in range(count)) for count in requests]
    latencies = [
        [MEDIAN_MS * factor * math.exp(chance.gauss(0, canary.spread)) for _ in range(count)]
        for count, factor in zip(requests, factors, strict=True)
    ]
    return Fleet(requests, errors, latencies)


def poisson(chance: random.Random, rate: float) -> int:
    """Arrivals in a period, by the waiting times between them."""
    count, passed = 0, chance.expovariate(rate)
    while passed < 1:
        count += 1
        passed += chance.expovariate(rate)
    return count


def run(canary: Canary, rules: Rules, seed: str) -> Outcome:
    """One bake: judged at every look until it fails or the verdict is due."""
    chance = random.Random(seed)  # noqa: S311 - a simulation is to be repeatable
    blue_load = load(chance)
    cold = [COLD if PERIOD_S * period < COLD_S else 1.0 for period in range(PERIODS)]
    same = load(chance) if canary.recorded else blue_load
    slowed = [canary.slower * factor * chill for factor, chill in zip(same, cold, strict=True)]
    blue = fleet(chance, canary, canary.blue_requests, 0.01, blue_load)
    green = fleet(chance, canary, canary.green_requests, canary.error_rate, slowed)
    for look in range(1, LOOKS + 1):
        periods = PERIODS * look // LOOKS
        beside = blue.arm(PERIODS if canary.recorded else periods)
        evidence = Evidence(green.arm(periods), *((None, beside) if canary.recorded else (beside, None)))
        judgement = judge(evidence, rules, Look(look / LOOKS, (look - 1) / LOOKS))
        if judgement.verdict is Verdict.FAILED:
            break
    return Outcome(judgement, look / LOOKS)


def share(outcomes: list[Outcome], verdict: Verdict) -> float:
    return sum(outcome.judgement.verdict is verdict for outcome in outcomes) / len(outcomes)


def table(runs: int, rules: Rules, seed: int) -> Iterator[tuple[Canary, list[Outcome]]]:
    for canary in (*GOOD, *BAD):
        yield canary, [run(canary, rules, f"{seed}/{canary.name}/{number}") for number in range(runs)]


def keep(false: float, missed: float) -> None:
    shown = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    result = {
        "how": "simulated",
        "value": f"{100 * false:.1f} % false rollbacks (limit 1 %), {100 * missed:.1f} % missed (limit 5 %), "
        f"the worst of {len(GOOD)} and of {len(BAD)} kinds of {RUNS} runs",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": f"Python {platform.python_version()}, commit {shown.stdout.strip()}",
        "command": "make bench-verdicts",
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    false, missed = [0.0], [0.0]
    for canary, outcomes in table(asked.runs, Rules(), asked.seed):
        passed, failed = share(outcomes, Verdict.PASSED), share(outcomes, Verdict.FAILED)
        (false if canary in GOOD else missed).append(1 - passed if canary in GOOD else passed)
        seen = [outcome.over for outcome in outcomes if outcome.judgement.verdict is Verdict.FAILED]
        when = f", failed at {100 * median(seen):.0f} % of the bake" if seen else ""
        print(f"{canary.name}: {passed:.1%} passed, {failed:.1%} failed, {1 - passed - failed:.1%} inconclusive{when}")
    if (asked.runs, asked.seed) == (RUNS, 1):
        keep(max(false), max(missed))
    print(f"canary verdicts: {max(false):.1%} false rollbacks, {max(missed):.1%} missed")


if __name__ == "__main__":
    main()
