"""Tokens per second of the inference engine beside other engines, on the same machine in the same minutes.

Every contender is a process of its own that reads a burst from its standard input, as one line of JSON
`{"prompts": [[token, …], …], "new_tokens": 48}`, answers it as fast as it can and writes one line
`{"tokens": n, "seconds": s}`. So a peer may live in an environment of its own: `--peer "name=command"`.

A burst is one request of each of n users, arriving together; prompt reading is part of the time. Contenders take turns
within each round, so that whatever else the machine does disturbs all of them alike; ratios are taken within a round.
On a machine that is never quiet, tokens per CPU second of one thread each compare the arithmetic; tokens per second
then say more about who else was there.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from tokenizers import Tokenizer

from slipway.packaging.example_model import default_cache, prepare_example_model

ROOT = Path(__file__).parents[1]
OURS = "slipway"
NEW_TOKENS = 48
TOPICS = [
    *("the sea", "bread", "trains", "winter", "photosynthesis", "volcanoes", "the moon", "chess", "coffee", "bridges"),
    *("bees", "glass", "rivers", "poetry", "clocks", "maps", "salt", "gravity", "forests", "ice", "music", "paper"),
    *("horses", "steel", "silk", "wheat", "stars", "tea", "rain", "owls", "castles", "kites"),
]


@dataclass
class Contender:
    """One engine in its own process."""

    name: str
    command: Sequence[str]
    threads: int | None = None
    """None leaves the choice to the engine."""
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Returns when its model is loaded: every contender writes one line then."""
        threads = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env={**os.environ, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._asks, self._answers = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)
        self._read()

    def burst(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Tokens, seconds, the contender's CPU seconds, and the share of the cores that others used meanwhile."""
        before, own_before, began = _busy_s(), _cpu_s(self.process.pid), time.perf_counter()
        self._asks.write(json.dumps({"prompts": prompts, "new_tokens": NEW_TOKENS}) + "\n")
        result: dict[str, Any] = json.loads(self._read())
        wall = time.perf_counter() - began
        own = _cpu_s(self.process.pid) - own_before
        foreign = (_busy_s() - before) - own
        return {**result, "cpu_s": own, "foreign": max(0.0, foreign) / (wall * (os.cpu_count() or 1))}

    def stop(self) -> None:
        self._asks.close()
        self.process.wait(30)

    def _read(self) -> str:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with exit code {self.process.wait()} before it answered")
        return line


def prompts(folder: Path, count: int) -> list[list[int]]:
    """About 57 tokens each, in the example model's chat format."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    texts = [
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nPlease write a short and careful explanation about "
        f"{TOPICS[number % len(TOPICS)]} for a curious ten year old child, and mention one surprising fact number "
        f"{number}.<|im_end|>\n<|im_start|>assistant\n"
        for number in range(count)
    ]
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def measure(contenders: Sequence[Contender], asked: list[list[int]], users: int, rounds: int) -> dict[str, Any]:
    """One row: per contender the rates of all rounds, and ours over theirs round by round."""
    runs: dict[str, list[dict[str, Any]]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for one in [*contenders[turn:], *contenders[:turn]]:
            runs[one.name].append(one.burst(asked[:users]))
    rates = {name: [run["tokens"] / run["seconds"] for run in of] for name, of in runs.items()}
    thrift = {name: [run["tokens"] / run["cpu_s"] for run in of] for name, of in runs.items()}
    return {
        "users": users,
        "tokens_per_s": {name: [round(rate, 1) for rate in of] for name, of in rates.items()},
        "tokens_per_cpu_s": {name: [round(rate, 1) for rate in of] for name, of in thrift.items()},
        "foreign_cpu": {name: [round(run["foreign"], 2) for run in of] for name, of in runs.items()},
        "ratio": _ratios(rates),
        "cpu_ratio": _ratios(thrift),
    }


def _ratios(of_rounds: dict[str, list[float]]) -> dict[str, float]:
    """Ours over theirs, the median of the rounds."""
    ours = of_rounds[OURS]
    return {
        name: round(statistics.median(our / their for our, their in zip(ours, theirs, strict=True)), 2)
        for name, theirs in of_rounds.items()
        if name != OURS
    }


def _busy_s() -> float:
    """Seconds that the cores have worked, for whomever, the hypervisor included."""
    jiffies = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(jiffies[:3]) + sum(jiffies[5:8])) / os.sysconf("SC_CLK_TCK")


def _cpu_s(pid: int) -> float:
    """Seconds of a process, its children and ourselves."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    stats = [Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split() for one in (pid, *children)]
    return own.ru_utime + own.ru_stime + sum(int(one[11]) + int(one[12]) for one in stats) / os.sysconf("SC_CLK_TCK")


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of each contender; with one, CPU seconds tell on a busy machine")
    parser.add_argument("--dtype", default="auto", help="SLIPWAY_DTYPE of our engine")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND", help="one more contender")
    parser.add_argument("--no-transformers", action="store_true", help="leave generate() out")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    chosen = _arguments(given)
    folder = prepare_example_model(default_cache(), print)
    python = sys.executable
    contenders = [
        Contender(OURS, [python, "-m", "benchmarks.serving_slipway", str(folder), chosen.dtype], chosen.threads)
    ]
    if not chosen.no_transformers:
        contenders.append(
            Contender(
                "generate(), batched", [python, "-m", "benchmarks.serving_transformers", str(folder)], chosen.threads
            )
        )
    for peer in chosen.peer:
        name, command = peer.split("=", 1)
        contenders.append(Contender(name, command.split(), chosen.threads))
    asked = prompts(folder, max(chosen.users))
    rows = []
    for one in contenders:
        one.start()
        one.burst(asked[:2])  # warm
    try:
        for users in chosen.users:
            rows.append(measure(contenders, asked, users, chosen.rounds))
            print(json.dumps(rows[-1]), flush=True)
    finally:
        for one in contenders:
            one.stop()
    if chosen.json:
        about = {"date": datetime.now(UTC).date().isoformat(), "cpu": platform.processor(), "cores": os.cpu_count()}
        chosen.json.write_text(json.dumps({**about, "new_tokens": NEW_TOKENS, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
