"""The command as a process: what goes to stdout, what to stderr, and its exit codes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from docs.describe_cli import commands
from slipway.install_launcher import install_launcher

ROOT = Path(__file__).parents[3]
QUIET = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "PATH": os.environ["PATH"],
}


def slipway(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=ROOT,
        env=QUIET | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = slipway("local", "up", SLIPWAY_AWS_PORT=str(port), SLIPWAY_CACHE=str(tmp_path))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"slipway: port {port} of 127.0.0.1 is taken; stop what uses it, or set SLIPWAY_AWS_PORT to another port\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_exports_are_lines_that_a_shell_can_take() -> None:
    done = slipway("local", "env", SLIPWAY_AWS_PORT="14566")

    shell = subprocess.run(
        ["bash", "-c", f'{done.stdout}\nprintf %s "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == "http://127.0.0.1:14566 local us-east-1"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "sentence"),
    [
        pytest.param(["releases"], {}, 5, "slipway: no AWS region is set", id="no region"),
        pytest.param(
            ["releases"],
            {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_MAX_ATTEMPTS": "1",
            },
            5,
            "slipway: AWS did not answer",
            id="nobody at the address",
        ),
        pytest.param(["local", "env"], {"SLIPWAY_AWS_PORT": "x"}, 2, "SLIPWAY_AWS_PORT is 'x'", id="no port"),
        pytest.param(["push"], {}, 2, "Error: Missing argument 'directory'.", id="usage"),
        pytest.param(
            ["chat", "Hi", "--temperature", "9"], {}, 2, "Error: Invalid value for '--temperature'", id="range"
        ),
        pytest.param(
            ["push", "/nowhere", "--version", "v1"], {}, 2, "slipway: /nowhere is not a folder", id="no folder"
        ),
    ],
)
def test_what_goes_wrong_is_a_sentence_on_stderr(
    arguments: list[str], environment: dict[str, str], code: int, sentence: str
) -> None:
    done = slipway(*arguments, **environment)

    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "│" not in done.stderr, "a box cuts the sentence in lines"


def test_output_that_finds_no_space_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "slipway", "local", "env"],
            cwd=ROOT,
            env=QUIET,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (
        1,
        "slipway: the output cannot be used: No space left on device; mend that and run it again\n",
    )


_HELP_OF_ALL = """
import contextlib, io, sys
from slipway.cli import app
for words in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        app(words.split()[0])([*words.split(), "--help"], prog_name="slipway")
    assert said.getvalue().startswith(f"Usage: slipway {words} "), said.getvalue()
print(*sorted({"boto3", "local", "pydantic", "rich", "simulation", "torch"} & sys.modules.keys()))
"""


def test_the_help_of_no_command_loads_what_takes_long() -> None:
    every = [words for words, _ in commands()]
    argv = [sys.executable, "-c", _HELP_OF_ALL, *every]
    environment = QUIET | {"PYTHONPATH": str(ROOT / "functions")}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("slipway rele", "releases"), ("slipway releases d", "diff"), ("slipway push --ver", "--version")],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_SLIPWAY_COMPLETE": "complete_bash"}
    environment = QUIET | asked | {"PYTHONPATH": str(ROOT / "functions")}
    argv = [sys.executable, "-c", "import sys; sys.argv = ['slipway']; from slipway.cli import main; main()"]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split()) == (0, [offered])


def test_the_launcher_runs_the_checkout_from_anywhere_even_with_blanks_in_its_path(tmp_path: Path) -> None:
    bin_dir = tmp_path / "my bin"
    bin_dir.mkdir()
    (bin_dir / "python").symlink_to(sys.executable)

    launcher = install_launcher(bin_dir, ROOT)

    # The link has no packages of its own, so the command itself cannot load; what must be right is where it looks.
    environment = QUIET | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path)}
    done = subprocess.run(
        [launcher, "local", "env"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4566\n" in done.stdout
