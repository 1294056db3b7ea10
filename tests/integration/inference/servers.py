"""Real server processes on loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

IMAGE = Path(__file__).parents[3] / "inference_image"
RELEASE_ID, ROLLOUT_ID = "3f2a91c07d4e", "3f2a91c07d4e-2"
ATTRIBUTES = f"release={RELEASE_ID};rollout={ROLLOUT_ID}"


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    def ping(self) -> httpx.Response:
        return self.client.get("/ping")

    def ask(self, body: Mapping[str, Any], path: str = "/invocations") -> httpx.Response:
        return self.client.post(path, json=body)

    def await_ready(self, limit_s: float = 90.0) -> None:
        ends = time.monotonic() + limit_s
        while self.ping().status_code != 200:
            assert time.monotonic() < ends, f"not ready after {limit_s} s: {self.log.read_text()}"
            time.sleep(0.1)

    def await_idle(self, limit_s: float = 10.0) -> float:
        """Until no request is inside; seconds that it took."""
        started = time.monotonic()
        while "slipway_requests_inside 0" not in self.client.get("/metrics").text:
            assert time.monotonic() - started < limit_s, self.client.get("/metrics").text
            time.sleep(0.02)
        return time.monotonic() - started

    def children(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]

    def terminate(self, limit_s: float = 40.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(program: str, model_dir: Path, log: Path, **environment: str) -> Iterator[Server]:
    """Start `serve` or `stand_in.py`; its port is open when this yields, its model need not be loaded."""
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "SLIPWAY_RELEASE_ID": RELEASE_ID,
        "SLIPWAY_ROLLOUT_ID": ROLLOUT_ID,
        "SLIPWAY_MODEL_NAME": "chat",
        "SLIPWAY_MODEL_DIR": str(model_dir),
        "SLIPWAY_THREADS": "1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, IMAGE / program, "--host", "127.0.0.1"], env=env, stdout=output, stderr=output
        )
    with process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            _await_port(process, port, log)
            yield Server(process, client, log)
        finally:
            process.kill()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    while True:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)


def events(lines: Iterator[str]) -> Iterator[Any]:
    """The `data:` events of a stream; `[DONE]` comes as that string."""
    for line in lines:
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
            yield data if data == "[DONE]" else json.loads(data)
