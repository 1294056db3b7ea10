"""`slipway local fault` against a running embedded AWS, which it finds by the note of the run."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from slipway.cli import app
from slipway.errors import UsageError
from slipway.local_env import RunFile
from tests.integration.local_core.aws import Aws

Fault = Callable[..., Result]


@pytest.fixture
def fault(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fault:
    port = int(aws.url.rpartition(":")[2])
    RunFile(os.getpid(), port, port + 1, str(tmp_path)).write(tmp_path)
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_AWS_PORT", str(port))

    def run(*words: str) -> Result:
        result = CliRunner().invoke(app(), ["local", "fault", *words])
        if result.exception is not None:
            raise result.exception
        return result

    run("clear")
    return run


def test_a_fault_is_set_seen_and_cleared(aws: Aws, fault: Fault) -> None:
    said = fault("set", "api", "denied", "--service", "sts", "--operation=Get*", "--times", "2")
    [fault_id] = said.stdout.splitlines()

    assert f"api denied of service=sts operation=Get*, 2 times; `slipway local fault clear {fault_id}`" in said.stderr
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.client("sts").get_caller_identity()
    [heading, line] = fault("list").stdout.splitlines()
    assert heading.split() == ["ID", "KIND", "FAILURE", "TIMES", "AFTER", "STRUCK", "WHERE"]
    assert line.split() == [fault_id, "api", "denied", "2", "0", "1", "service=sts", "operation=Get*"]
    assert fault_id in fault("clear", fault_id).stderr
    assert aws.client("sts").get_caller_identity()["Account"]
    assert "no faults are set" in fault("list").stderr


def test_other_programs_get_json(fault: Fault) -> None:
    new = json.loads(fault("set", "event", "delayed", "--delay-s", "30", "--json").stdout)

    assert (new["kind"], new["failure"], new["delayS"], new["struck"]) == ("event", "delayed", 30, 0)
    assert json.loads(fault("list", "--json").stdout) == [new]
    assert json.loads(fault("clear", "--json").stdout) == {"cleared": [new["id"]]}
    assert set(json.loads(fault("kinds", "--json").stdout)) >= {"api", "fleet", "event", "clock"}


def test_what_the_board_refuses_is_its_sentence(fault: Fault) -> None:
    with pytest.raises(UsageError, match="there is no field 'servise'; this kind has times, after"):
        fault("set", "api", "throttled", "--servise", "s3")
    with pytest.raises(UsageError, match="there is no fault 'fault-0'; set are: none is set"):
        fault("clear", "fault-0")
