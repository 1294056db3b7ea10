"""Requests that leave, an engine that loses steps and numbers, a shutdown and a hang: what is lost, what lies?

`python -m benchmarks.chaos [--requests 10000] [--overload-s 600]` prints one line of JSON for each of the three.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.simulated_fleet import Instance, Ping, instance
from benchmarks.wire import Outcome, ask

_AT_ONCE = 48
_LEAVERS = 0.3
_LONGEST = 24
QUICK = {"SIMULATED_STEP_S": "0.002", "SLIPWAY_MAX_CONCURRENCY": "16", "SLIPWAY_MAX_QUEUE": "64"}
FAULTS = {"SIMULATED_OOM": "0.002", "SIMULATED_NAN": "0.0005"}


def body(tokens: int, prompt_words: int = 20) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "word " * prompt_words}], "max_tokens": tokens}


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


async def storm(one: Instance, requests: int, seed: int = 1) -> list[Outcome]:
    """`_AT_ONCE` callers; three in ten of their requests are given up at a random moment."""
    chosen = random.Random(seed)  # noqa: S311 - a load, not a secret
    lengths = [chosen.randint(1, _LONGEST) for _ in range(requests)]
    todo = [(body(tokens), chosen.randrange(tokens) if chosen.random() < _LEAVERS else None) for tokens in lengths]
    outcomes: list[Outcome] = []

    async def caller() -> None:
        while todo:
            wanted, leave_after = todo.pop()
            outcomes.append(await ask(one.port, wanted, leave_after=leave_after))

    await asyncio.gather(*(caller() for _ in range(_AT_ONCE)))
    return outcomes


async def quiet(one: Instance, limit_s: float = 10.0) -> dict[str, float]:
    """What the engine still holds once everybody is gone; all zero unless something leaked."""
    names = ("slipway_requests_inside", "vllm:num_requests_running", "vllm:num_requests_waiting")
    ends = time.monotonic() + limit_s
    while True:
        held = {name: one.metric(name) for name in (*names, "vllm:kv_cache_usage_perc")}
        if not any(held.values()) or time.monotonic() > ends:
            return held
        await asyncio.sleep(0.1)


def leavers_and_faults(requests: int, log: Path) -> dict[str, Any]:
    """The engine recounts its blocks whenever it falls idle and dies if one is lost, so a last ping of 200 counts."""
    with instance(log, **QUICK, **FAULTS) as one:
        with one.watched() as pings:
            outcomes = asyncio.run(storm(one, requests))
        held = asyncio.run(quiet(one))
        # One more answer, so that the recount of an idle engine has happened before the last ping.
        last = asyncio.run(ask(one.port, body(1)))
        return {
            "requests": len(outcomes),
            "ends": dict(Counter(outcome.end for outcome in outcomes)),
            "codes": dict(Counter(outcome.code for outcome in outcomes if outcome.code)),
            "held": held,
            "last": last.end,
            "ping": one.ping(),
            **_told(pings),
        }


async def _streams(one: Instance, count: int, longest_tokens: int) -> list[Outcome]:
    chosen = random.Random(2)  # noqa: S311 - a load, not a secret
    tasks = [asyncio.create_task(ask(one.port, body(chosen.randint(1, longest_tokens)))) for _ in range(count)]
    await asyncio.sleep(1.0)
    one.process.send_signal(signal.SIGTERM)
    return await asyncio.gather(*tasks)


def shutdown(streams: int, longest_tokens: int, log: Path) -> dict[str, Any]:
    """SIGTERM in the middle of streams: each must end whole, refused in words, or with an explicit error."""
    settings = {**QUICK, "SIMULATED_STEP_S": "0.01", "SLIPWAY_MAX_CONCURRENCY": str(streams)}
    with instance(log, **settings) as one:
        started = time.monotonic()
        outcomes = asyncio.run(_streams(one, streams, longest_tokens))
        exit_code = one.process.wait(40)
        return {
            "streams": streams,
            "ends": dict(Counter(f"{outcome.end} {outcome.code}".strip() for outcome in outcomes)),
            "exit_code": exit_code,
            "exit_s": round(time.monotonic() - started, 2),
        }


def _told(pings: Sequence[Ping]) -> dict[str, Any]:
    took = [seconds for seconds, _, _ in pings]
    return {
        "pings": dict(Counter(status for _, status, _ in pings)),
        "ping_p50_ms": round(1000 * percentile(took, 0.5), 1),
        "ping_p99_ms": round(1000 * percentile(took, 0.99), 1),
        # How late the machine woke the prober itself; what is lost here is not the server's.
        "wake_p99_ms": round(1000 * percentile([late for _, _, late in pings], 0.99), 1),
    }


async def _overload(one: Instance, seconds: float) -> dict[str, int]:
    """More callers than slots and queue together hold; who is refused waits as long as it is told."""
    ends = time.monotonic() + seconds
    outcomes: Counter[str] = Counter()

    async def caller() -> None:
        while time.monotonic() < ends:
            outcome = await ask(one.port, body(_LONGEST, 200))
            outcomes[outcome.end] += 1
            if outcome.end == "refused":
                await asyncio.sleep(1.0)

    await asyncio.gather(*(caller() for _ in range(128)))
    return dict(outcomes)


def hang(overload_s: float, log: Path) -> dict[str, Any]:
    """An overload in which no ping may say 503, then a stopped engine, which it must say soon, then its return."""
    with instance(log, **{**QUICK, "SIMULATED_STEP_S": "0.02"}) as one:
        with one.watched() as pings:
            ends = asyncio.run(_overload(one, overload_s))
        os.kill(one.engine_pid, signal.SIGSTOP)
        found_s = _seconds_until(one, 503)
        os.kill(one.engine_pid, signal.SIGCONT)
        back_s = _seconds_until(one, 200)
    return {"overload_s": overload_s, "ends": ends, **_told(pings), "hang_found_s": found_s, "back_s": back_s}


def _seconds_until(one: Instance, status: int, limit_s: float = 30.0) -> float:
    started = time.monotonic()
    while one.ping() != status:
        if time.monotonic() - started > limit_s:
            raise RuntimeError(f"/ping did not answer {status} within {limit_s:g} s")
        time.sleep(0.05)
    return round(time.monotonic() - started, 2)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--overload-s", type=float, default=600.0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        print(json.dumps({"leavers and faults": leavers_and_faults(chosen.requests, log)}), flush=True)
        print(json.dumps({"shutdown": shutdown(chosen.streams, 6000, log)}), flush=True)
        print(json.dumps({"hang": hang(chosen.overload_s, log)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
