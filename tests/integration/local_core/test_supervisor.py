"""The embedded AWS as a process: it starts on any port, ends when told and leaves nothing behind, however it ends."""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from botocore.exceptions import EndpointConnectionError
from moto.s3.models import s3_backends

from local.__main__ import main
from local.supervisor import Settings, Supervisor
from tests.integration.local_core.aws import Aws, until
from tests.integration.local_core.conftest import start, url_of

if TYPE_CHECKING:
    import subprocess

ANSWERS = "import os\ndef handler(event, context):\n    return os.getpid()\n"


ENDS = {
    "Ctrl-C": (signal.SIGINT, 0),
    "a polite end": (signal.SIGTERM, 0),
    "kill -9": (signal.SIGKILL, -signal.SIGKILL),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {end: tmp_path_factory.mktemp("state") for end in ENDS}


@pytest.fixture(scope="module")
def processes(folders: dict[str, Path]) -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """One for each end, started together: each takes seconds to import what it needs."""
    with contextlib.ExitStack() as running:
        started = {end: running.enter_context(start("--state-dir", str(folder))) for end, folder in folders.items()}
        for process in started.values():
            running.callback(process.kill)
        yield started


@pytest.mark.parametrize("end", ENDS)
def test_no_process_outlives_the_supervisor(
    processes: dict[str, "subprocess.Popen[str]"], folders: dict[str, Path], end: str
) -> None:
    process, (number, code) = processes[end], ENDS[end]
    aws = Aws(url_of(process), process.pid)
    function = aws.function(ANSWERS)
    worker = json.loads(aws.client("lambda").invoke(FunctionName=function)["Payload"].read())
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(number)

    assert worker in {child.pid for child in children}
    assert process.wait(60) == code
    until(
        lambda: (
            None if any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children) else True
        )
    )
    assert (folders[end] / "logs" / "lambda" / f"{function.rsplit(':', 1)[-1]}.log").exists(), "a given folder is kept"


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


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--time-scale", "0", "'0' is not a number above 0"),
        ("--time-scale", "nan", "'nan' is not a number above 0"),
        ("--time-scale", "fast", "'fast' is not a number above 0"),
        ("--port", "65536", "'65536' is not a port from 0 to 65535"),
        ("--ui-port", "-1", "'-1' is not a port from 0 to 65535"),
        ("--capacity", "ml.g5.4xlarge", "'ml.g5.4xlarge' is not NAME=NUMBER"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], option: str, value: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{option}={value}"])

    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"argument {option}: {sentence}")


@pytest.fixture
def own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process keeps its own answers to signals."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.mark.usefixtures("own_signals")
def test_a_quota_that_does_not_exist_is_one_sentence_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert main(["--port", "0", "--quota", "no such quota=1"]) == 2
    assert capsys.readouterr().err == "--quota: SageMaker has no quota called 'no such quota'.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("own_signals")
def test_a_taken_port_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = main(["--port", str(port)])

    assert ended == 2
    [sentence] = capsys.readouterr().err.splitlines()
    assert f"127.0.0.1:{port}" in sentence
    assert "--port" in sentence
