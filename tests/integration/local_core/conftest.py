"""One embedded AWS for all tests of this folder, started as its users start it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.local_core.aws import Aws

TIME_SCALE = 100


@pytest.fixture(scope="package")
def aws() -> Iterator[Aws]:
    with start("--time-scale", str(TIME_SCALE)) as process:
        yield Aws(url_of(process), process.pid)
        process.terminate()
        assert process.wait(60) == 0, "the embedded AWS ends cleanly"


def start(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "local", "--port", "0", *options], stdout=subprocess.PIPE, text=True)


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("local AWS ready on "), line
    return line.split()[-1]
