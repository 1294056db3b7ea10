"""The README's commands, run as they stand there."""

import os
import re
import subprocess

import pytest

from tests.e2e.running import ROOT, Running

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

BLOCKS = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
RUN_BY_THE_FIXTURE = "make run\n"
RUN_BY_CI = "make test\n"
NEEDS_AN_ACCOUNT = "make deploy\n"


def test_the_readme_commands_do_what_the_readme_says(slipway: Running) -> None:
    elsewhere = [RUN_BY_THE_FIXTURE, RUN_BY_CI, NEEDS_AN_ACCOUNT]
    assert [block for block in BLOCKS if block in elsewhere] == elsewhere
    script = "".join(block for block in BLOCKS if block not in elsewhere)
    environment = {
        **os.environ,
        "SLIPWAY_AWS_PORT": str(slipway.aws_port),
        "SLIPWAY_UI_PORT": str(slipway.ui_port),
        "PATH": f"{ROOT / '.venv-awscli' / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    before = slipway.ask().release_id

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "Paris" in done.stdout
    assert before in done.stdout, "`slipway releases` lists the release that serves"
    started = done.stdout[done.stdout.rindex("arn:aws:states:") :].split('"')[0]
    assert slipway.ended(started)["status"] == "SUCCEEDED"


def test_ci_runs_exactly_the_readme_test_command() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().splitlines()[-1] == RUN_BY_CI.strip()
