"""How long a person waits for the command line: the help of every command, and the list of releases.

`python -m benchmarks.command_line` prints the median of some runs of each, beside an interpreter that does nothing.
With an embedded AWS in the environment (`eval "$(slipway local env)"`) it measures `slipway releases` too.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from docs.describe_cli import commands

ROOT = Path(__file__).parents[1]
RUNS = 7
HELP_LIMIT_MS, RELEASES_LIMIT_MS = 200, 400


def median_ms(arguments: list[str], runs: int = RUNS) -> float:
    """Wall time of a whole process, from its start to its end."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def main() -> None:
    print(json.dumps({"interpreterMs": round(median_ms(["-c", "pass"]), 1), "load": os.getloadavg()[0]}))
    slowest = ("", 0.0)
    for words, _ in commands():
        taken = median_ms(["-m", "slipway", *words.split(), "--help"], runs=3)
        slowest = max(slowest, (words, taken), key=lambda one: one[1])
    print(json.dumps({"slowestHelp": slowest[0], "ms": round(slowest[1], 1), "limitMs": HELP_LIMIT_MS}))
    if "AWS_ENDPOINT_URL" in os.environ:
        taken = median_ms(["-m", "slipway", "releases"])
        print(json.dumps({"releasesMs": round(taken, 1), "limitMs": RELEASES_LIMIT_MS}))
    else:
        print("slipway releases was not measured: no AWS_ENDPOINT_URL; see `slipway local env`", file=sys.stderr)


if __name__ == "__main__":
    main()
