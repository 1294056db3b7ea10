"""The embedded AWS as a process: it starts on any port, ends when told and leaves nothing behind, however it ends."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.local_core.aws import Aws, until
from tests.integration.local_core.conftest import start, url_of

ANSWERS = "import os\ndef handler(event, context):\n    return os.getpid()\n"


@pytest.fixture
def process(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    with start("--state-dir", str(tmp_path)) as running:
        yield running
        running.kill()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 0, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 0, id="a polite end"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="kill -9"),
    ],
)
def test_no_process_outlives_the_supervisor(
    process: "subprocess.Popen[str]", number: signal.Signals, code: int, tmp_path: Path
) -> None:
    aws = Aws(url_of(process), process.pid)
    function = aws.function(ANSWERS)
    worker = json.loads(aws.client("lambda").invoke(FunctionName=function)["Payload"].read())
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(number)

    assert worker in {child.pid for child in children}
    assert process.wait(15) == code
    until(
        lambda: (
            None if any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children) else True
        )
    )
    assert (tmp_path / "logs" / "lambda" / f"{function.rsplit(':', 1)[-1]}.log").exists(), "a given folder is kept"


def test_a_taken_port_is_one_sentence_and_exit_code_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = subprocess.run(
            [sys.executable, "-m", "local", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    assert ended.returncode == 2
    [sentence] = ended.stderr.splitlines()
    assert f"127.0.0.1:{port}" in sentence
    assert "--port" in sentence
