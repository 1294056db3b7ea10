"""A checker that did not look is told from one that found nothing."""

import sys
from pathlib import Path

import pytest

from infra.verify.__main__ import reported
from infra.verify.findings import Finding
from infra.verify.running import CheckerRefusedError, answer, environment, output
from infra.verify.subjects import Subjects
from infra.verify.tools import Checker

NOTHING = Subjects({}, {}, {}, {})
CAUGHT = Finding("checker", "R1", "planted/Bucket", "a fault on purpose")


def test_a_checker_that_is_not_installed_is_refused_with_the_way_to_install_it() -> None:
    with pytest.raises(CheckerRefusedError, match=r"checkov is not installed; run `make \.venv-nowhere/\.ready`"):
        environment(".venv-nowhere", "checkov")


def test_an_exit_code_that_is_no_verdict_is_refused() -> None:
    with pytest.raises(CheckerRefusedError, match=r"ended with 3: broken"):
        output([sys.executable, "-c", "import sys; print('broken', file=sys.stderr); sys.exit(3)"])


def test_an_answer_that_is_no_json_is_refused() -> None:
    with pytest.raises(CheckerRefusedError, match="answered no JSON: all fine"):
        answer([sys.executable, "-c", "print('all fine')"])


def test_a_checker_that_is_refused_counts_as_a_finding(tmp_path: Path) -> None:
    def refused(_: Subjects, __: Path) -> list[Finding]:
        raise CheckerRefusedError("checker is not installed")

    (found,) = reported([Checker("checker", refused, "R1", "planted/Bucket")], NOTHING, tmp_path)

    assert (found.tool, found.rule, found.message) == ("checker", "refused", "checker is not installed")


def test_a_checker_that_misses_its_plant_counts_as_a_finding(tmp_path: Path) -> None:
    (found,) = reported([Checker("checker", lambda *_: [], "R1", "planted/Bucket")], NOTHING, tmp_path)

    assert (found.rule, found.resource) == ("missed-its-plant", "R1")


def test_a_checker_that_catches_its_plant_is_alive(tmp_path: Path) -> None:
    checker = Checker("checker", lambda *_: [CAUGHT], "R1", "planted/Bucket")

    assert reported([checker], NOTHING, tmp_path) == [CAUGHT]
