"""The README's commands, run as they stand there."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from slipway.local_env import exports
from tests.e2e.running import ROOT, Running
from tests.integration.inference.tiny_model import save_tiny_model, tiny_stablelm

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATOR = "## From a model file to production, and back\n"


def blocks(text: str) -> list[str]:
    """Its commands, fence by fence."""
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


STORY = blocks(README.partition(OPERATOR)[2].partition("\n## ")[0])
BLOCKS = [block for block in blocks(README) if block not in STORY]
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


@dataclass
class Operator:
    """Somebody with a terminal in a folder of their own, where `.venv` is the checkout's."""

    folder: Path
    environment: dict[str, str]

    def types(self, script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def slipway(self, words: str) -> str:
        """One command that must succeed; what it printed."""
        done = self.types(f".venv/bin/slipway {words}")
        assert done.returncode == 0, f"slipway {words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def live(self, endpoint: str = "chat") -> str:
        found: str = json.loads(self.slipway(f"releases {endpoint} --json"))["endpoint"]["liveReleaseId"]
        return found


@pytest.fixture
def operator(slipway: Running, tmp_path: Path) -> Operator:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return Operator(tmp_path, environment | exports(slipway.aws_port))


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_an_operator_releases_a_model_is_saved_from_a_worse_one_and_goes_back(operator: Operator) -> None:
    small, worse, better = STORY
    before = operator.live()

    done = operator.types(small)

    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    first = operator.live()
    assert first != before
    answer = json.loads((operator.folder / "artifacts/answer.json").read_bytes())
    assert ("Paris" in answer["text"], answer["releaseId"]) == (True, first)
    assert "broken" not in done.stdout

    refused = operator.types(worse)

    assert refused.returncode == 4, f"{refused.stdout[-2000:]}\n{refused.stderr[-2000:]}"
    assert "brazil" in refused.stderr, "the golden prompt that was not met is named"
    assert operator.live() == first
    assert "Paris" in operator.slipway("chat 'What is the capital of France?'")

    done = operator.types(better)

    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "an hour" in done.stdout
    second = re.search(rf"^{first} → ([0-9a-f]{{12}})$", done.stdout, re.MULTILINE)
    assert second, done.stdout
    assert operator.live() == first, "the rollback brought it back"
    assert "broken" not in operator.slipway(f"explain {second[1]} --bytes")


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_tiny_stablelm_is_packaged_in_four_bits_and_in_eight_and_answers(operator: Operator, tmp_path: Path) -> None:
    source = save_tiny_model(tmp_path / "tiny")
    tiny_stablelm(hidden_size=64, intermediate_size=128).bfloat16().save_pretrained(source)

    for form in ("nf4", "int8"):
        operator.slipway(f"package {source} --quantise {form} --output artifacts/{form}")
        operator.slipway(f"push artifacts/{form} --version {form} --endpoint tiny")
        answer = json.loads(operator.slipway("chat Hello --endpoint tiny --max-tokens 8 --json"))
        shown = json.loads(operator.slipway(f"releases show {answer['releaseId']} --endpoint tiny --json"))
        assert answer["usage"]["completionTokens"] >= 1
        assert shown["manifest"]["recipe"]["quantisation"] == form
    assert "model.safetensors" in operator.slipway("releases diff --endpoint tiny")
