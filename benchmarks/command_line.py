"""How long a person waits for the command line: the help of every command, and the list of releases.

`python -m benchmarks.command_line` starts a Slipway of its own (`slipway local up`, ports that are free) for the list.
"""

import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from docs.describe_cli import commands
from slipway.local_env import exports

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
RUNS = 7
HELP_LIMIT_MS, RELEASES_LIMIT_MS = 200, 400
UP_LIMIT_S = 240


def median_ms(arguments: list[str], environment: dict[str, str], runs: int = RUNS) -> float:
    """Wall time of a whole process, from its start to its end."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        argv = [sys.executable, *arguments]
        subprocess.run(argv, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


@contextmanager
def a_running_slipway() -> Iterator[dict[str, str]]:
    """The environment in which commands meet it."""
    aws, ui = free_port(), free_port()
    environment = {**os.environ, "SLIPWAY_AWS_PORT": str(aws), "SLIPWAY_UI_PORT": str(ui)}
    with tempfile.NamedTemporaryFile("w+") as log:
        argv = [sys.executable, "-m", "slipway", "local", "up"]
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + UP_LIMIT_S
            while "Chat page" not in Path(log.name).read_text(encoding="utf-8"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"slipway local up did not come up:\n{Path(log.name).read_text(encoding='utf-8')}")
                time.sleep(0.5)
            yield {**os.environ, **exports(aws)}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def keep(claim: str, value: str) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    busy = f"load average {os.getloadavg()[0]:.0f}"
    result = {
        "how": "measured",
        "value": value,
        "hardware": f"{os.cpu_count()} cores, {busy}, {platform.machine()}, {platform.system()}",
        "versions": f"Python {platform.python_version()}, commit {commit.stdout.strip()}",
        "command": "python -m benchmarks.command_line",
        "date": datetime.now(UTC).date().isoformat(),
    }
    (RESULTS / f"{claim}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{claim}: {value}")


def main() -> None:
    environment = dict(os.environ)
    nothing = median_ms(["-c", "pass"], environment)
    helps = {words: median_ms(["-m", "slipway", *words.split(), "--help"], environment, 3) for words, _ in commands()}
    helps[""] = median_ms(["-m", "slipway", "--help"], environment)
    slowest = max(helps, key=lambda words: helps[words])
    keep(
        "command-help",
        f"slowest of {len(helps)}: `slipway {slowest} --help`".replace("  ", " ")
        + f" in {helps[slowest]:.0f} ms, median {statistics.median(helps.values()):.0f} ms (limit {HELP_LIMIT_MS}); "
        f"an interpreter that does nothing takes {nothing:.0f} ms",
    )
    with a_running_slipway() as environment:
        taken = median_ms(["-m", "slipway", "releases"], environment)
        sdk = median_ms(["-c", "import boto3; boto3.client('dynamodb').list_tables()"], environment)
    keep(
        "command-releases",
        f"`slipway releases` in {taken:.0f} ms, median of {RUNS} (limit {RELEASES_LIMIT_MS}); "
        f"one call of boto3 alone takes {sdk:.0f} ms",
    )


if __name__ == "__main__":
    main()
