"""Starts the server over the simulated engine, and looks at it from outside."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Ping(NamedTuple):
    """`benchmarks.prober` sent it."""

    seconds: float
    status: int
    late_s: float
    """How much later than asked for the machine woke the prober for it."""


@dataclass
class Instance:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ping(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metric(self, name: str) -> float:
        """The sum over the metric's labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{re.escape(name)}[ {{]", line)]
        if not found:
            raise KeyError(f"no metric {name}")
        return sum(found)

    @property
    def engine_pid(self) -> int:
        tasks = Path(f"/proc/{self.process.pid}/task")
        (pid,) = [int(one) for task in tasks.iterdir() for one in (task / "children").read_text().split()]
        return pid

    @contextmanager
    def watched(self) -> Iterator[list[Ping]]:
        """Ping all the while; the pings are in the list afterwards."""
        pings: list[Ping] = []
        prober = [sys.executable, str(ROOT / "benchmarks" / "prober.py"), str(self.port)]
        with subprocess.Popen(prober, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield pings
            finally:
                said, _ = process.communicate()
                pings.extend(Ping(*one) for one in json.loads(said))


@contextmanager
def instance(log: Path, **environment: str) -> Iterator[Instance]:
    """A server that answers /ping with 200; it is killed at the end if it still runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "inference_image"),
        "SLIPWAY_RELEASE_ID": "3f2a91c07d4e",
        "SLIPWAY_ROLLOUT_ID": "3f2a91c07d4e-1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        **environment,
    }
    program = [sys.executable, str(ROOT / "benchmarks" / "simulated_server.py"), "--host", "127.0.0.1"]
    with log.open("wb") as output, subprocess.Popen(program, env=env, stdout=output, stderr=output) as process:
        started = Instance(process, port, log)
        try:
            _await_ready(started)
            yield started
        finally:
            process.kill()


def _await_ready(one: Instance) -> None:
    ends = time.monotonic() + 60
    while one.ping() != 200:  # noqa: PLR2004 - HTTP's own word for it
        if one.process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"the simulated server is not ready: {one.log.read_text()[-2000:]}")
        time.sleep(0.1)
