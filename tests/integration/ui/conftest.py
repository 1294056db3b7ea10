"""The page as its own process in front of a fake runtime."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from slipway.local_env import exports, without_aws
from tests.integration.ui.fake_runtime import IN_SERVICE, FakeRuntime, running

ROOT = Path(__file__).parents[3]


@dataclass
class Page:
    url: str
    runtime: FakeRuntime
    log: Path


@pytest.fixture(scope="session")
def page_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with running() as runtime, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        aws = exports(1) | {"AWS_ENDPOINT_URL": runtime.url}
        path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "functions")])}
        log = tmp_path_factory.mktemp("page") / "page.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "ui"],
                env=without_aws(os.environ)
                | aws
                | path
                | {"HOST": "127.0.0.1", "PORT": str(port), "SLIPWAY_REQUESTS_A_MINUTE": "10000"},
                cwd=log.parent,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url, process, log)
            yield Page(url, runtime, log)
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def page(page_process: Page) -> Page:
    page_process.runtime.requests.clear()
    page_process.runtime.hung_up.clear()
    page_process.runtime.control = dict(IN_SERVICE)
    return page_process


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"{url}/healthz", timeout=2):  # noqa: S310 - loopback
                return
        except OSError:
            assert process.poll() is None, f"the page ended with {process.returncode}: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"the page is not up after 60 s: {log.read_text()[-2000:]}"
        time.sleep(0.1)
