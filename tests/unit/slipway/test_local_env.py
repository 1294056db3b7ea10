"""Ports, exports and the note of a running embedded AWS."""

import configparser
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from slipway.errors import UsageError
from slipway.local_env import Ports, RunFile, exports, without_aws

ROOT = Path(__file__).parents[3]


def test_the_ports_have_defaults_and_variables() -> None:
    assert Ports.of_environment({}) == Ports(aws=4566, ui=7860)
    assert Ports.of_environment({"SLIPWAY_AWS_PORT": "1", "SLIPWAY_UI_PORT": "65535"}) == Ports(aws=1, ui=65535)


@pytest.mark.parametrize("text", ["0", "65536", "abc", "-1", "4566.0", "²"])
def test_a_port_that_is_none_is_refused_with_its_variable(text: str) -> None:
    with pytest.raises(UsageError, match=r"SLIPWAY_UI_PORT is .* not a port"):
        Ports.of_environment({"SLIPWAY_UI_PORT": text})


def test_one_port_for_both_is_refused() -> None:
    with pytest.raises(UsageError, match="both 4566"):
        Ports.of_environment({"SLIPWAY_UI_PORT": "4566"})


def test_a_taken_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is taken.*SLIPWAY_UI_PORT"):
            Ports(aws=_free_port(), ui=port).check_free()


def test_free_ports_pass() -> None:
    Ports(aws=_free_port(), ui=_free_port()).check_free()


def test_the_exports_point_at_this_machine_with_keys_that_open_nothing_else() -> None:
    assert exports(4567) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4567",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(ROOT / "local" / "aws-config"),
        "AWS_PROFILE": "slipway-local",
    }


def test_the_profile_of_samconfigs_local_environment_is_in_the_file_that_the_exports_name() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    profiles = configparser.ConfigParser()
    profiles.read(exports(4566)["AWS_CONFIG_FILE"])

    profile = profiles[f"profile {config['local']['global']['parameters']['profile']}"]

    assert profile["endpoint_url"] == exports(4566)["AWS_ENDPOINT_URL"]
    assert profile["aws_access_key_id"] == exports(4566)["AWS_ACCESS_KEY_ID"]


def test_no_aws_setting_of_the_person_reaches_the_children() -> None:
    kept = without_aws({"PATH": "/bin", "AWS_PROFILE": "prod", "AWS_ENDPOINT_URL_S3": "https://example.com"})

    assert kept == {"PATH": "/bin", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def test_the_note_of_a_live_run_is_found(tmp_path: Path) -> None:
    run = RunFile(os.getpid(), 4566, 7860, str(tmp_path / "run-4566-x"))
    run.write(tmp_path)

    assert RunFile.read(tmp_path, 4566) == run
    assert RunFile.read(tmp_path, 4567) is None


def test_the_note_of_a_dead_run_goes_with_its_scratch_folder(tmp_path: Path) -> None:
    scratch = tmp_path / "run-4566-x"
    scratch.mkdir()
    RunFile(_dead_pid(), 4566, 7860, str(scratch)).write(tmp_path)

    assert RunFile.read(tmp_path, 4566) is None
    assert not scratch.exists()
    assert not RunFile.path(tmp_path, 4566).exists()


def test_a_note_that_points_elsewhere_deletes_nothing_there(tmp_path: Path) -> None:
    elsewhere, cache = tmp_path / "precious", tmp_path / "cache"
    elsewhere.mkdir()
    cache.mkdir()
    RunFile(_dead_pid(), 4566, 7860, str(elsewhere)).write(cache)

    assert RunFile.read(cache, 4566) is None
    assert elsewhere.exists()


def test_a_damaged_note_is_forgotten(tmp_path: Path) -> None:
    RunFile.path(tmp_path, 4566).write_text('{"pid": 1')

    assert RunFile.read(tmp_path, 4566) is None
    assert not RunFile.path(tmp_path, 4566).exists()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid
