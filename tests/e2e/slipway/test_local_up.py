"""`slipway local up` when it does not go well: it says why, keeps the logs and leaves nothing running."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from slipway.local_env import RunFile

ROOT = Path(__file__).parents[3]


@dataclass
class Started:
    process: "subprocess.Popen[bytes]"
    log: Path
    cache: Path

    def says(self, text: str, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in self.log.read_text():
            assert self.process.poll() is None, f"it ended before it said {text!r}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"{text!r} not said in {timeout_s} s:\n{self.log.read_text()}"
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def local_up(tmp_path: Path, files: dict[str, bytes]) -> Iterator[Started]:
    model, cache, log = tmp_path / "model", tmp_path / "cache", tmp_path / "up.log"
    model.mkdir()
    for name, content in files.items():
        (model / name).write_bytes(content)
    ports = {"SLIPWAY_AWS_PORT": str(free_port()), "SLIPWAY_UI_PORT": str(free_port()), "SLIPWAY_CACHE": str(cache)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway", "local", "up", "--model", str(model)],
            cwd=ROOT,
            env=os.environ | ports,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Started(process, log, cache)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def still_running(family: list[psutil.Process]) -> list[psutil.Process]:
    gone, alive = psutil.wait_procs(family, timeout=5)
    assert len(gone) + len(alive) == len(family)
    return alive


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["Ctrl-C", "SIGTERM", "closed terminal"]
)
def test_a_signal_ends_every_process_and_removes_the_scratch_folder(tmp_path: Path, number: signal.Signals) -> None:
    with local_up(tmp_path, {"config.json": b"{}"}) as started:
        started.says("✓ stack slipway")
        family = started.family()
        assert family

        started.process.send_signal(number)

        assert started.process.wait(30) == 0, started.log.read_text()
        assert still_running(family) == []
        assert list(started.cache.iterdir()) == []


def test_killing_it_leaves_no_process_and_the_next_run_removes_what_lies_about(tmp_path: Path) -> None:
    with local_up(tmp_path, {"config.json": b"{}"}) as started:
        started.says("✓ stack slipway")
        family = started.family()

        started.process.kill()

        started.process.wait(10)
        assert still_running(family) == []
        (scratch,) = [path for path in started.cache.iterdir() if path.is_dir()]
        port = int(scratch.name.split("-")[1])
        assert RunFile.read(started.cache, port) is None  # what the next run on this port does first
        assert list(started.cache.iterdir()) == []


def test_a_refused_model_is_one_sentence_with_the_logs_and_exit_code_1(tmp_path: Path) -> None:
    pickle = {"config.json": b"{}", "tokenizer.json": b"{}", "pytorch_model.bin": b"\x80\x04."}
    with local_up(tmp_path, pickle) as started:
        started.says("✓ embedded AWS")
        family = started.family()

        code = started.process.wait(120)

        said = started.log.read_text().splitlines()[-1]
        assert code == 1, started.log.read_text()
        assert "pytorch_model.bin" in said
        assert "rejected" in said
        (logs,) = [path for path in started.cache.iterdir() if path.name.startswith("logs-")]
        assert str(logs) in said
        assert (logs / "local-aws.log").read_text() != ""
        assert still_running(family) == []
        assert [path for path in started.cache.iterdir() if path.name.startswith("run-")] == []
