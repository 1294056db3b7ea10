"""The embedded AWS as a process: it starts on any port, ends when told and leaves nothing behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import EndpointConnectionError
from moto.s3.models import s3_backends

from local.supervisor import Settings, Supervisor
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


@pytest.fixture
def stopped() -> Aws:
    """An embedded AWS in this process that was stopped in the middle of its work."""
    supervisor = Supervisor(Settings(port=0))
    supervisor.start()
    aws = Aws(supervisor.world.url, os.getpid())
    aws.bucket()
    states = aws.client("stepfunctions")
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    states.start_execution(stateMachineArn=aws.machine(wait), input="{}")
    supervisor.stop()
    return aws


def test_a_stopped_embedded_aws_answers_nobody(stopped: Aws) -> None:
    with pytest.raises(EndpointConnectionError):
        stopped.client("s3").list_buckets()


def test_a_stopped_embedded_aws_leaves_its_process_as_it_was(stopped: Aws) -> None:
    until(lambda: None if {"execution", "gateway"} & {thread.name for thread in threading.enumerate()} else True)
    parts: list[Mapping[str, object]] = [
        vars(module) for name, module in list(sys.modules.items()) if name.startswith("moto.")
    ]
    parts += [vars(part) for held in list(parts) for part in list(held.values()) if isinstance(part, type)]
    patched = [name for held in parts for name, part in held.items() if _home(part).startswith("local.")]

    assert patched == []
    assert not s3_backends["123456789012"]["aws"].buckets
    assert "MOTO_PORT" not in os.environ


def _home(part: object) -> str:
    function = getattr(part, "__func__", None) or getattr(part, "fget", None) or part
    return str(getattr(function, "__module__", "")) if callable(function) else ""


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
